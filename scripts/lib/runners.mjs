// The test runners of the stages: ctest with cmocka, Node's runner, libFuzzer. Each adds to the
// stage what the runner itself reported and shows its closing lines.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { at, filesUnder, presetFolder } from './build.mjs';
import { capture } from './run.mjs';

const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;

/** `1.20 s of 5 s`, with a warning where a suite has outgrown its budget. */
function timing(used, budget) {
  return `${seconds(used)} of ${budget} s${used > budget ? '  OVER BUDGET' : ''}`;
}

/** Name, budget and time-out of ctest's tests, by their number. */
function ctestTests(folder, selection) {
  const list = capture('ctest', ['--test-dir', folder, '--show-only=json-v1', ...selection]);
  const { tests } = JSON.parse(list ?? '{"tests":[]}');
  return tests.map((test) => {
    const properties = Object.fromEntries(test.properties.map(({ name, value }) => [name, value]));
    const environment = properties.ENVIRONMENT ?? [];
    const budget = environment.find((entry) => entry.startsWith('VEER_TEST_BUDGET='));
    return { name: test.name, budget: Number(budget?.split('=')[1] ?? 5) };
  });
}

/** Runs the ctest tests of a preset. A cmocka suite counts its own tests, any other counts as one. */
export async function runCtest(stage, preset, selection = []) {
  const folder = presetFolder(preset);
  const known = ctestTests(folder, selection);
  if (known.length === 0) {
    stage.empty = 'no tests yet';
    return;
  }
  const budgets = new Map(known.map(({ name, budget }) => [name, budget]));
  const suites = new Map();
  const suite = (number) => {
    if (!suites.has(number)) suites.set(number, { passed: 0, failed: 0, closing: [], lines: [] });
    return suites.get(number);
  };

  const onLine = (line) => {
    const output = /^(\d+): (.*)$/.exec(line);
    if (output) {
      const current = suite(output[1]);
      current.lines.push(output[2]);
      const counted = /^\[ {2}(PASSED|FAILED) {2}\] (\d+) test\(s\)/.exec(output[2]);
      if (counted) {
        current[counted[1] === 'PASSED' ? 'passed' : 'failed'] += Number(counted[2]);
        current.closing.push(output[2]);
      }
      return;
    }
    const ended = /Test +#(\d+): (\S+) \.*\**(.*?) +([\d.]+) sec/.exec(line);
    if (ended) {
      const [, number, name, outcome, time] = ended;
      const { passed, failed, closing, lines } = suite(number);
      const hasPassed = outcome.trim() === 'Passed';
      const says = closing.join(' ') || outcome.trim();
      stage.say(`${name.padEnd(24)} ${says}  ${timing(Number(time), budgets.get(name) ?? 5)}`);
      stage.passed += passed > 0 ? passed : hasPassed ? 1 : 0;
      stage.failed += failed > 0 ? failed : hasPassed ? 0 : 1;
      if (!hasPassed) stage.failures.push(`--- ${name}: ${outcome.trim()}`, ...lines.slice(-40));
      return;
    }
    if (/^\d+% tests passed/.test(line)) stage.say(line);
  };

  const common = ['--test-dir', folder, '--verbose', '--parallel', '2', ...selection];
  const code = await stage.run('ctest', common, { onLine });
  if (code !== 0 && stage.failed === 0) stage.failed++;
}

/** Runs a folder's `*.test.mjs` with Node's runner, a process a file. */
export async function runNodeTests(stage, folder, accept = () => true, env = {}) {
  const files = filesUnder(folder, (file) => file.endsWith('.test.mjs') && accept(file));
  if (files.length === 0) {
    stage.empty = 'no tests yet';
    return;
  }
  for (const file of files) await runNodeFile(stage, file, env);
}

async function runNodeFile(stage, file, env) {
  // A file may name its budget in its first lines: `// budget: 20 s`.
  const budget = Number(/^\/\/ budget: (\d+) s/m.exec(readFileSync(at(file), 'utf8'))?.[1] ?? 10);
  const counts = { pass: 0, fail: 0, skipped: 0, todo: 0 };
  const closing = [];
  let failure = null;
  const onLine = (line) => {
    const counted = /^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$/.exec(line);
    if (counted) {
      counts[counted[1]] = Number(counted[2]);
      if (['pass', 'fail'].includes(counted[1]) || counts[counted[1]] > 0) {
        if (counted[1] !== 'tests') closing.push(line);
      }
      return;
    }
    // Of a failure, TAP's name line and the message are shown; positions and stacks are in the log.
    if (/^\s*not ok /.test(line)) failure = [line];
    else if (failure !== null && !/^\s*(---|duration_ms:|type:|failureType:)/.test(line)) {
      failure.push(line);
    }
    if (failure !== null && /^\s*(code:|\.\.\.)/.test(line)) {
      stage.failures.push(...failure.slice(0, 60));
      failure = null;
    }
  };
  const started = performance.now();
  const limit = `--test-timeout=${budget * 8000 + 60000}`;
  const args = ['--test', '--test-reporter=tap', limit, file];
  const code = await stage.run('node', args, { onLine, env });
  const used = (performance.now() - started) / 1000;
  stage.say(`${basename(file).padEnd(32)} ${closing.join('  ')}  ${timing(used, budget)}`);
  stage.passed += counts.pass;
  stage.failed += counts.fail + (counts.cancelled ?? 0);
  stage.skipped += counts.skipped + counts.todo;
  if (code !== 0 && counts.fail + (counts.cancelled ?? 0) === 0) stage.failed++;
}

/** Runs every libFuzzer target for a while, two at a time, on a copy of its corpus. */
export async function runFuzzers(stage, secondsEach) {
  const folder = presetFolder('fuzz');
  const list = join(folder, 'fuzz-targets.txt');
  const targets = existsSync(list)
    ? readFileSync(list, 'utf8').trim().split('\n').filter(Boolean)
    : [];
  if (targets.length === 0) {
    stage.empty = 'no tests yet';
    return;
  }
  const queue = targets.map((line) => line.split('\t'));
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      await runFuzzer(stage, folder, next, secondsEach);
    }
  };
  await Promise.all([worker(), worker()]);
}

async function runFuzzer(stage, folder, [name, corpus], secondsEach) {
  const found = join(folder, 'found', name);
  const crashes = join(folder, 'crashes');
  for (const path of [found, crashes]) mkdirSync(path, { recursive: true });
  const seeds = existsSync(corpus) ? [corpus] : [];
  const args = [
    `-max_total_time=${secondsEach}`,
    '-timeout=10',
    '-rss_limit_mb=2048',
    `-artifact_prefix=${join(crashes, `${name}-`)}`,
    found,
    ...seeds,
  ];
  let done = '';
  const lines = [];
  const onLine = (line) => {
    lines.push(line);
    if (/^Done \d+ runs/.test(line)) done = line;
  };
  const code = await stage.run(join(folder, 'targets', `fuzz_${name}`), args, {
    onLine,
    env: { ASAN_OPTIONS: 'allocator_may_return_null=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
  stage.say(`${name.padEnd(24)} ${code === 0 ? done : `FAILED with code ${code}`}`);
  if (code === 0) {
    stage.passed++;
  } else {
    stage.failed++;
    stage.failures.push(`--- ${name}`, ...lines.slice(-40));
  }
}
