// The corpus in a database for the terminal, made by `veer import`: build/demo.veer.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { at } from '../scripts/lib/build.mjs';
import { withLock } from '../scripts/lib/lock.mjs';
import { ScriptError, capture, root, run } from '../scripts/lib/run.mjs';
import { fromPlanes } from './page/planes.js';

export const veer = at('build', 'veer');
export const database = at('build', 'demo.veer');
export const collection = 'paragraphs';

const data = (name) => at('demo', 'data', name);
const inputs = ['sotu.jsonl.gz', 'sotu.vectors.gz', 'schema.json'];

/** Rows of float32 as an npy file. */
function npy(values, dims) {
  const shape = `(${values.length / dims}, ${dims})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const header = Buffer.alloc(128, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(128 - 10, 8);
  header.write(text, 10, 'latin1');
  header.write('\n', 127);
  return Buffer.concat([header, Buffer.from(values.buffer)]);
}

function digest() {
  const hash = createHash('sha256').update(collection);
  for (const name of inputs) hash.update(readFileSync(data(name)));
  return hash.digest('hex');
}

const stamp = at('build', 'demo.stamp');

const isCurrent = (wanted) =>
  existsSync(stamp) &&
  readFileSync(stamp, 'utf8') === wanted &&
  capture(veer, ['count', database]) !== null;

/** Imports the corpus where that is not done, or where the corpus or the format has changed. */
export function importCorpus() {
  const wanted = digest();
  withLock(at('build', 'demo.lock'), () => {
    if (!isCurrent(wanted)) importInto(wanted);
  });
}

function importInto(wanted) {
  rmSync(stamp, { force: true });
  const folder = at('build', 'demo-import');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const [made, documents, vectors] = ['demo.veer', 'sotu.jsonl', 'sotu.npy'].map((name) =>
    join(folder, name),
  );
  const { dims } = JSON.parse(readFileSync(data('schema.json'), 'utf8')).fields.embedding;
  writeFileSync(documents, gunzipSync(readFileSync(data('sotu.jsonl.gz'))));
  writeFileSync(vectors, npy(fromPlanes(gunzipSync(readFileSync(data('sotu.vectors.gz')))), dims));
  console.log(`\nImporting the State of the Union corpus into ${relative(root, database)}:`);
  const options = ['--vectors', vectors, '--create', '--schema', data('schema.json')];
  run(veer, ['import', made, documents, ...options, '--collection', collection]);

  // In its place only now that it is complete.
  rmSync(database, { recursive: true, force: true });
  renameSync(made, database);
  writeFileSync(stamp, wanted);
  rmSync(folder, { recursive: true, force: true });
}

/** The results of a search as the command prints them in JSON, with the example. */
export function search(example, k) {
  const ask = (...args) => {
    const output = capture(veer, args);
    if (output === null) throw new ScriptError(`veer ${args.join(' ')} failed`);
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const [document] = ask('get', database, example);
  const [found] = ask('search', database, '--like', example, '-k', String(k), '--json');
  return { document, found };
}
