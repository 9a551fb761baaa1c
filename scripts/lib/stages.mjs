// The stages of `npm test`, in order. `budget` is in seconds on a machine with two cores; a stage
// that outlives five times its budget is stopped. `needs` names stages whose failure makes running
// this one pointless.

import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { at, filesUnder } from './build.mjs';
import { runCtest, runFuzzers, runNodeTests } from './runners.mjs';

const fuzzSeconds = Number(process.env.VEER_FUZZ_SECONDS ?? 20);

const build = (stage, ...parts) => stage.must('node', ['scripts/build.mjs', ...parts]);
const isFirefoxTest = (file) => file.includes('/firefox_');
const isArtefactTest = (file) => file.includes('/built_');

/** Builds a flavour and runs its ctest tests. */
const flavour = (preset, selection) => async (stage) => {
  await build(stage, preset);
  await runCtest(stage, preset, selection);
};

async function typesTests(stage) {
  const files = filesUnder('tests/types', (file) => file.endsWith('.ts'));
  if (files.length === 0) {
    stage.empty = 'no tests yet';
    return;
  }
  const onLine = (line) => {
    if (/error TS\d+/.test(line)) stage.failures.push(line);
  };
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'];
  const code = await stage.run('node', args, { onLine });
  if (code === 0) stage.passed = files.length;
  else stage.failed = Math.max(1, new Set(stage.failures.map((line) => line.split('(')[0])).size);
  stage.say(`${files.length} files, ${stage.failures.length} errors`);
}

async function packageTests(stage) {
  await build(stage, 'wasm', 'package');
  if (!existsSync(at('dist', 'index.js'))) {
    stage.empty = 'no package yet';
    return;
  }
  await runNodeTests(stage, 'tests/package');
}

export const stages = [
  {
    name: 'setup',
    budget: 90,
    run: (stage) =>
      stage.must('node', ['scripts/setup.mjs'], {
        onLine: (line) => line.startsWith('setup:') && stage.say(line),
      }),
  },
  {
    name: 'lint',
    budget: 20,
    needs: ['setup'],
    run: (stage) => runNodeTests(stage, 'tests/lint', (file) => !isArtefactTest(file)),
  },
  { name: 'build', budget: 90, needs: ['setup'], run: (stage) => build(stage, 'tests') },
  { name: 'ctest', budget: 120, needs: ['build'], run: (stage) => runCtest(stage, 'release') },
  {
    name: 'cli',
    budget: 60,
    needs: ['build'],
    run: (stage) => runNodeTests(stage, 'tests/cli'),
  },
  { name: 'neon', budget: 60, needs: ['setup'], run: flavour('neon', ['-L', 'tiers']) },
  { name: 'asan', budget: 300, needs: ['setup'], run: flavour('asan', ['-LE', 'long']) },
  { name: 'tsan', budget: 120, needs: ['setup'], run: flavour('tsan', ['-L', 'tsan']) },
  {
    name: 'fuzz',
    budget: 120 + 5 * fuzzSeconds,
    needs: ['setup'],
    run: async (stage) => {
      await build(stage, 'fuzz');
      await runFuzzers(stage, fuzzSeconds);
    },
  },
  { name: 'wasm', budget: 60, needs: ['setup'], run: (stage) => build(stage, 'wasm', 'package') },
  {
    name: 'node',
    budget: 120,
    needs: ['wasm'],
    run: (stage) => runNodeTests(stage, 'tests/node'),
  },
  {
    // The module of engines with relaxed SIMD.
    name: 'relaxed',
    budget: 120,
    needs: ['build', 'wasm'],
    run: (stage) => {
      const aboutAnswers =
        /\/(same_bits|vector_index|model_replay|collections|loaders)\.test\.mjs$/;
      return runNodeTests(stage, 'tests/node', (file) => aboutAnswers.test(file), {
        NODE_OPTIONS: `--import=${pathToFileURL(at('tests', 'node', 'support', 'relaxed.mjs'))}`,
        VEER_EXPECT_TIER: 'relaxed',
      });
    },
  },
  {
    name: 'built',
    budget: 10,
    needs: ['build', 'wasm'],
    run: (stage) => runNodeTests(stage, 'tests/lint', isArtefactTest),
  },
  { name: 'types', budget: 30, needs: ['setup'], run: typesTests },
  { name: 'package', budget: 60, needs: ['wasm'], run: packageTests },
  {
    name: 'runtimes',
    budget: 80,
    needs: ['build', 'wasm'],
    run: (stage) =>
      runNodeTests(stage, 'tests/runtimes', (file) => !file.includes('/node_modules/')),
  },
  {
    name: 'browser',
    budget: 180,
    needs: ['wasm'],
    run: (stage) => runNodeTests(stage, 'tests/browser', (file) => !isFirefoxTest(file)),
  },
  {
    name: 'firefox',
    budget: 180,
    needs: ['wasm'],
    run: (stage) => {
      const inBoth = /\/(storage|databases|packed)\.test\.mjs$/;
      const accept = (file) => isFirefoxTest(file) || inBoth.test(file);
      return runNodeTests(stage, 'tests/browser', accept, { VEER_BROWSER: 'firefox' });
    },
  },
];
