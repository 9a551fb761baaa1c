// Measures Veer beside its peers. `npm run bench -- --help` says how.
//
// Every suite returns measurements; they become lines of results.jsonl (lib/record.mjs), from which
// report.mjs writes RESULTS.md. Suites of the same name on the same set replace their earlier lines.

import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { at } from '../scripts/lib/build.mjs';
import { ScriptError, main } from '../scripts/lib/run.mjs';
import { buildNative, prepareHnswlib, preparePackages } from './lib/peers.mjs';
import { Record } from './lib/record.mjs';
import { dataSet, setNames } from './lib/sets.mjs';
import { report } from './report.mjs';

const suites = ['import', 'search', 'wasm', 'kernels', 'open', 'write', 'filter'];

const help = `npm run bench [-- options]

  --only a,b     these suites alone: ${suites.join(', ')}
  --set NAME     data set (default apt-lsa-128): ${setNames.join(', ')}
  --rounds N     interleaved rounds, of which the median counts (default 7)
  --quick        small generated set, 3 rounds, results in build/bench: to see that all of it runs

Results go to bench/results.jsonl and bench/RESULTS.md. Run it on a quiet machine.`;

await main(async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      set: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const wanted = values.only?.split(',') ?? suites;
  const unknown = wanted.find((suite) => !suites.includes(suite));
  if (unknown) throw new ScriptError(`No suite '${unknown}'. There are: ${suites.join(', ')}.`);
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 99)) {
    throw new ScriptError('--rounds is a number from 1 to 99.');
  }
  const name = values.set ?? (values.quick ? 'clusters-4k-128' : 'apt-lsa-128');
  if (!setNames.includes(name)) {
    throw new ScriptError(`No set '${name}'. There are: ${setNames.join(', ')}.`);
  }

  prepareHnswlib();
  if (wanted.includes('wasm')) preparePackages();
  const program = buildNative();
  const work = at('build', 'bench', 'work');
  mkdirSync(work, { recursive: true });
  const set = dataSet(name, program);

  const folder = values.quick ? at('build', 'bench') : at('bench');
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--'] : [])];
  const record = new Record(
    `${folder}/results.jsonl`,
    [...command, ...process.argv.slice(2)].join(' '),
  );
  const bench = { set, rounds, program, work, isQuick: values.quick };
  const write = () => writeFileSync(`${folder}/RESULTS.md`, report(record.lines));
  for (const suite of wanted) {
    const started = performance.now();
    console.log(`bench: ${suite}`);
    const say = (text) => console.log(`  ${text}`);
    const { run } = await import(`./suites/${suite}.mjs`);
    record.put(suite, suite === 'kernels' ? 'random' : set.name, await run({ ...bench, say }));
    write();
    say(`${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  console.log(`bench: results in ${folder}/RESULTS.md`);
});
