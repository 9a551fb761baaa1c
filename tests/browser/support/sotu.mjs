// The demo's corpus as it lies in demo/data, and the truth about it: plain loops in double
// precision.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

import { fromPlanes } from '../../../demo/page/planes.js';

export const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const unzipped = (name) => gunzipSync(readFileSync(join(root, 'demo', 'data', name)));

export const dims = 128;
export const paragraphs = unzipped('sotu.jsonl.gz').toString().trim().split('\n').map(JSON.parse);
export const vectors = fromPlanes(unzipped('sotu.vectors.gz'));

const rows = new Map(paragraphs.map(({ id }, row) => [id, row]));

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < dims; i++) {
    const [x, y] = [vectors[a * dims + i], vectors[b * dims + i]];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

/** Distances of the k nearest paragraphs that are accepted, the example itself left out. */
export function nearest(id, k, accept = () => true) {
  const example = rows.get(id);
  return paragraphs
    .map((paragraph, row) => ({ id: paragraph.id, row, paragraph }))
    .filter(({ row, paragraph }) => row !== example && accept(paragraph))
    .map(({ id: other, row }) => ({ id: other, distance: 1 - cosine(example, row) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, k);
}
