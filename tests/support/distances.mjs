// Distances as veer.h defines them, in double precision.

const sum = (a, term) => a.reduce((total, x, i) => total + term(x, i), 0);
export const dot = (a, b) => sum(a, (x, i) => x * b[i]);
const share = (part, whole) => (part === 0 ? 0 : part / whole);

export const distances = {
  cosine: (a, b) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
  dot: (a, b) => -dot(a, b),
  l2: (a, b) => sum(a, (x, i) => (x - b[i]) ** 2),
  manhattan: (a, b) => sum(a, (x, i) => Math.abs(x - b[i])),
  chebyshev: (a, b) => Math.max(...a.map((x, i) => Math.abs(x - b[i]))),
  canberra: (a, b) => sum(a, (x, i) => share(Math.abs(x - b[i]), Math.abs(x) + Math.abs(b[i]))),
  braycurtis: (a, b) =>
    share(
      sum(a, (x, i) => Math.abs(x - b[i])),
      sum(a, (x, i) => Math.abs(x + b[i])),
    ),
  hamming: (a, b) => sum(a, (x, i) => Number(x !== b[i])),
  jaccard: (a, b) =>
    share(
      sum(a, (x, i) => Number((x !== 0) !== (b[i] !== 0))),
      sum(a, (x, i) => Number(x !== 0 || b[i] !== 0)),
    ),
};

export const metrics = Object.keys(distances);

/** The metrics that have no codes and are always searched exactly. */
export const furtherMetrics = metrics.slice(3);

/** Under those, the vector with elements that are equal to others now and then, and zero. */
export const rounded = (metric, vector) =>
  furtherMetrics.includes(metric) ? vector.map((x) => Math.round(2 * x) / 2 + 0) : vector;
