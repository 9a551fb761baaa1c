// A naive collection: a Map and loops. What the package answers is held against it.

import assert from 'node:assert/strict';

import { distances, dot } from '../../support/distances.mjs';

/** Room for float32 sums of products beside double ones. */
const bound = (metric, a, b) =>
  1e-5 *
  (metric === 'cosine'
    ? 1
    : metric === 'dot'
      ? Math.sqrt(dot(a, a) * dot(b, b))
      : 1 + distances[metric](a, b));

export class Model {
  constructor(metric) {
    this.metric = metric;
    this.documents = new Map();
  }

  upsert(document) {
    // The newest version of an id is the youngest row.
    this.documents.delete(document.id);
    this.documents.set(document.id, document);
  }

  delete(ids) {
    return ids.filter((id) => this.documents.delete(id)).length;
  }

  matching(predicate) {
    return [...this.documents.values()].filter(predicate);
  }

  /** `hits` are min(k, matches) true neighbours, but for ties within the rounding of float32. */
  checkHits(hits, query, k, predicate, text) {
    const distance = distances[this.metric];
    const candidates = this.matching((d) => d.v && predicate(d));
    const expected = candidates.map((d) => distance(d.v, query)).sort((a, b) => a - b);
    assert.equal(hits.length, Math.min(k, candidates.length), `${text}: how many`);
    assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length, `${text}: twice the same`);
    hits.forEach((hit, i) => {
      const document = this.documents.get(hit.id);
      assert.ok(document?.v && predicate(document), `${text}: ${hit.id} does not match`);
      const room = bound(this.metric, document.v, query);
      const actual = distance(document.v, query);
      assert.ok(Math.abs(hit.distance - actual) <= room, `${text}: distance of ${hit.id}`);
      assert.ok(actual <= expected[i] + room, `${text}: place ${i} is not a nearest neighbour`);
      assert.ok(i === 0 || hits[i - 1].distance <= hit.distance, `${text}: order`);
      const score = this.metric === 'cosine' ? 1 - hit.distance : -hit.distance;
      assert.ok(Math.abs(hit.score - score) <= room, `${text}: score of ${hit.id}`);
    });
  }
}
