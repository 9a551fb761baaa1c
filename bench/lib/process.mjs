// Runs the programs of the benchmarks: their JSON lines, and the time of whole processes.

import { spawnSync } from 'node:child_process';
import { ScriptError, root } from '../../scripts/lib/run.mjs';

function spawn(command, args, options) {
  const result = spawnSync(command, args.map(String), {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (result.error) throw new ScriptError(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`;
    throw new ScriptError(`${result.stderr.trim()}\n${[command, ...args].join(' ')}: ${how}`);
  }
  return result;
}

/** The JSON objects that a program prints, one a line. */
export function jsonLines(command, args, options) {
  return spawn(command, args, options)
    .stdout.split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/** Wall and CPU seconds of a whole process, in which the CPU time of its children counts. */
export function timed(command, args) {
  const script = 'TIMEFORMAT="%3R %3U %3S"; time "$@" >/dev/null';
  const { stderr } = spawn('bash', ['-c', script, 'time', command, ...args]);
  const [wall, user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return { wall, cpu: user + system };
}

/** search_rates on the set of a run: a line a setting of every engine, "NAME=KIND:PATH". */
export function searchLines({ set, rounds, limit, program }, engines) {
  const { base, queries, truth, metric } = set;
  const args = [base, queries, truth, metric, rounds, 10, limit, ...engines];
  return jsonLines(program('search_rates'), args);
}
