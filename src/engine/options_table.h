/* Every option, once. Each list is expanded twice: to the tables that options_read follows
 * (options.c) and to the text of veer_describe (describe.c). Numbers are written as JSON writes
 * them, because they become JSON. The first parameter is the comma before the entry.
 *
 *   BOOL(comma, key, field, default, doc)
 *   INTEGER(comma, key, field, minimum, maximum, default, doc)
 *   NUMBER(the same)
 *   CHOICE(comma, key, field, place of the default, default, TWO | THREE | NINE, (choices...), doc)
 *   TEXT(comma, key, field, doc)
 */
#ifndef VEER_ENGINE_OPTIONS_TABLE_H
#define VEER_ENGINE_OPTIONS_TABLE_H

/* A tab has less to give than a server; 64 and 256 MiB are DESIGN.md's. */
#ifdef __wasm__
#define OPTION_SEGMENT_BYTES 67108864
#define OPTION_CACHE_BYTES 67108864
#define OPTION_SIZE_MAX 4294967295
#else
#define OPTION_SEGMENT_BYTES 268435456
#define OPTION_CACHE_BYTES 33554432
#define OPTION_SIZE_MAX 9007199254740991
#endif
#define OPTION_INTEGER_MAX 9007199254740991 /* 2^53 - 1: what JSON's readers agree on */

#define DATABASE_OPTIONS(BOOL, INTEGER, NUMBER, CHOICE, TEXT)                               \
    BOOL("", "create", create, false, "make the database where there is none")              \
    CHOICE(",", "mode", mode, 0, "readwrite", TWO, ("readwrite", "readonly"),               \
           "readonly opens without taking the writer's lock and writes nothing")            \
    CHOICE(",", "sync", sync, 0, "full", THREE, ("full", "interval", "none"),               \
           "full: an acknowledged write survives power loss; interval: all but the last "   \
           "interval's; none: when the system likes")                                       \
    INTEGER(",", "syncIntervalMs", sync_interval_ms, 1, 60000, 100,                         \
            "milliseconds between syncs under sync interval")                               \
    INTEGER(",", "memoryLimit", memory_limit, 0, OPTION_SIZE_MAX, 0,                        \
            "bytes that the database may allocate; 0: no limit")                            \
    INTEGER(",", "cacheBytes", cache_bytes, 0, OPTION_SIZE_MAX, OPTION_CACHE_BYTES,         \
            "bytes of blocks kept: decompressed documents, and what storage that cannot "   \
            "be mapped was read; at most a quarter of memoryLimit")                         \
    INTEGER(",", "walBytes", wal_bytes, 65536, 1099511627776, OPTION_SEGMENT_BYTES,         \
            "size of the log that asks for a checkpoint")                                   \
    INTEGER(",", "segmentBytes", segment_bytes, 65536, 1099511627776, OPTION_SEGMENT_BYTES, \
            "size at which the active segment is sealed")                                   \
    INTEGER(",", "graphRows", graph_rows, 0, 2147483647, 20000,                             \
            "vectors of a sealed segment from which it gets a graph; 0: never")             \
    INTEGER(                                                                                \
        ",", "graphDegree", graph_degree, 16, 64, 32,                                       \
        "neighbours of a graph's node: more find more of what is hard to find, and cost memory")

/* A search request's keys but "filter" and "select", which need a schema. */
#define REQUEST_OPTIONS(BOOL, INTEGER, NUMBER, CHOICE, TEXT)                                  \
    INTEGER("", "k", k, 1, 10000, 10, "results a query")                                      \
    INTEGER(",", "offset", offset, 0, 10000, 0, "results to leave out first")                 \
    TEXT(",", "vector", vector, "the vector field; default: the only one")                    \
    NUMBER(",", "recall", recall, 0.000001, 1, 0.95,                                          \
           "expected share of the true k nearest that is found")                              \
    INTEGER(",", "effort", effort, 0, 100000, 0,                                              \
            "nodes that a walk of a graph keeps, whatever recall and cost say; 0: by recall") \
    BOOL(",", "exact", exact, false, "compare the originals of every row")                    \
    BOOL(",", "explain", explain, false, "return the plan and its figures")                   \
    BOOL(",", "verify", verify, false,                                                        \
         "answer exactly as well, and say in explain what was found of it")

/* A scan's keys but "filter" and "select". */
#define SCAN_OPTIONS(BOOL, INTEGER, NUMBER, CHOICE, TEXT) \
    INTEGER("", "limit", limit, 0, OPTION_INTEGER_MAX, 0, "documents to return; 0: all")

/* A macro of as many parameters as a list has choices. */
#define WITH(macro, list) macro list

/* By veer_metric. */
#define METRIC_NAMES                                                                       \
    ("cosine", "dot", "l2", "manhattan", "chebyshev", "canberra", "braycurtis", "hamming", \
     "jaccard")

/* By flat_storage. */
#define STORAGE_NAMES ("f32", "f16", "bits")

/* veer_index_new's. */
#define INDEX_OPTIONS(BOOL, INTEGER, NUMBER, CHOICE, TEXT)                            \
    INTEGER("", "dims", dims, 0, 8192, 0, "dimensions, 1-8192; has to be given")      \
    CHOICE(",", "metric", metric, 0, "cosine", NINE, METRIC_NAMES, "what near means") \
    INTEGER(",", "seed", seed, 0, OPTION_INTEGER_MAX, 42, "of the random rotation")   \
    INTEGER(",", "graphRows", graph_rows, 0, 2147483647, 20000,                       \
            "rows from which optimize builds a graph; 0: never")                      \
    INTEGER(                                                                          \
        ",", "graphDegree", graph_degree, 16, 64, 32,                                 \
        "neighbours of a graph's node: more find more of what is hard to find, and cost memory")

#endif
