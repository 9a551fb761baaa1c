#!/usr/bin/env node
// Writes RESULTS.md from the lines of results.jsonl: a table a benchmark and set, with its bars.
//
//   node bench/report.mjs     writes bench/RESULTS.md anew

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { at } from '../scripts/lib/build.mjs';
import { chart } from './lib/chart.mjs';
import { median, ratio, roundsAt } from './lib/curves.mjs';
import { graphTables } from './lib/graph_tables.mjs';
import { notes } from './lib/notes.mjs';
import { readLines } from './lib/record.mjs';
import {
  bar,
  bars,
  compareAt,
  curveHeader,
  curveRow,
  digits,
  engines,
  mebibytes,
  of,
  table,
  times,
  veerEngines,
  whole,
} from './lib/tables.mjs';

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
    ...bars(veerEngines(lines).map(verdict)),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}

function wasmTables(lines) {
  const compared = compareAt(lines, 'hnswlib-wasm', [0.9, 0.95, 0.99]);
  const native = compareAt(lines, 'hnswlib-node (native)', [0.95]);
  const verdicts = veerEngines(lines).map((engine) =>
    bar(
      `${engine}: >= 3x hnswlib-wasm at recall 0.95`,
      compared.ratios(engine)[1],
      (x) => x >= 3,
      times,
    ),
  );
  const graphs = veerEngines(lines).filter((engine) => engine.includes('graph'));
  const againstNative = graphs.map((engine) =>
    bar(
      `${engine}: >= 1x native hnswlib (hnswlib-node) at recall 0.95`,
      native.ratios(engine)[0],
      (x) => x >= 1,
      times,
    ),
  );
  const builds = engines(lines).map((engine) => {
    const [line] = of(lines, engine);
    const built = [line.build_cpu_s, line.build_s];
    const searchable = line.searchable_s ? [line.searchable_cpu_s, line.searchable_s] : built;
    const show = (seconds) => seconds.map((value) => digits(value, 2)).join(' / ');
    return [engine, show(searchable), show(built), mebibytes(line.bytes_memory)];
  });
  return [
    ...compared.lines,
    ...bars([...verdicts, ...againstNative]),
    '',
    ...table(
      ['engine', 'searchable after, CPU / wall s', 'index built, CPU / wall s', 'memory'],
      builds,
    ),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}

function npmTables(lines) {
  const compared = compareAt(lines, 'hnswlib-wasm', [0.9, 0.95, 0.99]);
  const builds = engines(lines).map((engine) => {
    const [line] = of(lines, engine);
    return [
      line.version ? `${engine} ${line.version}` : engine,
      line.kind,
      whole(line.rows / line.build_s),
      `${digits(line.build_cpu_s, 1)} / ${digits(line.build_s, 1)}`,
      mebibytes(line.bytes_memory),
    ];
  });
  return [
    ...compared.lines,
    '',
    ...table(['engine', 'kind', 'rows/s until ready', 'CPU / wall s', 'memory'], builds),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}

function chromiumTables(lines) {
  const compared = compareAt(lines, 'veer-index (simd128, scan)', [0.9, 0.95, 0.99]);
  return [
    `Browser: ${lines[0].browser}. QPS by the wall clock.`,
    '',
    ...compared.lines,
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
  const limits = { avx512: 1.5, avx2: 3, simd128: 6, relaxed: 5 };
  const verdicts = Object.entries(limits).map(([tier, limit]) => {
    const line = at768(tier);
    return bar(
      `${tier}, 768 dims: <= ${limit} ns a row`,
      line ? median(line.codes_ns_rounds) : null,
      (x) => x <= limit,
      (x) => `${x.toFixed(2)} ns`,
    );
  });
  for (const tier of ['avx2', 'simd128']) {
    const factor = at768(tier) ? faster(at768(tier)) : null;
    verdicts.push(bar(`${tier}, 768 dims: >= 12x faster than f32`, factor, (x) => x >= 12, times));
  }
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

function quantTables(lines) {
  const rows = lines.map((line) => [
    line.setting,
    digits(line.recall, 4),
    digits(line.recall_reranked, 4),
    whole(line.bytes_row),
    whole(median(line.encode_rows_s_rounds)),
  ]);
  return table(
    ['codes', 'recall@10 by estimates', 'reranked 100', 'bytes a row', 'rows encoded/s, CPU'],
    rows,
  );
}

function openTables(lines) {
  const row = (what, show) => [what, ...lines.map(show)];
  const memory = (part) =>
    row(part === 'mapped' ? 'mapped (file-backed, apart)' : `veer_stats memory: ${part}`, (line) =>
      mebibytes(line.memory[part]),
    );
  const rows = [
    row('open, median', (line) => `${digits(line.open_ms, 2)} ms`),
    row(
      'first search (maps pages, verifies the blocks it touches)',
      (line) => `${digits(line.first_search_ms, 2)} ms`,
    ),
    row('private memory of the process after open', (line) => mebibytes(line.private_bytes_open)),
    row('private memory of the process after 200 searches', (line) =>
      mebibytes(line.private_bytes_search),
    ),
    row('file-backed memory of the process after 200 searches', (line) =>
      mebibytes(line.file_bytes_search ?? null),
    ),
    ...Object.keys(lines[0].memory).map(memory),
    row('on disk', (line) => mebibytes(line.bytes_disk)),
  ];
  const verdict = (line) =>
    bar(
      `${line.engine}: open <= 20 ms native`,
      line.open_ms,
      (x) => x <= 20,
      (x) => `${x.toFixed(2)} ms`,
    );
  return [
    ...table(['what', ...lines.map((line) => line.engine)], rows),
    ...bars(lines.map(verdict)),
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

function plannerTables(lines) {
  const rows = lines.map((line) => [
    line.k,
    line.target,
    digits(line.recall, 4),
    digits(100 * line.good, 1),
    `${whole(line.compared)} (${whole(line.predicted)}), by ${line.way}`,
    whole(line.static),
    times(line.static / line.compared),
    times(line.static / line.foresight),
  ]);
  const verdicts = lines.flatMap((line) => [
    bar(`${line.setting}: >= 1.5x fewer`, line.static / line.compared, (x) => x >= 1.5, times),
    bar(
      `${line.setting}: within 0.01 of the target`,
      line.recall - line.target,
      (x) => Math.abs(x) <= 0.01,
      (x) => digits(x, 4),
    ),
    bar(
      `${line.setting}: >= 95 % of queries at target - 0.1`,
      line.good,
      (x) => x >= 0.95,
      (x) => `${digits(100 * x, 1)} %`,
    ),
  ]);
  const header = [
    'k',
    'target',
    'recall',
    '% at target - 0.1',
    'codes compared (predicted)',
    'by one effort',
    'ratio',
    'with foresight',
  ];
  return [...table(header, rows), ...bars(verdicts)];
}

const sections = {
  import: ['Durable and searchable', importTables],
  graph: ['Graphs beside hnswlib', graphTables],
  search: ['Search, native', searchTables],
  wasm: ['Search in Node', wasmTables],
  chromium: ['Search in Chromium', chromiumTables],
  npm: ['What npm has, on a small set', npmTables],
  kernels: ['Kernels: 1-bit scan beside f32 scan', kernelTables],
  quant: ['Codes beside each other', quantTables],
  open: ['Open', openTables],
  write: ['Acknowledged writes', writeTables],
  filter: ['Filtered search', filterTables],
  planner: ['The recall planner', plannerTables],
};

const intro = `# Results

Written by \`bench/report.mjs\` from \`bench/results.jsonl\`; \`npm run bench\` measures anew. One thread, k = 10, recall@10 (a row as near as the k-th true one counts, for every engine). Rounds are interleaved (A B A B ...); figures are medians over rounds, ratios are taken inside a round. QPS at a recall is interpolated between the measured settings; where an engine's fastest setting finds more, that setting counts. CPU is process CPU time. The machines are shared and noisy: compare ratios, not absolute figures. hnswlib 0.8.0 with M 16, efConstruction 200, compiled -O3 -march=native; its index may have been built in an earlier run (build/bench/peers). faiss is Debian's 1.7.3, which is compiled for SSE alone: one compiled for the machine is several times as fast. Other peers have the same M and efConstruction where there is such a thing, in the versions of bench/package.json and bench/npm/package.json; those marked native are machine code. Veer as it is shipped; a row named scan has no graph, one named graph has had all background work done.
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
    if (own.length > 0 && notes[bench]) parts.push(`${notes[bench]}\n`);
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** Writes RESULTS.md into the folder, and a chart of every set's graphs into charts/. */
export function writeReport(lines, folder) {
  writeFileSync(join(folder, 'RESULTS.md'), report(lines));
  const own = lines.filter((line) => line.bench === 'graph');
  for (const set of new Set(own.map((line) => line.set))) {
    mkdirSync(join(folder, 'charts'), { recursive: true });
    const measured = own.filter((line) => line.set === set);
    writeFileSync(join(folder, 'charts', `${set}.svg`), chart(set, measured));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeReport(readLines(at('bench', 'results.jsonl')), at('bench'));
}
