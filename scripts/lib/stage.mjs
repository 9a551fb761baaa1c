// One stage of the test run: its log file, the commands it runs, and what it counted.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ScriptError, root } from './run.mjs';

const logs = join(root, 'build', 'test-logs');

/** The outcome of a stage; runners add what they reported. */
export class Stage {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** Why the stage ran no test, e.g. 'no tests yet'; such a stage has not passed. */
  empty = null;
  /** Lines that explain failures, shown when the stage has failed. */
  failures = [];

  #log;
  #limitMs;

  constructor(name, limitMs) {
    mkdirSync(logs, { recursive: true });
    this.name = name;
    this.logPath = join(logs, `${name}.log`);
    this.#log = createWriteStream(this.logPath);
    this.#limitMs = limitMs;
  }

  /** Prints a line to the terminal and the log. */
  say(line) {
    console.log(`  ${line}`);
    this.#log.write(`${line}\n`);
  }

  /**
   * Runs a command with its output in the log, each line also given to `onLine`. Returns the exit
   * code; a command that outlives the stage's limit is stopped, with what it has started.
   */
  run(command, args, { onLine = () => {}, env = {} } = {}) {
    this.#log.write(`$ ${[command, ...args].join(' ')}\n`);
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd: root,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      });
      const stop = () => {
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      };
      const timer = setTimeout(() => {
        this.say(`${command} ran for ${this.#limitMs / 1000} s and was stopped`);
        stop();
      }, this.#limitMs);
      process.once('SIGINT', stop);
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          this.#log.write(`${line}\n`);
          onLine(line);
        });
      }
      child.on('error', (error) => reject(new ScriptError(`${command}: ${error.message}`)));
      child.on('close', (code) => {
        clearTimeout(timer);
        process.removeListener('SIGINT', stop);
        resolve(code ?? 1);
      });
    });
  }

  /** Runs a command that must succeed. */
  async must(command, args, options) {
    const code = await this.run(command, args, options);
    if (code !== 0) throw new ScriptError(`${[command, ...args].join(' ')}: exit code ${code}`);
  }

  /** The last lines of the log. */
  async tail(lines) {
    await new Promise((resolve) => this.#log.end(resolve));
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-lines);
  }

  close() {
    this.#log.end();
  }
}
