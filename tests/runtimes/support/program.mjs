// A user's program, for every runtime that has files: `program.mjs <what> <argument in JSON>`. What
// it has to say is lines of JSON on its standard output.

import * as veer from 'veerdb';

import { answers, fill, tell, tellIndex } from './story.mjs';

const say = (value) => console.log(JSON.stringify(value));
let held;

const acts = {
  entry: () => import.meta.resolve('veerdb'),
  async tier() {
    const db = await veer.open('memory:');
    const { tier } = await db.stats();
    await db.close();
    return tier;
  },
  tell: (argument) => tell(veer, argument),
  index: () => tellIndex(veer),
  async fill({ location }) {
    const db = await veer.open(location, { create: true });
    await fill(veer, db);
    await db.close();
    return 'filled';
  },
  async answers({ location }) {
    const db = await veer.open(location);
    const found = await answers(db);
    await db.close();
    return found;
  },
  /** What opening for writing says. */
  async look({ location, lockTimeoutMs = 0 }) {
    try {
      await (await veer.open(location, { create: true, storage: { lockTimeoutMs } })).close();
      return 'open';
    } catch (error) {
      return `${error.code}: ${error.message}`;
    }
  },
  async hold({ location, worker = false }) {
    held = await veer.open(location, { create: true, worker });
    setInterval(() => {}, 1000);
    return 'held';
  },
  /** Writes until it is killed, and says which document is acknowledged. */
  async write({ location }) {
    const db = await veer.open(location, { create: true, walBytes: 1 << 16 });
    const notes = await db.collection('notes', { v: veer.vector(8), n: veer.number() });
    for (let n = await notes.count(); ; n++) {
      const v = Float32Array.from({ length: 8 }, (_, i) => Math.fround(1 + n * i));
      await notes.upsert({ id: `n${n}`, n, v });
      say(n);
    }
  },
  async count({ location }) {
    const db = await veer.open(location);
    const notes = await db.collection('notes');
    const count = await notes.count();
    const last = await notes.get(`n${count - 1}`);
    await db.close();
    return [count, last?.n];
  },
};

const [what, argument = 'null'] = process.argv.slice(2);
say(await acts[what](JSON.parse(argument)));
