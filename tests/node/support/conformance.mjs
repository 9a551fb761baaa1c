// What every kind of storage must do, as functions that throw: run in Node and in browsers.
//
// `attach()` gives a backend over the same storage each time, which the one before has let go of.

import { random } from './rng.mjs';

const READ = 1;
const READ_WRITE = 3;
const CREATE = 7;

function check(condition, text) {
  if (!condition) throw new Error(text);
}

function same(actual, expected, text) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(a === b, `${text}: ${a.slice(0, 200)} instead of ${b.slice(0, 200)}`);
}

/** Repeats a call while it is pending, as the engine does. */
async function done(backend, act) {
  try {
    for (let rounds = 0; rounds < 100; rounds++) {
      const result = act();
      if (result !== undefined && result !== false) return result;
      await backend.settle();
    }
    throw new Error('still pending after 100 rounds');
  } finally {
    backend.release();
  }
}

const open = (backend, name, flags) => done(backend, () => backend.open(name, flags));
const write = (backend, stream, at, data) => done(backend, () => stream.write(at, data));
const remove = (backend, name) => done(backend, () => backend.remove(name));

async function read(backend, stream, at, bytes) {
  const into = new Uint8Array(bytes);
  await done(backend, () => stream.read(at, into));
  return into;
}

async function fails(code, act, text) {
  try {
    await act();
  } catch (error) {
    same(error.code, code, `${text} (${error.message})`);
    return;
  }
  throw new Error(`${text}: it should fail with ${code}`);
}

async function expectBytes(backend, stream, expected, text) {
  same(stream.size(), expected.length, `${text}: size`);
  const actual = await read(backend, stream, 0, expected.length);
  const wrong = actual.findIndex((byte, i) => byte !== expected[i]);
  check(wrong < 0, `${text}: byte ${wrong} is ${actual[wrong]} instead of ${expected[wrong]}`);
}

