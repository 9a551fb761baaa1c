#!/usr/bin/env node
// Writes RESULTS.md from the lines of results.jsonl: a table a benchmark and set, with its bars.
//
//   node bench/report.mjs     writes bench/RESULTS.md anew

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { at } from '../scripts/lib/build.mjs';
import { median, ratio, roundsAt } from './lib/curves.mjs';
import { readLines } from './lib/record.mjs';

const digits = (value, places) =>
  value === null || value === undefined ? '–' : value.toFixed(places);
const whole = (value) =>
  value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en-US');
const times = (value) => (value === null ? '–' : `${value.toFixed(2)}x`);
const mebibytes = (bytes) => (bytes === null ? '–' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);

function table(header, rows) {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}

/** A bar with its verdict; `value` null: it could not be measured. */
function bar(text, value, holds, shown) {
  const verdict = value === null ? 'not measured' : holds(value) ? 'met' : '**missed**';
  return [text, value === null ? '–' : shown(value), verdict];
}

const bars = (rows) => ['', ...table(['bar', 'result', 'verdict'], rows)];
const of = (lines, engine) => lines.filter((line) => line.engine === engine);
/** Engines in the order of their first lines. */
const engines = (lines) => [...new Set(lines.map((line) => line.engine))];

function importTables(lines) {
  const [veer] = of(lines, 'veer-cli');
  const [peer] = of(lines, 'hnswlib');
  const perWall = ratio(peer.wall_s_rounds, veer.wall_s_rounds);
  const perCpu = ratio(peer.cpu_s_rounds, veer.cpu_s_rounds);
  const rows = lines.map((line) => [
    `${line.engine}, ${line.setting}`,
    digits(median(line.wall_s_rounds), 3),
    digits(median(line.cpu_s_rounds), 3),
    whole(line.rows / median(line.wall_s_rounds)),
    mebibytes(line.bytes_disk),
  ]);
  return [
    ...table(['engine', 'wall s', 'CPU s', 'rows/s', 'on disk'], rows),
    ...bars([
      bar('>= 20x faster than hnswlib builds (wall)', perWall, (x) => x >= 20, times),
      bar('the same by CPU time', perCpu, (x) => x >= 20, times),
    ]),
  ];
}

