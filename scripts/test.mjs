#!/usr/bin/env node
// `npm test`: every stage of scripts/lib/stages.mjs, or those named as arguments. The whole output
// of a stage is in build/test-logs/<stage>.log; shown here are its suites and the runners' closing
// lines, and what explains a failure. Fails when a stage fails; `--list` names the stages.

import { relative } from 'node:path';
import { ScriptError, main, root } from './lib/run.mjs';
import { Stage } from './lib/stage.mjs';
import { stages } from './lib/stages.mjs';

function chosenStages(names) {
  const known = stages.map((stage) => stage.name);
  for (const name of names) {
    if (!known.includes(name)) {
      throw new ScriptError(`There is no stage "${name}"; there are ${known.join(', ')}.`);
    }
  }
  return stages.filter((stage) => names.length === 0 || names.includes(stage.name));
}

async function runStage({ name, budget, run }) {
  console.log(`\n${name}`);
  const stage = new Stage(name, (5 * budget + 60) * 1000);
  const started = performance.now();
  let error = null;
  try {
    await run(stage);
  } catch (caught) {
    error = caught instanceof ScriptError ? caught.message : caught.stack;
    stage.failed++;
  }
  const seconds = (performance.now() - started) / 1000;
  if (stage.empty) stage.say(stage.empty);
  if (stage.failed > 0) await explain(stage, error);
  else stage.close();
  return { name, budget, seconds, ...outcome(stage) };
}

async function explain(stage, error) {
  // Without a runner's own account of it, the end of the log, but for ninja's progress.
  const lines =
    stage.failures.length > 0
      ? stage.failures
      : (await stage.tail(400)).filter((line) => !/^\[\d+\/\d+\] /.test(line)).slice(-60);
  for (const line of lines.slice(0, 200)) console.log(`  | ${line.slice(0, 400)}`);
  if (error) console.log(`  ${error}`);
  console.log(`  ${stage.name} FAILED; all of it: ${relative(root, stage.logPath)}`);
}

function outcome({ passed, failed, skipped, empty }) {
  const result = failed > 0 ? 'FAILED' : (empty ?? 'ok');
  return { passed, failed, skipped, result };
}

function printTable(results) {
  const header = ['stage', 'result', 'tests', 'seconds', 'budget'];
  const rows = results.map(({ name, result, passed, failed, skipped, seconds, budget }) => {
    const tests = [passed + failed, skipped > 0 ? `(${skipped} skipped)` : ''].join(' ').trim();
    return [name, result, tests, seconds.toFixed(1), `${budget}${seconds > budget ? ' OVER' : ''}`];
  });
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i].length)));
  console.log('');
  for (const row of [header, ...rows]) {
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  }
}

await main(async () => {
  const names = process.argv.slice(2);
  if (names.includes('--list')) {
    for (const { name, budget } of stages) console.log(`${name.padEnd(10)} ${budget} s`);
    return;
  }
  const results = [];
  const broken = new Set();
  for (const stage of chosenStages(names)) {
    const cause = stage.needs?.find((name) => broken.has(name));
    const result = cause
      ? { name: stage.name, budget: stage.budget, seconds: 0, passed: 0, failed: 0, skipped: 0 }
      : await runStage(stage);
    if (cause) result.result = `not run: ${cause} failed`;
    if (cause || result.failed > 0) broken.add(stage.name);
    results.push(result);
  }
  printTable(results);
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
  if (broken.size > 0) process.exitCode = 1;
});
