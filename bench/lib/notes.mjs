// Why a bar is missed, by suite: where the time goes and what was tried. RESULTS.md prints it below
// the tables.

export const notes = {
  graph:
    'The ratio to hnswlib is missed at every set but one. A search waits for memory: at 768 dimensions it reads 500 codes of 768 bytes from random places, 80 ns each with AVX-512 and 11 ns where they lie in the cache; at 128 dimensions (apt-lsa-128, effort 20, perf) 29 % of the time are code distances, 28 % reading lists of neighbours, 13 % inserting into the pool. Done: the lists of nodes that enter the pool are prefetched (1.15x), four codes are summed at a time (1.2x at 768). Next: neighbours as 1-bit codes beside the node, 4.2 KB in a row instead of 25 KB in 32 places; a prototype of that reaches 1.1 to 1.7 times the queries a second at 768 dimensions. Memory at 384 and 768 dimensions misses by the resident 1-bit codes of the scan, which a walk does not need.',
  wasm: 'A scan of 60,000 codes cannot reach the bar: V8 makes three instructions of each table lookup, which bounds the lookups to about 0.67 ns a row and the float bounds to 0.25, 55 us in all, before anything is reranked; the bar asks for 45. Exact bounds that skip blocks do not help: with rows grouped around 256 centres, 85 % of the blocks (99 % on apt-lsa-384) may still hold a neighbour. With the graph the bar is met.',
  kernels:
    'The scan is measured from memory and in the cache. At 768 dimensions a row has 108 bytes: AVX2 reads 34 GB/s there, more than the plain read of the same run, and memory decides; SIMD128 reads 15; in the cache both meet the bar. Fetching the next pair ahead made it slower there (7.1 ns). AVX-512 aims at 1.5 ns: on this Zen 4, which executes 512 bits in two halves, the lookups alone take 1.6.',
  filter:
    'Filters that leave 10 % are scanned, which costs as much as no filter; those that leave half walk the graph with twice the effort, and where they exclude just what is near, the scan follows the walk. A walk that steps over excluded rows to their neighbours is not built yet.',
};
