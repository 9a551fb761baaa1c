// Search in one native process: scanning codes, walking graphs, hnswlib, and faiss where it is there.

import { searchLines } from '../lib/process.mjs';
import { faissIndex, graphDatabase, peerIndex, scanDatabase } from '../lib/prepared.mjs';

/** Debian's is compiled for SSE alone, and its name says so. */
const faissName = 'faiss 1.7.3 HNSW (SSE)';

export function run(bench) {
  const faiss = faissIndex(bench);
  const lines = searchLines(bench, [
    `veer-database (graph)=graph:${graphDatabase(bench).path}`,
    `veer-database (scan)=scan:${scanDatabase(bench).path}`,
    'veer-index (graph)=index:1',
    'veer-index (scan)=index:0',
    `hnswlib=hnswlib:${peerIndex(bench).path}`,
    ...(faiss ? [`${faissName}=faiss:${faiss.path}`] : []),
  ]);
  const built = faiss && { build_s: faiss.wall_s, build_cpu_s: faiss.cpu_s };
  return lines.map((line) => (line.engine === faissName ? { ...line, ...built } : line));
}
