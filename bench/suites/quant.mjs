// Codes of vectors beside each other: what their estimates find, alone and reranked, and what they
// cost. No search: recall of all rows' estimates (bench/quant_rates.c).

import { jsonLines } from '../lib/process.mjs';

export const sets = [
  'apt-lsa-128',
  'apt-lsa-384',
  'sift-128',
  'clusters-100k-128',
  'clusters-100k-768',
];

export function run({ set, rounds, limit, program }) {
  const { base, queries, truth, metric } = set;
  return jsonLines(program('quant_rates'), [base, queries, truth, metric, rounds, limit]);
}
