// Graphs beside hnswlib's, a set after the other: recall against speed, build, memory, disk.

import { jsonLines, searchLines } from '../lib/process.mjs';
import { graphDatabase, peerIndex } from '../lib/prepared.mjs';
import { openDatabase } from './open.mjs';

export const sets = [
  'apt-lsa-128',
  'apt-lsa-384',
  'apt-lsa-60k-384',
  'apt-lsa-60k-768',
  'sift-128',
  'clusters-100k-128',
  'clusters-100k-768',
];

function streamBytes(stats, kind) {
  const [{ segments }] = stats.collections;
  const streams = segments.flatMap((segment) => segment.streams ?? []);
  return streams.reduce((sum, stream) => sum + (stream.kind === kind ? stream.bytes : 0), 0);
}

function veerFigures(bench) {
  const { path, wall, cpu, merge, graph, stats } = graphDatabase(bench);
  return {
    ...openDatabase({ ...bench, rounds: 3 }, path),
    build_s: graph.wall_s,
    build_cpu_s: graph.cpu_s,
    searchable_s: wall,
    searchable_cpu_s: cpu,
    ready_s: wall + merge.wall_s + graph.wall_s,
    ready_cpu_s: cpu + merge.cpu_s + graph.cpu_s,
    segments: stats.segments,
    graph_bytes: streamBytes(stats, 'graph'),
    codes_bytes: streamBytes(stats, 'codes'),
    base_bytes: streamBytes(stats, 'base'),
  };
}

function peerFigures(bench) {
  const { set, program } = bench;
  const peer = peerIndex(bench);
  const [opened] = jsonLines(program('hnswlib_open'), [peer.path, set.queries, set.metric]);
  return {
    open_ms: opened.open_ms,
    private_bytes_search: 1024 * (opened.private_kib_search - opened.private_kib_before),
    build_s: peer.wall_s,
    build_cpu_s: peer.cpu_s,
    build_date: peer.date,
    searchable_s: peer.wall_s,
    searchable_cpu_s: peer.cpu_s,
    ready_s: peer.wall_s,
    ready_cpu_s: peer.cpu_s,
    bytes_memory: peer.bytes,
    bytes_disk: peer.bytes_disk,
  };
}

export function run(bench) {
  const peer = peerFigures(bench);
  const veer = veerFigures(bench);
  const lines = searchLines(bench, [
    `veer-database (graph)=graph:${graphDatabase(bench).path}`,
    `hnswlib=hnswlib:${peerIndex(bench).path}`,
  ]);
  return lines.map((line) => ({ ...line, ...(line.engine === 'hnswlib' ? peer : veer) }));
}