const cases = {
  async 'streams are created once, found and listed'({ attach }) {
    const backend = await attach();
    await fails('NOTFOUND', () => open(backend, 'meta', READ), 'opening what is not there');
    await fails('NOTFOUND', () => remove(backend, 'meta'), 'removing what is not there');
    const stream = await open(backend, 'meta', CREATE);
    await fails('EXISTS', () => open(backend, 'meta', CREATE), 'creating it twice');
    await open(backend, 'seg.1.codes.1.2', CREATE);
    same([...backend.list()].sort(), ['meta', 'seg.1.codes.1.2'], 'names');
    same(stream.size(), 0, 'size of a new stream');
    await backend.close();
  },

  async 'reading past the end is CORRUPT, and truncating fills with zeros'({ attach }) {
    const backend = await attach();
    const stream = await open(backend, 'wal.0', CREATE);
    await write(backend, stream, 0, new Uint8Array(100).fill(7));
    await fails('CORRUPT', () => read(backend, stream, 50, 51), 'reading past the end');
    stream.truncate(40);
    stream.truncate(60);
    await expectBytes(backend, stream, new Uint8Array(60).fill(7, 0, 40), 'cut and grown');
    await write(backend, stream, 80, new Uint8Array([1]));
    same([...(await read(backend, stream, 55, 26))].at(-1), 1, 'written behind the end');
    same(
      (await read(backend, stream, 40, 40)).every((byte) => byte === 0),
      true,
      'the hole',
    );
    await backend.close();
  },

  async 'what was cut off does not come back when the stream grows again'({ attach, isDurable }) {
    let backend = await attach();
    let stream = await open(backend, 'wal.0', CREATE);
    const expected = new Uint8Array(100_000).fill(9);
    await write(backend, stream, 0, expected);
    stream.sync();
    await backend.flush();
    stream.truncate(20_000);
    await write(backend, stream, 90_000, new Uint8Array(10_000).fill(9));
    expected.fill(0, 20_000, 90_000);
    await expectBytes(backend, stream, expected, 'before the flush');
    stream.sync();
    await backend.flush();
    await expectBytes(backend, stream, expected, 'after it');
    stream.close();
    if (isDurable) {
      await backend.close();
      backend = await attach();
      stream = await open(backend, 'wal.0', READ);
      await expectBytes(backend, stream, expected, 'opened again');
    }
    await backend.close();
  },

  async 'a removed stream works until it is closed, and its name is free'({ attach }) {
    const backend = await attach();
    const stream = await open(backend, 'cat.1', CREATE);
    await write(backend, stream, 0, new Uint8Array([1, 2, 3]));
    stream.sync();
    await backend.flush();
    await remove(backend, 'cat.1');
    same(backend.list(), [], 'names');
    await fails('NOTFOUND', () => open(backend, 'cat.1', READ), 'opening it');
    same([...(await read(backend, stream, 0, 3))], [1, 2, 3], 'its bytes');
    await backend.flush();
    same([...(await read(backend, stream, 0, 3))], [1, 2, 3], 'its bytes after a flush');
    stream.close();
    await backend.flush();
    const again = await open(backend, 'cat.1', CREATE);
    same(again.size(), 0, 'size of the new one');
    await backend.close();
  },

  async 'more streams than may be open at once'({ attach }) {
    const backend = await attach();
    const streams = [];
    for (let i = 0; i < 100; i++) {
      const writer = await open(backend, `seg.${i}`, CREATE);
      await write(backend, writer, 0, new Uint8Array([i]));
      writer.sync();
      writer.close();
      streams.push(await open(backend, `seg.${i}`, READ));
    }
    await backend.flush();
    for (let i = 99; i >= 0; i--) {
      same([...(await read(backend, streams[i], 0, 1))], [i], `stream ${i}`);
    }
    await backend.close();
  },

  /** Random operations against a plain model; the storage is opened again now and then. */
  async 'a random history reads as it was written'({ attach, isDurable, operations = 600 }) {
    for (const seed of [1, 2, 3]) {
      const dice = random(seed);
      const model = new Map();
      let backend = await attach();
      let streams = new Map();
      for (const name of backend.list()) await remove(backend, name);
      const names = Array.from({ length: 6 }, (_, i) => `${i % 2 ? 'seg' : 'wal'}.${i}`);

      const stream = async (name) => {
        if (!streams.has(name)) streams.set(name, await open(backend, name, READ_WRITE));
        return streams.get(name);
      };
      const steps = {
        async create(name) {
          if (model.has(name)) return;
          streams.set(name, await open(backend, name, CREATE));
          model.set(name, new Uint8Array(0));
        },
        async write(name, bytes) {
          const at = dice.below(Math.min(bytes.length + 20_000, 150_000));
          const data = dice.bytes(dice.pick([1, 17, 4096, 16384, 40_000]));
          await write(backend, await stream(name), at, data);
          const grown = new Uint8Array(Math.max(bytes.length, at + data.length));
          grown.set(bytes);
          grown.set(data, at);
          model.set(name, grown);
        },
        async truncate(name, bytes) {
          const size = dice.below(bytes.length + 20_000);
          (await stream(name)).truncate(size);
          const cut = new Uint8Array(size);
          cut.set(bytes.subarray(0, size));
          model.set(name, cut);
        },
        async read(name, bytes) {
          const at = dice.below(bytes.length + 1);
          const length = dice.below(bytes.length - at + 1);
          const actual = await read(backend, await stream(name), at, length);
          same([...actual], [...bytes.subarray(at, at + length)], `${name} at ${at}`);
        },
        async remove(name) {
          streams.get(name)?.close();
          streams.delete(name);
          await remove(backend, name);
          model.delete(name);
        },
        async flush(name) {
          (await stream(name)).sync();
          backend.syncNames();
          await backend.flush();
        },
        async reopen() {
          if (!isDurable) return;
          for (const name of model.keys()) (await stream(name)).sync();
          backend.syncNames();
          for (const open of streams.values()) open.close();
          await backend.flush();
          await backend.close();
          streams = new Map();
          backend = await attach();
          same([...backend.list()].sort(), [...model.keys()].sort(), 'names after opening again');
        },
      };
      const kinds = ['write', 'write', 'write', 'read', 'read', 'truncate', 'flush'];
      for (let i = 0; i < operations; i++) {
        const name = dice.pick(names);
        const rare = dice.below(40);
        if (!model.has(name)) await steps.create(name);
        else if (rare === 0) await steps.reopen();
        else if (rare === 1) await steps.remove(name);
        else await steps[dice.pick(kinds)](name, model.get(name));
      }
      await steps.reopen();
      for (const [name, bytes] of model) {
        await expectBytes(backend, await stream(name), bytes, `seed ${seed}, ${name}`);
      }
      await backend.close();
    }
  },

  async 'what was flushed is there when it is opened again'({ attach, isDurable }) {
    if (!isDurable) return;
    const first = await attach();
    const data = random(9).bytes(300_000);
    const stream = await open(first, 'seg.7', CREATE);
    await write(first, stream, 0, data);
    stream.sync();
    first.syncNames();
    await first.flush();
    stream.close();
    await first.close();
    const second = await attach();
    const found = await open(second, 'seg.7', READ);
    await expectBytes(second, found, data, 'seg.7');
    await second.close();
  },
};

export const caseNames = Object.keys(cases);

/** Runs one case over storage that is empty. */
export const runCase = (name, storage) => cases[name](storage);
