// The other runtimes, and a project that has installed the packed package, as its users do.

import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { at } from '../../../scripts/lib/build.mjs';
import { root } from '../../../scripts/lib/run.mjs';

const { platform, arch, report } = process;
const { glibcVersionRuntime } = report.getReport().header;
const suffix = glibcVersionRuntime ? '-glibc' : '';
const bunArch = arch === 'arm64' ? 'aarch64' : arch;

/** The program of each, in the package of this platform. */
const programs = {
  bun: `@oven/bun-${platform}-${bunArch}/bin/bun`,
  deno: `@deno/${platform}-${arch}${suffix}/deno`,
  workerd: `@cloudflare/workerd-${platform}-${arch === 'x64' ? '64' : arch}/bin/workerd`,
};

/** Where a runtime is; the set-up of the tests has put it there. */
export function programOf(name) {
  const path = at('tests', 'runtimes', 'node_modules', ...programs[name].split('/'));
  if (!existsSync(path)) throw new Error(`${path} is not there: npm run setup installs it`);
  return path;
}

const modules = {
  'program.mjs': ['tests', 'runtimes', 'support', 'program.mjs'],
  'edge_worker.mjs': ['tests', 'runtimes', 'support', 'edge_worker.mjs'],
  'story.mjs': ['tests', 'runtimes', 'support', 'story.mjs'],
  'rng.mjs': ['tests', 'node', 'support', 'rng.mjs'],
};

/** Makes a project in `folder` with the package installed from its tarball and our modules. */
export function makeProject(folder) {
  mkdirSync(folder, { recursive: true });
  const quiet = ['--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  execFileSync('npm', ['install', ...quiet, join(folder, filename)], { cwd: folder });
  for (const [name, path] of Object.entries(modules)) copyFileSync(at(...path), join(folder, name));
}

/** A process that says lines of JSON. */
export class Speaker {
  #lines;
  #errors = '';

  constructor(command, args, { cwd, env = {}, stdio = ['ignore', 'pipe', 'pipe'] }) {
    this.child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code, signal) => resolve(signal ?? code)),
    );
    this.child.stderr.on('data', (data) => (this.#errors += data));
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  get pid() {
    return this.child.pid;
  }

  /** What it says next; undefined where it has ended. */
  async next() {
    const { value, done } = await this.#lines.next();
    return done ? undefined : JSON.parse(value);
  }

  /** All that it says until it ends by itself without a fault. */
  async rest() {
    const said = [];
    for (let line = await this.next(); line !== undefined; line = await this.next())
      said.push(line);
    const end = await this.ended;
    if (end !== 0) throw new Error(`it ended with ${end}\n${this.#errors}`);
    return said;
  }

  kill() {
    this.child.kill('SIGKILL');
    return this.ended;
  }
}
