// Measures Veer beside its peers. `npm run bench -- --help` says how.
//
// Every suite returns measurements; they become lines of results.jsonl (lib/record.mjs), from which
// report.mjs writes RESULTS.md. Suites of the same name on the same set replace their earlier lines.

import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { at } from '../scripts/lib/build.mjs';
import { ScriptError, main } from '../scripts/lib/run.mjs';
import { buildNative, installPackages, prepareFaiss, prepareHnswlib } from './lib/peers.mjs';
import { Record } from './lib/record.mjs';
import { dataSet, setNames } from './lib/sets.mjs';
import { writeReport } from './report.mjs';

const suites = [
  'import',
  'search',
  'wasm',
  'chromium',
  'npm',
  'kernels',
  'open',
  'write',
  'filter',
  'graph',
  'quant',
  'planner',
];

const help = `npm run bench [-- options]

  --only a,b     these suites alone: ${suites.join(', ')}
  --set NAME     data set (default apt-lsa-128; the graph and quant suites go through several):
                 ${setNames.slice(0, 3).join(', ')},
                 ${setNames.slice(3).join(', ')}
  --rounds N     interleaved rounds, of which the median counts (default 7)
  --limit N      the first N queries alone
  --fresh        build the peers' indexes anew instead of taking those that are in build/bench/peers
  --quick        small generated set, 3 rounds, to see that all of it runs

$VEER_BENCH_SETS may name a folder with sets that are ready: generated ones (bench/make_vectors.c), and
those that ../shared/data/gen/make_lsa.py makes, which are left out where they are absent.
Results of --quick and --limit go to build/bench, all others to bench/results.jsonl and bench/RESULTS.md. Run it on a quiet machine.`;

await main(async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      set: { type: 'string' },
      rounds: { type: 'string' },
      limit: { type: 'string' },
      fresh: { type: 'boolean', default: false },
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
  const limit = Number(values.limit ?? 0);
  if (!(Number.isInteger(limit) && limit >= 0)) {
    throw new ScriptError('--limit is a number of queries.');
  }
  const chosen = values.set ?? (values.quick ? 'clusters-4k-128' : undefined);
  if (chosen && !setNames.includes(chosen)) {
    throw new ScriptError(`No set '${chosen}'. There are: ${setNames.join(', ')}.`);
  }

  prepareHnswlib();
  if (wanted.includes('search')) prepareFaiss();
  if (wanted.includes('wasm')) installPackages(at('bench'));
  const program = buildNative();
  const work = at('build', 'bench', 'work');
  mkdirSync(work, { recursive: true });

  const folder = values.quick || limit > 0 ? at('build', 'bench') : at('bench');
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--'] : [])];
  const record = new Record(
    `${folder}/results.jsonl`,
    [...command, ...process.argv.slice(2)].join(' '),
  );
  const say = (text) => console.log(`  ${text}`);
  const bench = { rounds, limit, program, work, say };
  for (const suite of wanted) {
    const { run, sets = ['apt-lsa-128'] } = await import(`./suites/${suite}.mjs`);
    for (const name of chosen ? [chosen] : sets) {
      const set = dataSet(name, program);
      if (!set) continue;
      const started = performance.now();
      console.log(`bench: ${suite}, ${suite === 'kernels' ? 'random rows' : set.name}`);
      const lines = await run({ ...bench, set, isQuick: values.quick, isFresh: values.fresh });
      record.put(suite, suite === 'kernels' ? 'random' : set.name, lines);
      writeReport(record.lines, folder);
      say(`${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
  }
  console.log(`bench: results in ${folder}/RESULTS.md`);
});
