// Deno and Bun: the package from its tarball does what it does in Node, bit for bit, with the same
// files; and over all of them a database has one writer, and loses nothing when that is killed.
// budget: 60 s

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { at } from '../../scripts/lib/build.mjs';
import { temporary } from '../node/support/temporary.mjs';
import { Speaker, makeProject, programOf } from './support/runtimes.mjs';

const { folder, path } = temporary('runtimes');
const cli = process.env.VEER_CLI ?? at('build', 'veer');
const project = join(folder, 'project');
const deno = { DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' };

const node = { name: 'Node', start: [process.execPath], seesProcesses: true };
const runtimes = [
  {
    // What a database needs there and no more. Nobody may be asked then whether a process lives.
    name: 'Deno with --allow-read --allow-write',
    start: [programOf('deno'), 'run', '--no-prompt', '--allow-read', '--allow-write'],
    seesProcesses: false,
  },
  {
    // The machine's name is known, and with it whose processes they are; not whether they live.
    name: 'Deno with --allow-sys beside these',
    start: [
      ...[programOf('deno'), 'run', '--no-prompt'],
      ...['--allow-read', '--allow-write', '--allow-sys'],
    ],
    seesProcesses: false,
    isAboutLocks: true,
  },
  { name: 'Deno', start: [programOf('deno'), 'run', '--allow-all'], seesProcesses: true },
  { name: 'Bun', start: [programOf('bun'), 'run'], seesProcesses: true },
];

/** They end when the tests do, whatever happens. */
const speakers = new Set();
after(() => Promise.all([...speakers].map((speaker) => speaker.kill())));

function kept(speaker) {
  speakers.add(speaker);
  void speaker.ended.then(() => speakers.delete(speaker));
  return speaker;
}

/** Starts the program in a runtime. */
function starts({ start: [command, ...args] }, what, argument) {
  const all = [...args, 'program.mjs', what, JSON.stringify(argument ?? null)];
  return kept(new Speaker(command, all, { cwd: project, env: deno }));
}

/** The one thing that the program says until it ends. */
async function says(runtime, what, argument) {
  const said = await starts(runtime, what, argument).rest();
  assert.equal(said.length, 1);
  return said[0];
}

let expected;

before(async () => {
  makeProject(project);
  expected = {
    memory: await says(node, 'tell', { location: 'memory:' }),
    directory: await says(node, 'tell', { location: path() }),
    index: await says(node, 'index'),
  };
});

test('the account is one of success', () => {
  const { first, bytes, directory, filled, ...rest } = expected.directory;
  assert.deepEqual([first.count, first['filtered 0'].length], [1200 - filled.deleted, 10]);
  assert.ok(filled.deleted > 0);
  const { refused, unknown, repeated, aborted } = filled;
  assert.deepEqual([refused, unknown], ['DIMENSION', 'FIELD']);
  assert.deepEqual([repeated, aborted], ['EXISTS', 'AbortError']);
  for (const other of [bytes, directory, rest.readonly, rest.packed]) {
    assert.deepEqual(other, first);
  }
  assert.deepEqual(expected.memory.first, first);
  const { missing, twice, backupTwice, closed, removed, elsewhere } = rest;
  assert.deepEqual([missing, removed, elsewhere], ['NOTFOUND', 'NOTFOUND', 'UNSUPPORTED']);
  assert.deepEqual([twice, backupTwice, closed], ['BUSY', 'EXISTS', 'CLOSED']);
  assert.deepEqual(expected.index.loaded, expected.index.found);
});

for (const runtime of runtimes) {
  describe(runtime.name, { timeout: 120_000 }, () => {
    if (!runtime.isAboutLocks) accounts(runtime);
    locks(runtime);
  });
}

function accounts(runtime) {
  test('takes the entry with files', async () => {
    assert.match(await says(runtime, 'entry'), /\/node_modules\/veerdb\/dist\/index_node\.js$/);
  });

  test('runs the module for relaxed SIMD, which Node 20 does not', async () => {
    assert.equal(await says(runtime, 'tier'), 'relaxed');
  });

  for (const worker of [false, true]) {
    const where = worker ? 'in a worker' : 'in its own thread';
    test(`memory:, ${where}`, async () => {
      const account = await says(runtime, 'tell', { location: 'memory:', worker });
      assert.deepEqual(account, expected.memory);
    });
    test(`a directory, ${where}`, async () => {
      const account = await says(runtime, 'tell', { location: path(), worker });
      assert.deepEqual(account, expected.directory);
    });
  }

  test('the index level', async () => {
    assert.deepEqual(await says(runtime, 'index'), expected.index);
  });

  test('what it wrote in Node, and the other way round', async () => {
    for (const [writer, reader] of [
      [runtime, node],
      [node, runtime],
    ]) {
      const location = path();
      await says(writer, 'fill', { location });
      assert.deepEqual(await says(reader, 'answers', { location }), expected.memory.first);
    }
  });
}

function locks(runtime) {
  for (const [holder, other] of [
    [runtime, runtime],
    [runtime, node],
    [node, runtime],
  ]) {
    test(`${holder.name} holds it: BUSY in ${other.name}`, async () => {
      for (const worker of [false, true]) {
        const location = path();
        const speaker = starts(holder, 'hold', { location, worker });
        assert.equal(await speaker.next(), 'held');
        const told = await says(other, 'look', { location });
        assert.match(told, new RegExp(`^BUSY: .*process ${speaker.pid} `));
        await speaker.kill();
        if (!(holder.seesProcesses && other.seesProcesses)) outdate(location);
        assert.equal(await says(other, 'look', { location }), 'open');
      }
    });
  }

  test('killed while it writes: what was acknowledged is there', async () => {
    const location = path();
    for (let round = 0; round < 4; round++) {
      const speaker = starts(runtime, 'write', { location });
      let last = await speaker.next();
      for (const enough = last + 40 + 25 * round; last < enough;) last = await speaker.next();
      await speaker.kill();
      for (let said = last; said !== undefined; said = await speaker.next()) last = said;
      if (!runtime.seesProcesses) outdate(location);
      const [count, value] = await says(round % 2 ? node : runtime, 'count', { location });
      assert.ok(count > last, `${last} was acknowledged, there are ${count}`);
      assert.equal(value, count - 1);
    }
  });

  test('it is BUSY for the native engine', async () => {
    const location = path();
    const speaker = starts(runtime, 'hold', { location });
    assert.equal(await speaker.next(), 'held');
    const { stderr } = spawnSync(cli, ['count', location], { encoding: 'utf8' });
    assert.match(stderr, new RegExp(`process ${speaker.pid} .*\\[BUSY\\]`));
    await speaker.kill();
  });

  test('the native engine holds it: BUSY, until it closes or is killed', async () => {
    const location = path();
    await says(runtime, 'fill', { location });
    const importing = async () => {
      // An import from a pipe that does not end holds the database.
      const stdio = ['pipe', 'pipe', 'pipe'];
      const args = ['import', location, '-', '--format', 'jsonl'];
      const { child } = kept(new Speaker(cli, args, { cwd: folder, stdio }));
      const lock = join(location, 'lock');
      const line = new RegExp(`^write ${child.pid} `);
      for (let i = 0; i < 500; i++) {
        if (existsSync(lock) && line.test(readFileSync(lock, 'latin1'))) break;
        await setTimeout(10);
      }
      const told = await says(runtime, 'look', { location });
      assert.match(told, new RegExp(`^BUSY: .*process ${child.pid} `));
      return child;
    };
    const first = await importing();
    first.stdin.end();
    await once(first, 'exit');
    assert.equal(await says(runtime, 'look', { location }), 'open');
    const second = await importing();
    second.kill('SIGKILL');
    await once(second, 'exit');
    const then = await says(runtime, 'look', { location });
    if (runtime.seesProcesses) assert.equal(then, 'open');
    else assert.match(then, /^BUSY: .*its lock is the file lock$/);
  });
}

/** The files of whoever holds it look as after two minutes of silence. */
function outdate(location) {
  const then = new Date(Date.now() - 150_000);
  for (const name of readdirSync(location)) {
    if (name.startsWith('.lock.')) utimesSync(join(location, name), then, then);
  }
}
