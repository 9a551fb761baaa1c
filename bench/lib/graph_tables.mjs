// The tables of the graph suite: speed at equal recall, build, memory and disk beside hnswlib's.

import { ratio } from './curves.mjs';
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
} from './tables.mjs';

/** The sets that the bars are about. */
const barSets = /^(apt-lsa|clusters-100k|clusters-60k|clusters-16k)-/;

const percent = (value) => `${(100 * value).toFixed(1)} %`;

/** Bytes that a search keeps in memory beside the originals, mapped ones too. */
const besideOriginals = (line) =>
  line.private_bytes_search + (line.graph_bytes_resident ?? 0) + (line.codes_bytes_resident ?? 0);

function costs(lines) {
  const rows = engines(lines).map((engine) => {
    const [line] = of(lines, engine);
    return [
      engine,
      `${digits(line.build_cpu_s, 2)} / ${digits(line.build_s, 2)}`,
      `${digits(line.searchable_cpu_s, 2)} / ${digits(line.searchable_s, 2)}`,
      `${digits(line.ready_cpu_s, 2)} / ${digits(line.ready_s, 2)}`,
      mebibytes(line.private_bytes_search),
      mebibytes(line.graph_bytes_resident),
      mebibytes(line.codes_bytes_resident),
      mebibytes(line.base_bytes_resident),
      mebibytes(line.bytes_disk),
      digits(line.open_ms, 1),
    ];
  });
  const header = [
    'engine',
    'graph built, CPU / wall s',
    'searchable after',
    'with graph after',
    'private memory',
    'mapped: graph',
    'mapped: codes',
    'mapped: originals, documents',
    'on disk',
    'open ms',
  ];
  return table(header, rows);
}

/** What was found where a recall was asked for. */
function promises(lines) {
  const asked = [0.9, 0.95, 0.99].map((recall) => lines.find((line) => line.asked === recall));
  const rows = asked.map((line) => [line.asked, digits(line.recall, 4), line.method, line.visited]);
  const worst = Math.max(...asked.map((line) => line.asked - line.recall));
  return [
    ...table(['recall asked for', 'found', 'method', 'rows visited a query'], rows),
    ...bars([
      bar(
        'mean recall not more than 0.01 below what was asked for',
        worst,
        (x) => x <= 0.01,
        (x) => (x > 0 ? `${x.toFixed(4)} below` : 'never below'),
      ),
    ]),
  ];
}

function verdicts(veer, peer, speed) {
  const [faster, smaller] = veer.dims <= 128 ? [2.7, 0.45] : [4, 0.3];
  const at = (recall, place) =>
    bar(
      `native QPS at recall ${recall}: >= ${faster}x hnswlib's`,
      speed[place],
      (x) => x >= faster,
      times,
    );
  const build = ratio([peer.build_cpu_s], [veer.build_cpu_s]);
  const share = besideOriginals(veer) / besideOriginals(peer);
  return bars([
    at(0.95, 1),
    at(0.99, 2),
    bar('graph built >= 1.5x faster than hnswlib builds (CPU)', build, (x) => x >= 1.5, times),
    bar(
      `memory beside originals (private, and what is mapped of graph and codes): <= ${percent(smaller)} of hnswlib's private memory`,
      share,
      (x) => x <= smaller,
      percent,
    ),
    bar(
      'private memory alone',
      veer.private_bytes_search / peer.private_bytes_search,
      (x) => x <= smaller,
      percent,
    ),
  ]);
}

export function graphTables(lines) {
  const [{ set }] = lines;
  const compared = compareAt(lines, 'hnswlib', [0.9, 0.95, 0.99]);
  const [name] = veerEngines(lines);
  const [veer] = of(lines, name);
  const [peer] = of(lines, 'hnswlib');
  return [
    `![Recall against queries a second, ${set}](charts/${set}.svg)`,
    '',
    ...compared.lines,
    ...(barSets.test(set) ? verdicts(veer, peer, compared.ratios(name)) : []),
    '',
    `Memory is that of a process of its own after 200 searches at recall 0.95; hnswlib's holds the originals. Segments: ${veer.segments}. hnswlib's index was built on ${peer.build_date}${peer.build_date < veer.date ? ', in an earlier run' : ''}.`,
    '',
    ...costs(lines),
    '',
    ...promises(of(lines, name)),
    '',
    ...table(curveHeader, lines.map(curveRow)),
  ];
}
