// Medians, and speed at a recall that lies between two measured settings.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Queries a second at `recall`, from points {recall, qps}: between the two neighbours, linear in
 * recall and in the logarithm of the speed. Where every point finds more than was asked, the
 * fastest one; null where none finds enough.
 */
export function qpsAt(points, recall) {
  const best = [];
  for (const point of [...points].sort((a, b) => b.recall - a.recall || b.qps - a.qps)) {
    if (best.length === 0 || point.qps > best.at(-1).qps) best.push(point);
  }
  const above = best.filter((point) => point.recall >= recall).at(-1);
  const below = best.find((point) => point.recall < recall);
  if (!above) return null;
  if (!below) return above.qps;
  const share = (recall - below.recall) / (above.recall - below.recall);
  return Math.exp((1 - share) * Math.log(below.qps) + share * Math.log(above.qps));
}

/** For each round the speed at `recall` of an engine's lines; a line is a setting. */
export function roundsAt(lines, recall, field = 'qps_rounds') {
  const rounds = Math.min(...lines.map((line) => line[field].length));
  return Array.from({ length: rounds }, (_, i) =>
    qpsAt(
      lines.map((line) => ({ recall: line.recall, qps: line[field][i] })),
      recall,
    ),
  );
}

/** The median over rounds of a / b, both of the same round; null where one has no figure. */
export function ratio(a, b) {
  const pairs = a.map((value, i) => [value, b[i]]).filter(([x, y]) => x !== null && y);
  return pairs.length > 0 ? median(pairs.map(([x, y]) => x / y)) : null;
}
