// Recall and speed on this page's own data: paragraphs drawn from the database ask for their
// neighbours, by 1-bit codes and exactly, under the present filters. The exact search is the truth
// that the other one is held against.

import { $, el, fill } from './dom.js';
import { guarded } from './errors.js';
import { countOf, meanMs, percent } from './format.js';

const QUERIES = 100;
const ROUNDS = 5;
/** Equal to within the rounding of float32 sums: such neighbours may stand for each other. */
const TIE = 1e-5;

/** Ids drawn without repetition, spread over the whole catalogue. */
function draw(ids, wanted) {
  for (let i = ids.length - 1, left = wanted; i > 0 && left > 0; i--, left--) {
    const j = Math.floor(Math.random() * (i + 1));
    [ids[i], ids[j]] = [ids[j], ids[i]];
  }
  return ids.slice(-wanted);
}

/** The share of the true neighbours that was found. */
function recallOf(found, truth) {
  let [good, all] = [0, 0];
  truth.forEach((hits, query) => {
    const ids = new Set(hits.map(({ id }) => id));
    const farthest = hits.at(-1)?.distance ?? 0;
    const isGood = ({ id, distance }) => ids.has(id) || distance <= farthest + TIE;
    good += found[query].filter(isGood).length;
    all += hits.length;
  });
  return all > 0 ? good / all : 1;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function row(name, id, recall, queryMs) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name),
    el('td', { id: `${id}-recall` }, percent(recall)),
    el('td', { id: `${id}-ms` }, meanMs(queryMs)),
    el('td', {}, Math.round(1000 / queryMs).toLocaleString('en')),
  );
}

export class Measure {
  constructor(library, catalog, search) {
    $('measure').addEventListener(
      'click',
      guarded('Measuring', async () => {
        $('measure').disabled = true;
        try {
          await this.#run(library, catalog, search);
        } finally {
          $('measure').disabled = false;
          $('measuring').hidden = true;
        }
      }),
    );
  }

  async #run(library, catalog, { k, filter }) {
    const ids = draw([...catalog.ids()], QUERIES);
    if (ids.length === 0) return;
    const examples = (await library.get(ids)).filter(Boolean);
    const vectors = examples.map(({ embedding }) => embedding);
    const times = { scan: [], exact: [] };
    const hits = {};
    const ask = async (name, exact) => {
      const started = performance.now();
      ({ hits: hits[name] } = await library.searchMany({ vectors, k, filter, exact }));
      times[name].push((performance.now() - started) / vectors.length);
    };
    $('measuring').hidden = false;
    // In turns, so that whatever else the machine does meets both alike.
    for (let round = 0; round < ROUNDS; round++) {
      $('measuring').value = round / ROUNDS;
      await ask('exact', true);
      await ask('scan', false);
    }
    const [scan, exact] = [median(times.scan), median(times.exact)];
    fill(
      $('measured'),
      row('1-bit codes, reranked', 'scan', recallOf(hits.scan, hits.exact), scan),
      row('Exact', 'exact', 1, exact),
    );
    $('measured-table').hidden = false;
    const ratio = exact / scan;
    $('measured-text').textContent =
      `${countOf(vectors.length, 'query', 'queries')} for their ${k} nearest` +
      `${filter ? ' under the present filters' : ''}: codes are ${ratio.toFixed(1)} times ` +
      `${ratio >= 1 ? 'as fast as' : 'the speed of'} comparing every vector. Median of ${ROUNDS} ` +
      'rounds, all in one call to the worker.';
  }
}
