// Runs other programs for the scripts of this folder.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's top folder. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** An error whose message is meant for the person at the terminal; no stack is shown for it. */
export class ScriptError extends Error {}

/** Runs a command with its output shown; throws a ScriptError when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (result.error) throw new ScriptError(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`;
    throw new ScriptError(`${[command, ...args].join(' ')}: ${how}`);
  }
}

/** Runs a command silently; what it printed is shown only when it fails. */
export function runQuietly(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
    ...options,
  });
  if (!result.error && result.status === 0) return;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim();
  const why = result.error?.message ?? `exit code ${result.status}`;
  throw new ScriptError(`${output}\n${[command, ...args].join(' ')}: ${why}`);
}

/** Runs a command and returns what it printed, or null when it could not run or failed. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
    ...options,
  });
  return result.error || result.status !== 0 ? null : result.stdout;
}

/** The full path of a program on the PATH, or null. */
export function which(program) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (!folder) continue;
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** Runs a script's main function; a ScriptError ends the process with its message and code 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
