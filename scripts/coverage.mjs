#!/usr/bin/env node
// `npm run coverage`: which lines of the C code the C tests run. Builds the coverage flavour, runs
// its tests (arguments go to ctest, e.g. `-R storage`), and asks gcc's gcov. Printed are lines by
// room; build/coverage/report.txt has every function that is not run whole, least run first, with
// the lines that no test has reached. Counts of the run before are removed first.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { buildPreset, filesUnder, presetFolder } from './lib/build.mjs';
import { ScriptError, capture, main, root, run } from './lib/run.mjs';

const folder = presetFolder('coverage');
const inBuild = (ending) =>
  filesUnder(relative(root, folder), (file) => file.endsWith(ending)).map((file) =>
    join(root, file),
  );

/** Runs every test; failures are shown and do not keep the report from being written. */
function runTests(selection) {
  for (const file of inBuild('.gcda')) rmSync(file);
  const args = ['--test-dir', folder, '--parallel', '2', '--output-on-failure', ...selection];
  try {
    run('ctest', args);
    return true;
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    return false;
  }
}

/** What gcov knows of our sources: file -> {lines: Map(line -> count), functions: Map}. */
function readCounts() {
  const sources = new Map();
  const counters = inBuild('.gcda');
  for (let at = 0; at < counters.length; at += 40) {
    const some = counters.slice(at, at + 40);
    const text = capture('gcov', ['--json-format', '--stdout', ...some], { cwd: folder });
    if (text === null) throw new ScriptError('gcov failed; it must be of the compiler’s version.');
    for (const line of text.split('\n').filter(Boolean)) {
      for (const entry of JSON.parse(line).files) addFile(sources, entry);
    }
  }
  return sources;
}

function addFile(sources, { file, lines, functions }) {
  const path = relative(root, join(root, relative(root, file)));
  if (!/^src\/.*\.[ch]$/.test(path)) return;
  const source = sources.get(path) ?? { lines: new Map(), functions: new Map() };
  sources.set(path, source);
  for (const { line_number: number, count } of lines) {
    source.lines.set(number, (source.lines.get(number) ?? 0) + count);
  }
  for (const { name, start_line: from, end_line: to } of functions) {
    source.functions.set(name, { from, to });
  }
}

const share = (part, whole) => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);

function printRooms(sources) {
  const rooms = new Map();
  for (const [path, { lines }] of sources) {
    const room = dirname(path);
    const sum = rooms.get(room) ?? { run: 0, all: 0 };
    rooms.set(room, sum);
    for (const count of lines.values()) {
      sum.all++;
      if (count > 0) sum.run++;
    }
  }
  const rows = [...rooms].sort(([a], [b]) => a.localeCompare(b));
  const total = { run: 0, all: 0 };
  console.log(`\n${'room'.padEnd(16)}${'lines'.padStart(8)}${'run'.padStart(10)}`);
  for (const [room, { run, all }] of rows) {
    console.log(`${room.padEnd(16)}${String(all).padStart(8)}${share(run, all).padStart(10)}`);
    total.run += run;
    total.all += all;
  }
  const { run, all } = total;
  console.log(`${'together'.padEnd(16)}${String(all).padStart(8)}${share(run, all).padStart(10)}`);
}

/** Functions with lines that were not run, the least run first; ties by how many those are. */
function incompleteFunctions(sources) {
  const found = [];
  for (const [path, { lines, functions }] of sources) {
    for (const [name, { from, to }] of functions) {
      const own = [...lines].filter(([number]) => number >= from && number <= to);
      const missed = own.filter(([, count]) => count === 0).map(([number]) => number);
      if (missed.length === 0) continue;
      const part = 1 - missed.length / own.length;
      found.push({ path, name, missed: missed.sort((a, b) => a - b), all: own.length, part });
    }
  }
  return found.sort((a, b) => a.part - b.part || b.missed.length - a.missed.length);
}

function writeReport(sources) {
  const texts = new Map();
  const report = incompleteFunctions(sources).flatMap(({ path, name, missed, all, part }) => {
    if (!texts.has(path)) texts.set(path, readFileSync(join(root, path), 'utf8').split('\n'));
    const head = `${path}: ${name}: ${share(part, 1)} of ${all} lines`;
    return [head, ...missed.map((number) => `  ${number}: ${texts.get(path)[number - 1].trim()}`)];
  });
  const file = join(folder, 'report.txt');
  writeFileSync(file, `${report.join('\n')}\n`);
  console.log(`\nWhat was not run, by function: ${relative(root, file)}`);
}

await main(() => {
  run('node', ['scripts/setup.mjs', '--build']);
  buildPreset('coverage');
  const isGood = runTests(process.argv.slice(2));
  const sources = readCounts();
  printRooms(sources);
  writeReport(sources);
  if (!isGood) throw new ScriptError('Some tests failed: what they would have run is missing.');
});
