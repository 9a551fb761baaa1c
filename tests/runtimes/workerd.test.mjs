// Cloudflare's workerd: databases in memory, packed files and the index level, from a worker's
// fetch handler; the same answers as in Node.
// budget: 15 s

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { temporary } from '../node/support/temporary.mjs';
import { Speaker, makeProject, programOf } from './support/runtimes.mjs';

const { folder } = temporary('workerd');
const project = join(folder, 'project');
const library = join(project, 'node_modules', 'veerdb');

/** Every module that the worker imports, with the name that its importers give it. */
function modulesOf(entry) {
  const modules = new Map();
  const visit = (name, file) => {
    if (modules.has(name)) return;
    modules.set(name, file);
    if (!file.endsWith('js')) return;
    const source = readFileSync(file, 'utf8');
    for (const [, specifier] of source.matchAll(
      /^(?:import|export|\}) .*from ['"]([^'"]+)['"];$/gm,
    )) {
      const isOurs = specifier === 'veerdb';
      visit(
        isOurs ? specifier : posix.join(posix.dirname(name), specifier),
        isOurs ? join(library, entry) : join(dirname(file), specifier),
      );
    }
  };
  visit('edge_worker.mjs', join(project, 'edge_worker.mjs'));
  return modules;
}

/** What workerd is told: the modules, and a socket at a port of its choice. */
function configuration(modules, compatibilityDate) {
  const list = [...modules].map(([name, file]) => {
    const kind = file.endsWith('.wasm') ? 'wasm' : 'esModule';
    return `(name = "${name}", ${kind} = embed "${relative(project, file)}")`;
  });
  return `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [(name = "main", worker = .main)],
      sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
    );
    const main :Workerd.Worker = (
      compatibilityDate = "${compatibilityDate}",
      modules = [${list.join(',\n')}]
    );`;
}

let expected;
let packed;
let modules;

before(async () => {
  makeProject(project);
  const { exports } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'));
  modules = modulesOf(exports['.'].workerd);
  const veer = await import(join(library, exports['.'].node));
  const { answers, fill, tell, tellIndex } = await import(join(project, 'story.mjs'));
  expected = { tell: await tell(veer, { location: 'memory:' }), index: await tellIndex(veer) };
  const db = await veer.open('memory:');
  await fill(veer, db);
  expected.answers = await answers(db);
  packed = new Uint8Array(await new Response(await db.export()).arrayBuffer());
  await db.close();
});

/** The newest date, and one from before FinalizationRegistry and much else was there. */
for (const date of ['2026-11-01', '2023-01-01']) {
  describe(`workerd as of ${date}`, { timeout: 60_000 }, () => {
    let speaker;
    let origin;

    before(async () => {
      const file = join(project, `config-${date}.capnp`);
      writeFileSync(file, configuration(modules, date));
      const args = ['serve', file, '--control-fd=1'];
      speaker = new Speaker(programOf('workerd'), args, { cwd: project });
      const { port } = (await speaker.next()) ?? (await speaker.rest());
      origin = `http://127.0.0.1:${port}`;
    });
    after(() => speaker?.kill());

    const ask = async (what, body) => {
      const response = await fetch(`${origin}/${what}`, { method: 'POST', body });
      const text = await response.text();
      assert.equal(response.status, 200, text);
      return JSON.parse(text);
    };

    test('memory:', async () => assert.deepEqual(await ask('tell'), expected.tell));
    test('the index level', async () => assert.deepEqual(await ask('index'), expected.index));
    test('a packed file, as bytes', async () => {
      assert.deepEqual(await ask('packed', packed), expected.answers);
    });

    test('one database for many requests, even where the first one is given up', async () => {
      const givenUp = new AbortController();
      const first = fetch(`${origin}/kept`, { signal: givenUp.signal });
      globalThis.setTimeout(() => givenUp.abort(), 20);
      await first.catch(() => {});
      const all = await Promise.all(Array.from({ length: 6 }, () => ask('kept')));
      for (const found of all) assert.deepEqual(found, expected.answers);
    });

    test('what it does not have is UNSUPPORTED', async () => {
      const told = await ask('refused');
      assert.equal(told.length, 3);
      for (const text of told) assert.match(text, /^UNSUPPORTED: /);
    });

    test('it is the runtime that forbids to compile', async () => {
      assert.deepEqual(await ask('forbidden'), ['EvalError', 'CompileError']);
    });
  });
}
