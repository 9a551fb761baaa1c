// Codes compared by planned walks, against the best single effort for all queries.

import { jsonLines } from '../lib/process.mjs';

export const sets = [
  'apt-lsa-128',
  'apt-lsa-384',
  'sift-128',
  'clusters-100k-128',
  'clusters-100k-768',
];

export function run({ set, limit, program }) {
  const { base, queries, truth, metric } = set;
  return jsonLines(program('planner_rates'), [base, queries, truth, metric, limit]);
}
