#!/usr/bin/env node
// Makes sotu.jsonl.gz and sotu.vectors.gz from the corpus as it was compiled:
//
//   node demo/data/pack.mjs FOLDER
//
// FOLDER holds sotu-paragraphs.jsonl.gz (id, date, title, president, party, form, text) and
// vectors.fvecs, a row for each paragraph in the same order. README.md says what comes out.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('usage: node demo/data/pack.mjs FOLDER');
const here = new URL('.', import.meta.url);

const lines = gunzipSync(readFileSync(join(folder, 'sotu-paragraphs.jsonl.gz')))
  .toString()
  .trimEnd()
  .split('\n');
const documents = lines.map((line) => {
  const { id, date, ...rest } = JSON.parse(line);
  return JSON.stringify({ id, year: Number(date), date, ...rest });
});

const rows = readFileSync(join(folder, 'vectors.fvecs'));
const dims = rows.readInt32LE(0);
const rowBytes = 4 + dims * 4;
if (rows.length !== documents.length * rowBytes) {
  throw new Error(`${rows.length / rowBytes} vectors, ${documents.length} paragraphs`);
}
const values = Buffer.concat(
  documents.map((_, row) => rows.subarray(row * rowBytes + 4, (row + 1) * rowBytes)),
);

// Byte b of every value, then byte b + 1 of every value: the exponents compress well that way.
const count = documents.length * dims;
const planes = Buffer.alloc(count * 4);
for (let plane = 0; plane < 4; plane++) {
  for (let i = 0; i < count; i++) planes[plane * count + i] = values[i * 4 + plane];
}

const options = { level: 9, memLevel: 9 };
writeFileSync(new URL('sotu.jsonl.gz', here), gzipSync(`${documents.join('\n')}\n`, options));
writeFileSync(new URL('sotu.vectors.gz', here), gzipSync(planes, options));
console.log(`${documents.length} paragraphs, ${dims} dimensions`);
