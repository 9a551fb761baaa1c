// A user's worker for workerd. `veerdb` is the package's entry for it, as the bundlers that make such
// workers resolve it.

import * as veer from 'veerdb';

import { answers, fill, tell, tellIndex } from './story.mjs';

let kept;

/** A database that lives as long as this worker, filled by whichever request comes first. */
async function keep() {
  const db = await veer.open('memory:');
  await fill(veer, db);
  return db;
}

const acts = {
  tell: () => tell(veer, { location: 'memory:' }),
  index: () => tellIndex(veer),
  async kept() {
    return answers(await (kept ??= keep()));
  },
  async packed(request) {
    const db = await veer.open(await request.arrayBuffer());
    const found = await answers(db);
    await db.close();
    return found;
  },
  async refused() {
    const text = (error) => `${error.code}: ${error.message}`;
    return [
      await veer.open('./notes', { create: true }).catch(text),
      await veer.open('memory:', { worker: true }).catch(text),
      await veer.init({ url: 'https://example.org/veer.wasm' }).catch(text),
    ];
  },
  /** What this runtime forbids, and nobody needs. */
  async forbidden() {
    const text = ({ name }) => name;
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    return [
      await Promise.resolve()
        .then(() => new Function('return 1')())
        .catch(text),
      await WebAssembly.compile(empty).then(() => 'compiled', text),
    ];
  },
};

export default {
  async fetch(request) {
    const what = new URL(request.url).pathname.slice(1);
    try {
      return Response.json(await acts[what](request));
    } catch (error) {
      return new Response(`${error.stack}`, { status: 500 });
    }
  },
};