const curveRow = (line) => [
  line.engine,
  line.setting,
  digits(line.recall, 4),
  whole(line.qps),
  whole(line.qps_wall),
  digits(line.p50_us, 1),
  digits(line.p99_us, 1),
  mebibytes(line.bytes_memory),
];
const curveHeader = [
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
function compareAt(lines, peer, recalls) {
  const speeds = engines(lines).map((engine) => {
    const own = of(lines, engine).filter((line) => line.setting !== 'exact');
    return { engine, at: recalls.map((recall) => roundsAt(own, recall)) };
  });
  const reference = speeds.find((speed) => speed.engine === peer);
  const ratios = (speed) => recalls.map((_, i) => ratio(speed.at[i], reference.at[i]));
  const qps = (rounds) => (rounds.includes(null) ? null : median(rounds));
  const rows = speeds.map((speed) => [
    speed.engine,
    ...recalls.flatMap((_, i) => [whole(qps(speed.at[i])), times(ratios(speed)[i])]),
  ]);
  const header = ['engine', ...recalls.flatMap((r) => [`QPS at ${r}`, `against ${peer}`])];
  const find = (engine) => {
    const speed = speeds.find((one) => one.engine === engine);
    return speed ? ratios(speed) : recalls.map(() => null);
  };
  return { lines: table(header, rows), ratios: find };
}

function searchTables(lines) {
  const compared = compareAt(lines, 'hnswlib', [0.9, 0.95, 0.99]);
  const verdict = (engine) =>
    bar(
      `${engine}: QPS >= hnswlib's at recall 0.99`,
      compared.ratios(engine)[2],
      (x) => x >= 1,
      times,
    );
  return [
    ...compared.lines,
    ...bars([verdict('veer-database'), verdict('veer-index')]),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}

function wasmTables(lines) {
  const compared = compareAt(lines, 'hnswlib-wasm', [0.9, 0.95, 0.99]);
  const verdict = (engine) =>
    bar(
      `${engine}: >= 3x hnswlib-wasm at recall 0.95`,
      compared.ratios(engine)[1],
      (x) => x >= 3,
      times,
    );
  return [
    ...compared.lines,
    ...bars([verdict('veer-index (wasm)'), verdict('veer-collection (wasm)')]),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}

function kernelTables(lines) {
  const faster = (line) => ratio(line.f32_ns_rounds, line.codes_ns_rounds);
  const rows = lines.map((line) => {
    const codes = median(line.codes_ns_rounds);
    return [
      line.setting,
      line.dims,
      digits(codes, 2),
      digits(median(line.codes_cached_ns_rounds), 2),
      digits(median(line.f32_ns_rounds), 1),
      times(faster(line)),
      digits(line.code_bytes / codes, 1),
      digits((4 * line.dims) / median(line.f32_ns_rounds), 1),
      digits(median(line.read_gb_rounds), 1),
    ];
  });
  const at768 = (tier) => lines.find((line) => line.tier === tier && line.dims === 768);
  const verdicts = [
    ['avx2', 3],
    ['simd128', 6],
  ].flatMap(([tier, limit]) => {
    const line = at768(tier);
    const ns = line ? median(line.codes_ns_rounds) : null;
    return [
      bar(
        `${tier}, 768 dims: <= ${limit} ns a row`,
        ns,
        (x) => x <= limit,
        (x) => `${x.toFixed(2)} ns`,
      ),
      bar(
        `${tier}, 768 dims: >= 12x faster than f32`,
        line ? faster(line) : null,
        (x) => x >= 12,
        times,
      ),
    ];
  });
  return [
    ...table(
      [
        'tier',
        'dims',
        'codes ns/row',
        'in cache',
        'f32 ns/row',
        'f32/codes',
        'codes GB/s',
        'f32 GB/s',
        'plain read GB/s',
      ],
      rows,
    ),
    ...bars(verdicts),
  ];
}

function openTables([line]) {
  const rows = [
    ['open, median', `${digits(line.open_ms, 2)} ms`],
    [
      'first search (maps pages, verifies the blocks it touches)',
      `${digits(line.first_search_ms, 2)} ms`,
    ],
    ['private memory of the process after open', mebibytes(line.private_bytes_open)],
    ['private memory of the process after 200 searches', mebibytes(line.private_bytes_search)],
    ...Object.entries(line.memory).map(([part, bytes]) => [
      part === 'mapped' ? 'mapped (file-backed, apart)' : `veer_stats memory: ${part}`,
      mebibytes(bytes),
    ]),
    ['on disk', mebibytes(line.bytes_disk)],
  ];
  const shown = (x) => `${x.toFixed(2)} ms`;
  return [
    ...table(['what', 'figure'], rows),
    ...bars([bar('open <= 20 ms native', line.open_ms, (x) => x <= 20, shown)]),
  ];
}

function writeTables(lines) {
  const rows = lines.map((line) => [
    line.sync,
    line.batch,
    whole(line.qps_wall),
    whole(line.qps),
    digits(line.p50_us, 1),
    digits(line.p99_us, 1),
  ]);
  return table(
    ['sync', 'batch', 'documents/s wall', 'documents/s CPU', 'p50 us a batch', 'p99 us a batch'],
    rows,
  );
}

function filterTables(lines) {
  const peer = roundsAt(of(lines, 'hnswlib'), 0.95);
  const filtered = of(lines, 'veer-database');
  const against = (line) => ratio(line.qps_rounds, peer);
  const rows = lines.map((line) => [
    line.engine,
    line.setting,
    line.engine === 'hnswlib' ? '–' : whole(line.matches),
    digits(line.recall, 4),
    whole(line.qps),
    digits(line.p50_us, 1),
    digits(line.p99_us, 1),
    line.engine === 'hnswlib' ? '–' : times(against(line)),
    line.engine === 'hnswlib' ? '–' : line.missing,
  ]);
  return [
    ...table(
      [
        'engine',
        'filter',
        'matches',
        'recall',
        'QPS CPU',
        'p50 us',
        'p99 us',
        'against hnswlib unfiltered at 0.95',
        'results missing',
      ],
      rows,
    ),
    ...bars([
      bar(
        'recall >= 0.95 at each selectivity',
        Math.min(...filtered.map((line) => line.recall)),
        (x) => x >= 0.95,
        (x) => `least ${x.toFixed(4)}`,
      ),
      bar(
        'always min(k, matches) results',
        filtered.reduce((sum, line) => sum + line.missing, 0),
        (x) => x === 0,
        (x) => `${x} missing`,
      ),
      bar(
        "QPS >= 0.5x of hnswlib's unfiltered at 0.95 (the graph's bar)",
        Math.min(...filtered.map(against)),
        (x) => x >= 0.5,
        (x) => `least ${times(x)}`,
      ),
    ]),
  ];
}

const sections = {
  import: ['Durable and searchable', importTables],
  search: ['Search without a graph, native', searchTables],
  wasm: ['Search without a graph, in Node', wasmTables],
  kernels: ['Kernels: 1-bit scan beside f32 scan', kernelTables],
  open: ['Open', openTables],
  write: ['Acknowledged writes', writeTables],
  filter: ['Filtered search', filterTables],
};

const intro = `# Results

Written by \`bench/report.mjs\` from \`bench/results.jsonl\`; \`npm run bench\` measures anew. One thread, k = 10, recall@10 (a row as near as the k-th true one counts, for every engine). Rounds are interleaved (A B A B ...); figures are medians over rounds, ratios are taken inside a round. QPS at a recall is interpolated between the measured settings; where an engine's fastest setting finds more, that setting counts. CPU is process CPU time. The machines are shared and noisy: compare ratios, not absolute figures. hnswlib 0.8.0 with M 16, efConstruction 200, compiled -O3 -march=native; Veer as it is shipped.
`;

/** RESULTS.md as text. */
export function report(lines) {
  const parts = [intro];
  for (const [bench, [title, tables]] of Object.entries(sections)) {
    const own = lines.filter((line) => line.bench === bench);
    for (const set of new Set(own.map((line) => line.set))) {
      const measured = own.filter((line) => line.set === set);
      const [{ command, date, commit, machine, compiler, node, rows, dims }] = measured;
      const shape =
        bench === 'kernels'
          ? `${rows.toLocaleString('en-US')} random rows`
          : `${set}, ${whole(rows)} x ${dims}`;
      const tiers = [...new Set(measured.map((line) => line.tier).filter((tier) => tier))];
      parts.push(
        `## ${title}: ${bench === 'kernels' ? 'random rows' : set}\n`,
        `Data: ${bench === 'write' ? `vectors of ${set}, ${dims} dims` : shape}. ${tiers.length > 0 ? `Tier: ${tiers.join(', ')}. ` : ''}Machine: ${machine}; ${compiler}; Node ${node}. Commit ${commit}, ${date}. Command: \`${command}\`.\n`,
        ...tables(measured),
        '',
      );
    }
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(at('bench', 'RESULTS.md'), report(readLines(at('bench', 'results.jsonl'))));
}
