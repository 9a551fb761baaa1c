// budget: 20 s
// Pipes, terminals, signals, a full disk: what goes where, and what a script can rely on.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { binary, folder, fvecs, ok, randomVectors, run } from './harness.mjs';

const vectors = randomVectors(2000, 8, 51);

function database(t) {
  const files = folder(t);
  const db = files.path('db');
  ok(['import', db, files.write('v.fvecs', fvecs(vectors)), '--create', '--metric', 'l2']);
  return { ...files, db };
}

const quote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** Runs veer on a terminal of its own (script of util-linux); returns all that it showed. */
function onTerminal(args, env = {}) {
  const command = [binary, ...args].map(quote).join(' ');
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '', ...env },
    input: '',
  });
  return stdout;
}

const hasScript = spawnSync('script', ['--version']).status === 0;

test('a pipe gets neither colours nor progress, and standard error stays empty', (t) => {
  const { db, path } = database(t);
  const outputs = [
    ok(['import', db, path('v.fvecs')]),
    ok(['search', db, '--like', '5']),
    ok(['info', db]),
    ok(['check', db]),
    ok(['compact', db]),
    ok(['export', db]),
  ];
  for (const output of outputs) assert.doesNotMatch(output, /[\u001b\r]/);
});

test('a terminal gets colours, unless NO_COLOR or TERM=dumb', { skip: !hasScript }, (t) => {
  const { db } = database(t);
  const search = ['search', db, '--like', '5', '--select', 'false'];
  assert.match(onTerminal(search), /\u001b\[1m/);
  assert.match(onTerminal(search), /rows visited/);
  assert.doesNotMatch(onTerminal(search, { NO_COLOR: '1' }), /\u001b/);
  assert.doesNotMatch(onTerminal(search, { TERM: 'dumb' }), /\u001b/);
  assert.match(onTerminal(['frobnicate']), /\u001b\[1;31mveer:\u001b\[0m unknown command/);
  assert.doesNotMatch(onTerminal([...search, '--json']), /\u001b/);
});

test('long work on a terminal shows a progress line and wipes it', { skip: !hasScript }, (t) => {
  const { path } = folder(t);
  const input = `for i in $(seq 400); do echo "{\\"id\\":\\"$i\\",\\"vector\\":[1,$i]}"; sleep 0.001; done`;
  const veer = `${quote(binary)} import ${quote(path('db'))} - --create --dims 2 --batch 1`;
  const { stdout } = spawnSync(
    'script',
    ['-qec', `sh -c '(${input}) | ${veer.replaceAll("'", '"')}'`, '/dev/null'],
    {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm' },
      input: '',
    },
  );
  assert.match(stdout, /400 rows in/);
  if (/import .*rows/.test(stdout)) assert.match(stdout, /\r\u001b\[K[^\r]*400 rows in/);
});

test('a reader that goes away ends an export quietly', (t) => {
  const { db } = database(t);
  const shell = `${quote(binary)} export ${quote(db)} | head -n 1`;
  const { status, stdout, stderr } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.equal(stdout.split('\n').length, 2);
  assert.equal(stderr, '');
});

test(
  'a full disk behind standard output is FULL, not success',
  { skip: !existsSync('/dev/full') },
  (t) => {
    const { db } = database(t);
    for (const args of [['export', db], ['count', db], ['help'], ['search', db, '--like', '1']]) {
      const shell = `${[binary, ...args].map(quote).join(' ')} > /dev/full`;
      const { status, stderr } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
      assert.equal(status, 1, args.join(' '));
      assert.match(stderr, /cannot write to standard output: .* \[(FULL|IO)\]/);
    }
  },
);

test('commands compose: export | import, ids | get, ids | delete', (t) => {
  const { db, path } = database(t);
  const veer = quote(binary);
  const script = `
    set -e
    ${veer} export ${quote(db)} | ${veer} import ${quote(path('copy'))} - --create --dims 8 --metric l2
    ${veer} export ${quote(db)} --format ids --limit 50 | ${veer} get ${quote(path('copy'))} - | wc -l
    ${veer} export ${quote(db)} --format ids --limit 50 | ${veer} delete ${quote(path('copy'))} - --json
    ${veer} count ${quote(path('copy'))}`;
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.deepEqual(
    stdout
      .split('\n')
      .slice(1)
      .map((line) => line.trim()),
    ['50', '{"deleted":50}', '1950', ''],
  );
});

/** Starts veer, waits until `ready` says so, sends a signal; resolves with how it ended. */
function interrupted(args, feed, ready, signal) {
  return new Promise((resolve) => {
    const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    let stdout = '';
    child.stderr.on('data', (data) => (stderr += data));
    child.stdout.on('data', (data) => (stdout += data));
    child.stdin.on('error', () => {});
    child.on('close', (status, ended) => resolve({ status, signal: ended, stderr, stdout }));
    feed(child.stdin);
    ready(() => child.kill(signal));
  });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} during an import: complete lines go in, the rest is said, exit code 130`, async (t) => {
    const { path } = folder(t);
    const db = path('db');
    ok(['create', db, '--dims', '2']);
    const { status, stderr } = await interrupted(
      ['import', db, '-'],
      (stdin) => stdin.write('{"id":"a","vector":[1,2]}\n{"id":"b","vec'),
      (kill) => setTimeout(kill, 500),
      signal,
    );
    assert.equal(status, 130, stderr);
    const rows = Number(/(\d+) rows? are in; interrupted, the rest is not/.exec(stderr)?.[1]);
    assert.equal(ok(['count', db]), `${rows}\n`);
    assert.match(ok(['check', db]), /: ok/);
  });
}

test('a database in use: a second writer is told who holds it', async (t) => {
  const { path } = folder(t);
  const db = path('db');
  ok(['create', db, '--dims', '2']);
  let pid = 0;
  let second = null;
  await new Promise((resolve) => {
    const holder = spawn(binary, ['import', db, '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
    pid = holder.pid;
    holder.on('close', resolve);
    setTimeout(() => {
      second = run(['delete', db, 'x']);
      holder.stdin.end();
    }, 500);
  });
  assert.equal(second.status, 1);
  assert.match(second.stderr, /\[BUSY\]/);
  assert.match(second.stderr, new RegExp(`\\b${pid}\\b`));
  assert.equal(ok(['delete', db, 'x']), '0 documents deleted, 1 not found\n');
});
