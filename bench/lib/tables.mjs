// Pieces of RESULTS.md: figures as text, tables, bars with verdicts, engines compared at a recall.

import { median, ratio, roundsAt } from './curves.mjs';

export const digits = (value, places) =>
  value === null || value === undefined ? '–' : value.toFixed(places);
export const whole = (value) =>
  value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en-US');
export const times = (value) => (value === null ? '–' : `${value.toFixed(2)}x`);
export const mebibytes = (bytes) =>
  bytes === null || bytes === undefined ? '–' : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export function table(header, rows) {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}

/** A bar with its verdict; `value` null: it could not be measured. */
export function bar(text, value, holds, shown) {
  const verdict = value === null ? 'not measured' : holds(value) ? 'met' : '**missed**';
  return [text, value === null ? '–' : shown(value), verdict];
}

export const bars = (rows) => ['', ...table(['bar', 'result', 'verdict'], rows)];
export const of = (lines, engine) => lines.filter((line) => line.engine === engine);
/** Engines in the order of their first lines. */
export const engines = (lines) => [...new Set(lines.map((line) => line.engine))];

export const veerEngines = (lines) => engines(lines).filter((engine) => engine.startsWith('veer'));

export const curveRow = (line) => [
  line.engine,
  line.method && line.method !== 'exact' ? `${line.setting}, ${line.method}` : line.setting,
  digits(line.recall, 4),
  whole(line.qps),
  whole(line.qps_wall),
  digits(line.p50_us, 1),
  digits(line.p99_us, 1),
  mebibytes(line.bytes_memory),
];
export const curveHeader = [
  'engine',
  'setting',
  'recall',
  'QPS CPU',
  'QPS wall',
  'p50 us',
  'p99 us',
  'memory',
];

/** QPS of every engine at some recalls, and its ratio to the peer's. */
export function compareAt(lines, peer, recalls) {
  const speeds = engines(lines).map((engine) => {
    const own = of(lines, engine).filter((line) => line.setting !== 'exact');
    return { engine, at: recalls.map((recall) => roundsAt(own, recall)) };
  });
  const reference = speeds.find((speed) => speed.engine === peer);
  const ratios = (speed) =>
    recalls.map((_, i) => (reference ? ratio(speed.at[i], reference.at[i]) : null));
  const qps = (rounds) => (rounds.includes(null) ? null : median(rounds));
  const rows = speeds.map((speed) => [
    speed.engine,
    ...recalls.flatMap((_, i) => [whole(qps(speed.at[i])), times(ratios(speed)[i])]),
  ]);
  const header = ['engine', ...recalls.flatMap((r) => [`QPS at ${r}`, `against ${peer}`])];
  const find = (engine) => {
    if (!reference) return recalls.map(() => null);
    const speed = speeds.find((one) => one.engine === engine);
    return speed ? ratios(speed) : recalls.map(() => null);
  };
  return { lines: table(header, rows), ratios: find };
}
