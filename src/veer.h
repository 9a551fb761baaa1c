/* veer.h: the public API of Veer, and its only installed header.
 *
 * Veer stores documents with vectors and fields and finds them again: exact and
 * approximate nearest neighbours, filtered, durable. Two levels:
 *
 *   index level      vectors under u64 keys, in memory: veer_index_*
 *   database level   documents in collections, in storage: veer_open, veer_collection_*, ...
 *
 * Conventions, valid for every function unless its comment says otherwise:
 *
 *   Errors      A function that can fail returns a veer_status: VEER_OK (0) or a negative code.
 *               The last parameter is a `veer_error *` of the caller's, or NULL: on failure it
 *               receives the code and a text that names the field, the value and the bound.
 *               Outputs are set to NULL or 0 on entry and written on success only.
 *   Waiting     VEER_PENDING is returned only over an I/O table that may answer so (browser
 *               storage, HTTP ranges). Nothing has changed then; call again with the same
 *               arguments once the I/O has what its callbacks were asked for.
 *   Text        UTF-8, with its length in bytes where a length is asked for, else ending in 0.
 *               JSON parameters are texts ending in 0; NULL means "{}".
 *   Ownership   What a function hands out is freed by the function that its comment names.
 *               Every _free and _close accepts NULL. Inputs are read during the call only.
 *   Threads     veer_database and veer_collection: any thread at any time (writers queue).
 *               veer_snapshot, veer_query, veer_results, veer_cursor: one thread at a time each.
 *               veer_index: any number of searches together; a change needs the index alone.
 *   Vectors     float32, row-major, `dims` values a row.
 *   Distance    lower is nearer: cosine 1 - cos(a, b); dot -(a . b); l2 squared Euclidean; of the
 *               further ones as veer_metric says.
 *   Score       higher is better: cosine cos(a, b); dot a . b; of all others -(distance).
 *   Ties        equal distances are ordered by age: the row written first comes first.
 */
#ifndef VEER_H
#define VEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define VEER_API __attribute__((visibility("default")))
#else
#define VEER_API
#endif

#define VEER_VERSION_MAJOR 0
#define VEER_VERSION_MINOR 1
#define VEER_VERSION_PATCH 0

/* ---------------------------------------------------------------- status and errors */

/* Every status: name, number, name of the code in JavaScript and JSON, meaning. Numbers are
 * pinned for ever; new ones are added at the end. */
#define VEER_STATUS_MAP(X)                                                                  \
    X(OK, 0, "OK", "success")                                                               \
    X(PENDING, 1, "PENDING", "the storage has to fetch something first: call again")        \
    X(E_NOMEM, -1, "NOMEM", "out of memory, or over the memory limit")                      \
    X(E_INVALID, -2, "INVALID", "an argument, option or request is not valid")              \
    X(E_DIMENSION, -3, "DIMENSION", "a vector has the wrong number of dimensions")          \
    X(E_VECTOR, -4, "VECTOR", "a vector holds NaN or an infinity, or is zero under cosine") \
    X(E_ID, -5, "ID", "a document id is missing, empty, too long or not UTF-8")             \
    X(E_TYPE, -6, "TYPE", "a field has a value of the wrong type")                          \
    X(E_OPTION, -7, "OPTION", "an option is unknown or out of its range")                   \
    X(E_FIELD, -8, "FIELD", "a field is not in the schema")                                 \
    X(E_SYNTAX, -9, "SYNTAX", "a filter or a JSON text does not parse")                     \
    X(E_RANGE, -10, "RANGE", "a number is out of its range")                                \
    X(E_SCHEMA, -11, "SCHEMA", "a schema is not valid, or differs from the stored one")     \
    X(E_MODEL, -12, "MODEL", "vectors come from another model than the field's")            \
    X(E_EXISTS, -13, "EXISTS", "there is one already")                                      \
    X(E_NOTFOUND, -14, "NOTFOUND", "there is none")                                         \
    X(E_BUSY, -15, "BUSY", "another writer holds the database")                             \
    X(E_READONLY, -16, "READONLY", "the database is read-only")                             \
    X(E_CLOSED, -17, "CLOSED", "the handle is closed")                                      \
    X(E_ABORTED, -18, "ABORTED", "cancelled by the caller")                                 \
    X(E_IO, -19, "IO", "the storage reported an error")                                     \
    X(E_FULL, -20, "FULL", "the storage is full")                                           \
    X(E_PERMISSION, -21, "PERMISSION", "the storage refused access")                        \
    X(E_CORRUPT, -22, "CORRUPT", "stored bytes are damaged")                                \
    X(E_FORMAT, -23, "FORMAT", "not a Veer database")                                       \
    X(E_VERSION, -24, "VERSION", "written by a newer version of Veer")                      \
    X(E_LIMIT, -25, "LIMIT", "a fixed limit is exceeded")                                   \
    X(E_UNSUPPORTED, -26, "UNSUPPORTED", "not supported here")                              \
    X(E_INTERNAL, -27, "INTERNAL", "a defect in Veer: please report it")

typedef enum veer_status {
#define VEER_STATUS_ENUM(name, number, code, text) VEER_##name = number,
    VEER_STATUS_MAP(VEER_STATUS_ENUM)
#undef VEER_STATUS_ENUM
} veer_status;

/* Where a failing call puts its explanation. Memory of the caller's; needs no freeing. */
typedef struct veer_error {
    veer_status status;
    char message[500]; /* a whole sentence in English, ends in 0; truncated, never overrun */
} veer_error;

/* "0.1.0". */
VEER_API const char *veer_version(void);
/* The code's name ("DIMENSION") and meaning; for an unknown number "UNKNOWN". Static texts. */
VEER_API const char *veer_status_name(veer_status status);
VEER_API const char *veer_status_text(veer_status status);
/* JSON with every status, every option table (key, type, min, max, default, doc) and the limits;
 * what JavaScript, the command line and the documentation are made from. Static text. */
VEER_API const char *veer_describe(void);
/* The kernel tier in use ("scalar", "avx2", "simd128", ...): the best one the machine has, or
 * the one named by the environment variable VEER_FORCE_TIER. Static text. */
VEER_API const char *veer_tier(void);

/* ---------------------------------------------------------------- limits */

#define VEER_DIMS_MAX 8192u
#define VEER_ID_BYTES_MAX 512u
#define VEER_K_MAX 10000u
#define VEER_BATCH_BYTES_MAX (64u << 20)
#define VEER_NAME_BYTES_MAX 64u /* collection and field names: letters, digits, _ . - */
#define VEER_FIELDS_MAX 256u
#define VEER_DOCUMENT_BYTES_MAX (16u << 20)

/* ---------------------------------------------------------------- what the caller supplies */

/* An allocator. `allocate` returns memory of the alignment (a power of two) or NULL; `release`
 * gets the size and alignment that were asked for. Both may be called from any thread that calls
 * Veer. NULL in place of an allocator means the platform's. */
typedef struct veer_allocator {
    void *(*allocate)(void *context, size_t bytes, size_t alignment);
    void (*release)(void *context, void *memory, size_t bytes, size_t alignment);
    void *context;
} veer_allocator;

enum {
    VEER_IO_READ = 1,   /* open for reading */
    VEER_IO_WRITE = 2,  /* open for reading and writing */
    VEER_IO_CREATE = 4, /* create; VEER_E_EXISTS where the name exists */
};

/* Storage: a flat set of named streams. Names are [a-z0-9._-]{1,64}. All callbacks return a
 * status and may fill `error` (never NULL here). Any may be called from any thread that calls
 * Veer, but never two at once on the same file handle with writing among them.
 *   open      VEER_E_NOTFOUND where it does not exist
 *   read      exactly `bytes` at `offset`, else VEER_E_IO; past the end is VEER_E_CORRUPT
 *   write     exactly `bytes` at `offset`, extending the stream; VEER_E_FULL where space ran out
 *   truncate  sets the size; growing fills with zeros
 *   sync      after VEER_OK every earlier write of the stream survives power loss
 *   sync_names after VEER_OK every earlier create and remove survives power loss
 *   map       optional (NULL): read-only memory of the first `bytes`; `unmap` ends it
 *   remove    of a stream that may still be open or mapped: those keep working until closed
 *   list      calls `each` for every stream; `each` may not call the table
 *   lock      one writer: VEER_E_BUSY names the holder in `error`; a reader that is alone with
 *             readers passes exclusive = false
 * read, write, open and remove may answer VEER_PENDING where VEER_OK needs to wait. What was waited
 * for must then stay at hand until the call to Veer that needed it has returned something other
 * than VEER_PENDING: a call begins anew when it is made again. */
typedef struct veer_io {
    uint32_t version; /* 1 */
    void *context;
    veer_status (*open)(void *context, const char *name, unsigned flags, void **file,
                        veer_error *error);
    void (*close)(void *context, void *file);
    veer_status (*read)(void *context, void *file, uint64_t offset, void *buffer, size_t bytes,
                        veer_error *error);
    veer_status (*write)(void *context, void *file, uint64_t offset, const void *data, size_t bytes,
                         veer_error *error);
    veer_status (*size)(void *context, void *file, uint64_t *bytes, veer_error *error);
    veer_status (*truncate)(void *context, void *file, uint64_t bytes, veer_error *error);
    veer_status (*sync)(void *context, void *file, veer_error *error);
    veer_status (*sync_names)(void *context, veer_error *error);
    veer_status (*map)(void *context, void *file, uint64_t bytes, const void **memory,
                       veer_error *error);
    void (*unmap)(void *context, void *file, const void *memory, uint64_t bytes);
    veer_status (*remove)(void *context, const char *name, veer_error *error);
    veer_status (*list)(void *context, void (*each)(void *argument, const char *name),
                        void *argument, veer_error *error);
    veer_status (*lock)(void *context, bool exclusive, veer_error *error);
    void (*unlock)(void *context);
} veer_io;

/* Called now and then by long work with done <= total (any unit; total 0: unknown).
 * Returning false cancels: the call returns VEER_E_ABORTED and has changed nothing. */
typedef bool (*veer_progress)(void *context, uint64_t done, uint64_t total);

/* Bytes that a call allocated for the caller; `data` ends in 0 (not counted). */
typedef struct veer_buffer {
    char *data;
    size_t bytes;
    veer_allocator allocator; /* what veer_buffer_free gives them back to */
} veer_buffer;
VEER_API void veer_buffer_free(veer_buffer *buffer);

/* How vectors are compared; distances of a and b, sums over their elements:
 *   cosine      1 - cos(a, b)
 *   dot         -(a . b)
 *   l2          sum (a - b)^2
 *   manhattan   sum |a - b|
 *   chebyshev   max |a - b|
 *   canberra    sum |a - b| / (|a| + |b|); an element that is 0 in both counts 0
 *   braycurtis  sum |a - b| / sum |a + b|; 0 where a = b, infinite where only the divisor is 0
 *   hamming     the number of elements with a != b: of vectors of bits, or of labels
 *   jaccard     of vectors as sets, an element belonging to them where it is not 0: the share of
 *               their union that is not in both; 0 of two empty sets
 * These are scipy's (manhattan is its cityblock), but that hamming is not divided by the dimensions.
 * The first three have codes and graphs. The others are searched exactly, by comparing every original
 * that may be a result, whatever recall is asked for; their vectors' norm is at most 2^119. */
typedef enum veer_metric {
    VEER_METRIC_COSINE = 0,
    VEER_METRIC_DOT = 1,
    VEER_METRIC_L2 = 2,
    VEER_METRIC_MANHATTAN = 3,
    VEER_METRIC_CHEBYSHEV = 4,
    VEER_METRIC_CANBERRA = 5,
    VEER_METRIC_BRAYCURTIS = 6,
    VEER_METRIC_HAMMING = 7,
    VEER_METRIC_JACCARD = 8,
} veer_metric;

/* Threads of the caller's, for work that can be shared: Veer starts none. `run` calls
 * task(argument, i) once for each i < tasks, tasks <= threads, on any threads and in any order, and
 * returns when all calls have; they see what the caller has written, and it sees what they have. One
 * run is under way at a time. Results do not depend on the pool. */
#define VEER_THREADS_MAX 64u
typedef struct veer_pool {
    void *context;
    void (*run)(void *context, size_t tasks, void (*task)(void *argument, size_t i),
                void *argument);
    size_t threads; /* 1 to VEER_THREADS_MAX, the calling one included */
} veer_pool;

/* ---------------------------------------------------------------- index level */

typedef struct veer_index veer_index;

/* How a search is done. All zero, or NULL in its place: the defaults. */
typedef struct veer_index_search_options {
    double recall; /* 0 means 0.95; 0 < recall <= 1: expected share of the true k that is found */
    bool exact;    /* compare the originals of every row; recall is then 1 */
    /* Rows for which this returns false are not results. NULL: all rows. Called from the
     * searching thread, at most once a row. */
    bool (*accept)(void *context, uint64_t key);
    void *accept_context;
} veer_index_search_options;

/* An empty index. `options` (JSON): {"dims": 1-8192, "metric": "cosine" | "dot" | "l2" | "manhattan"
 * | "chebyshev" | "canberra" | "braycurtis" | "hamming" | "jaccard", "seed": integer, default 42: of
 * the rotation, "graphRows": rows from which veer_index_optimize builds a graph, default 20000, 0:
 * never, "graphDegree": 16-64 neighbours of a graph's node, default 32; after loading that of the
 * loaded graph}. `allocator` NULL: the platform's. Free with veer_index_free. */
VEER_API veer_status veer_index_new(const char *options, const veer_allocator *allocator,
                                    veer_index **index, veer_error *error);
VEER_API void veer_index_free(veer_index *index);
/* Adds n rows: keys[n], vectors[n * dims]. A key that is there already is replaced. All or
 * nothing: a vector that is not valid (VEER_E_VECTOR names its row) or shortage of memory
 * changes nothing. Rows are searchable when this returns. */
VEER_API veer_status veer_index_add(veer_index *index, const uint64_t *keys, const float *vectors,
                                    size_t n, veer_error *error);
/* Removes keys[n]; `removed` (may be NULL) receives how many were there. */
VEER_API veer_status veer_index_remove(veer_index *index, const uint64_t *keys, size_t n,
                                       size_t *removed, veer_error *error);
/* Reclaims removed rows, recodes around the present mean, and builds a graph where there are enough
 * rows, for at most about `budget_ms` (< 0: until done); the next call goes on. `left` (may be
 * NULL): false when nothing is left to do. Rows that are added meanwhile or later are searched
 * beside the graph; when a quarter of its rows has been added or removed, it is built anew, and only
 * then are its removed rows reclaimed. */
VEER_API veer_status veer_index_optimize(veer_index *index, double budget_ms, bool *left,
                                         veer_error *error);
/* Threads that veer_index_optimize shares its work with from now on; NULL: its own alone. Copied;
 * what it points to must live as long. */
VEER_API veer_status veer_index_set_pool(veer_index *index, const veer_pool *pool,
                                         veer_error *error);
/* For each of n queries (queries[n * dims]) the nearest k rows: keys[n * k] and
 * distances[n * k], nearest first; found[n] (may be NULL) says how many of the k each has,
 * min(k, accepted rows), and the places behind hold key UINT64_MAX and distance +infinity. */
VEER_API veer_status veer_index_search(const veer_index *index, const float *queries, size_t n,
                                       size_t k, const veer_index_search_options *options,
                                       uint64_t *keys, float *distances, size_t *found,
                                       veer_error *error);
/* Copies the row's vector, as it was given, to vector[dims]; VEER_E_NOTFOUND. */
VEER_API veer_status veer_index_get(const veer_index *index, uint64_t key, float *vector,
                                    veer_error *error);
VEER_API size_t veer_index_count(const veer_index *index);
VEER_API size_t veer_index_dims(const veer_index *index);
VEER_API size_t veer_index_memory(const veer_index *index); /* bytes held */
/* The whole index as bytes (docs/FORMAT.md, "Index file"), and back. Loading checks every
 * byte; damage is VEER_E_CORRUPT. A loaded index gives the same answers. */
VEER_API veer_status veer_index_save(const veer_index *index, veer_buffer *bytes,
                                     veer_error *error);
VEER_API veer_status veer_index_load(const void *bytes, size_t size,
                                     const veer_allocator *allocator, veer_index **index,
                                     veer_error *error);

/* ---------------------------------------------------------------- database level */

typedef struct veer_database veer_database;
typedef struct veer_collection veer_collection;
typedef struct veer_snapshot veer_snapshot;
typedef struct veer_query veer_query;
typedef struct veer_results veer_results;
typedef struct veer_cursor veer_cursor;

/* Opens a database, or makes one.
 *   location  "memory:" (gone when closed); a directory; or a packed file, which opens
 *             read-only. In WebAssembly "memory:" or "host:<n>". Ignored where `io` is given.
 *   io        storage of the caller's, copied; must stay usable until veer_close. NULL: by
 *             location.
 *   options   JSON, see docs/API.md: "create" (make the database where there is none; default
 *             false, "memory:" is always made), "mode" ("readwrite", "readonly"), "sync"
 *             ("full": an acknowledged write survives power loss; "interval"; "none"),
 *             "syncIntervalMs", "memoryLimit", "cacheBytes", "walBytes", "segmentBytes".
 * Errors: VEER_E_NOTFOUND (there is none, and "create" is false), _BUSY (names the holder), _FORMAT, _VERSION, _CORRUPT,
 * _PERMISSION, ... A damaged database never opens as an empty one. */
VEER_API veer_status veer_open(const char *location, const veer_io *io, const char *options,
                               const veer_allocator *allocator, veer_database **database,
                               veer_error *error);
/* Syncs and closes; every handle of the database must be closed or freed before (else
 * VEER_E_BUSY and nothing happens). A failure to sync is returned; the memory is freed
 * all the same. */
VEER_API veer_status veer_close(veer_database *database, veer_error *error);
/* What opening found, as JSON: {"generation", "lsn", "wal": {"records", "droppedBytes",
 * "droppedRecords"}, "rebuilt": [...], "messages": [...]}. Freed by the caller. */
VEER_API veer_status veer_recovery_report(veer_database *database, veer_buffer *json,
                                          veer_error *error);

/* Opens the collection `name`. `schema` (JSON) makes it where it does not exist; where it does,
 * it must describe the stored schema or add fields to it, else VEER_E_SCHEMA. NULL opens an
 * existing one only, else VEER_E_NOTFOUND. Schema:
 *   {"fields": {"embedding": {"type": "vector", "dims": 384, "metric": "cosine", "storage": "f32",
 *                             "model": {"name": ..., "revision": ..., "normalized": true}},
 *               "title": {"type": "text"}, "tag": {"type": "keyword"},
 *               "year": {"type": "number"}, "draft": {"type": "bool"},
 *               "published": {"type": "time"}},
 *    "orderBy": "published"}          (optional; a time field)
 * "storage" says how the field's vectors are kept:
 *   f32   as they are given (default; not shown in the stored schema)
 *   f16   each element rounded to the nearest 16-bit float, ties to even, when it is written: 2 bytes
 *         an element. Distances are of the rounded vectors, before sealing as after it, and reading
 *         returns them. An element that would become infinite, from 65520 on, is VEER_E_VECTOR, and
 *         so is under cosine a vector that is rounded to zeros. Queries are not rounded.
 *   bits  with metric hamming or jaccard: each element is 0 or 1, in queries too, else
 *         VEER_E_VECTOR; a bit an element. Distances are those of f32.
 * Close with veer_collection_close. */
VEER_API veer_status veer_collection_open(veer_database *database, const char *name,
                                          const char *schema, veer_collection **collection,
                                          veer_error *error);
VEER_API void veer_collection_close(veer_collection *collection);
/* Removes the collection and its documents, in one transaction. */
VEER_API veer_status veer_collection_drop(veer_database *database, const char *name,
                                          veer_error *error);
/* JSON: [{"name": ..., "schema": {...}, "count": n}, ...] by name. */
VEER_API veer_status veer_collections(veer_database *database, veer_buffer *json,
                                      veer_error *error);
/* JSON of the stored schema, with the permanent ids and defaults of every field. */
VEER_API veer_status veer_collection_schema(veer_collection *collection, veer_buffer *json,
                                            veer_error *error);

/* ---- writing */

/* Vectors of one field for a batch. */
typedef struct veer_vectors {
    const char *field;      /* NULL: the collection's only vector field */
    const float *data;      /* row i at (const char *)data + i * stride_bytes */
    size_t stride_bytes;    /* 0: dims * 4 */
    size_t dims;            /* must be the field's (VEER_E_DIMENSION) */
    const uint8_t *present; /* bit i (lowest first): document i has one; NULL: all have */
} veer_vectors;

enum { VEER_WRITE_UPSERT = 0, VEER_WRITE_INSERT = 1, VEER_WRITE_DELETE = 2 };

/* One part of a transaction.
 *   UPSERT, INSERT  `documents`: JSON text, an array of objects or one object a line (`count`
 *                   must agree unless it is 0). Every object has an "id". A vector field's value
 *                   comes from `vectors`, or as a JSON array of numbers inside the object. INSERT fails with
 *                   VEER_E_EXISTS where an id is there already.
 *   DELETE          `documents`: JSON text, an array of ids; or `filter`: a JSON string or object
 *                   (see veer_query_prepare) with `parameters` (JSON array) for its `?`. The filter
 *                   sees the state before the transaction, not what earlier parts write; the ids
 *                   that match there are deleted. */
typedef struct veer_operation {
    veer_collection *collection;
    int kind;
    const char *documents;
    size_t documents_bytes;
    size_t count;
    const veer_vectors *vectors;
    size_t vectors_count;
    const char *filter;
    const char *parameters;
} veer_operation;

typedef struct veer_write_result {
    uint64_t lsn;     /* log sequence number of the transaction's last record */
    uint64_t written; /* documents added or replaced */
    uint64_t deleted; /* documents deleted by DELETE */
} veer_write_result;

/* One transaction of n operations, over several collections if they like: all of it or nothing.
 * Returns when it is as durable as the sync mode says, visible to every later read. At most
 * VEER_BATCH_BYTES_MAX of log. `result` may be NULL. */
VEER_API veer_status veer_write(veer_database *database, const veer_operation *operations, size_t n,
                                veer_write_result *result, veer_error *error);

/* ---- reading */

/* A fixed state of the whole database: what was committed when it was opened. Reads with the
 * same snapshot see the same documents. NULL in place of a snapshot means "as of now".
 * Storage of removed segments is kept until the last snapshot that sees it is closed. */
VEER_API veer_status veer_snapshot_open(veer_database *database, veer_snapshot **snapshot,
                                        veer_error *error);
VEER_API void veer_snapshot_close(veer_snapshot *snapshot);

/* Prepares a search. Request (JSON), all optional:
 *   "k"        1-10000, default 10        "offset"   0-10000, default 0
 *   "vector"   name of the vector field; default: the only one
 *   "filter"   text: "tag = 'x' AND year >= 2020 AND NOT (draft = true)", with ? parameters;
 *              or object: {"tag": "x", "year": {"$gte": 2020}}
 *   "recall"   0 < r <= 1, default 0.95   "exact"    true: compare every original
 *   "effort"   nodes that a walk of a graph keeps, at most 100000: every graph is walked with it,
 *              whatever recall and cost say, at least with k + offset; default 0: by recall
 *   "select"   what is returned of documents: true: all fields but vectors (default);
 *              "*": all fields, vectors too; an array of keys: these, vectors where they are
 *              named; false: no documents
 *   "explain"  true: the plan and its figures in veer_results_explain
 *   "verify"   true, with explain: the request is answered exactly as well, and explain says which
 *              share of the true k was found ("trueRecall", ties count)
 * An unknown key is VEER_E_OPTION, a bad value VEER_E_RANGE or _TYPE, a filter that does not
 * parse VEER_E_SYNTAX with the position and what was expected, an unknown field VEER_E_FIELD. */
VEER_API veer_status veer_query_prepare(veer_collection *collection, const char *request,
                                        veer_query **query, veer_error *error);
VEER_API void veer_query_free(veer_query *query);
/* Runs it for n queries (vectors[n * dims]); `parameters`: JSON array for the filter's `?`, or
 * NULL. Free the results with veer_results_free. Always min(k, matches) rows a query. */
VEER_API veer_status veer_query_run(veer_query *query, veer_snapshot *snapshot,
                                    const float *vectors, size_t n, size_t dims,
                                    const char *parameters, veer_results **results,
                                    veer_error *error);
/* Prepare, run and free in one call. */
VEER_API veer_status veer_search(veer_collection *collection, veer_snapshot *snapshot,
                                 const char *request, const float *vectors, size_t n, size_t dims,
                                 const char *parameters, veer_results **results, veer_error *error);
/* The documents of `ids` (JSON array of strings), in that order; an id that is not there has no row
 * (ids of the rows that are found are in the results). `select` (JSON) as in a request; NULL: true. */
VEER_API veer_status veer_get(veer_collection *collection, veer_snapshot *snapshot, const char *ids,
                              const char *select, veer_results **results, veer_error *error);
/* Number of live documents that match `filter` (JSON string or object; NULL: all). Exact. */
VEER_API veer_status veer_count(veer_collection *collection, veer_snapshot *snapshot,
                                const char *filter, const char *parameters, uint64_t *count,
                                veer_error *error);
/* All documents that match, each once, in storage order, over one snapshot. Request (JSON): "filter", "select"
 * as in a search, "limit" (0: no limit). veer_cursor_next gives at most `n` rows; results of no
 * rows mean the end. */
VEER_API veer_status veer_scan(veer_collection *collection, veer_snapshot *snapshot,
                               const char *request, const char *parameters, veer_cursor **cursor,
                               veer_error *error);
VEER_API veer_status veer_cursor_next(veer_cursor *cursor, size_t n, veer_results **results,
                                      veer_error *error);
VEER_API void veer_cursor_close(veer_cursor *cursor);

/* Results are columns over all queries: rows of query i are offsets[i] <= row < offsets[i + 1].
 * Everything they hand out is valid until veer_results_free. */
VEER_API size_t veer_results_queries(const veer_results *results);
VEER_API size_t veer_results_rows(const veer_results *results);
VEER_API const uint32_t *veer_results_offsets(const veer_results *results); /* queries + 1 */
VEER_API const float *veer_results_distances(const veer_results *results);  /* rows, or NULL */
VEER_API const float *veer_results_scores(const veer_results *results);     /* rows, or NULL */
/* Ids and documents (JSON) lie one after the other in one text; row i is bytes
 * [offsets[i], offsets[i + 1]). Documents: NULL where `select` was false. */
VEER_API const char *veer_results_ids(const veer_results *results, const uint32_t **offsets);
VEER_API const char *veer_results_documents(const veer_results *results, const uint32_t **offsets);
/* True where every row is proved to be a true nearest neighbour (exact scan). */
VEER_API bool veer_results_exact(const veer_results *results);
/* Rows whose codes or originals were compared, over all queries, without those that a graph chose its
 * start among. */
VEER_API uint64_t veer_results_visited(const veer_results *results);
/* JSON, or NULL where "explain" was not asked for. */
VEER_API const char *veer_results_explain(const veer_results *results);
VEER_API void veer_results_free(veer_results *results);

/* ---- upkeep */

/* Background work (sealing, merging, removing) for at most about `budget_ms` (< 0: until
 * done). Call it from a thread of your own, or between messages. `left` (may be NULL): false
 * when nothing is left. Searching and writing go on meanwhile. */
VEER_API veer_status veer_work(veer_database *database, double budget_ms, bool *left,
                               veer_error *error);
/* Threads that background work shares graphs with from now on, whoever calls for it; NULL: the calling
 * one alone. Copied; what it points to must live as long. Waits for a slice that is under way. */
VEER_API veer_status veer_set_pool(veer_database *database, const veer_pool *pool,
                                   veer_error *error);
/* Seals what the log covers and recycles the log: after it, opening replays nothing. */
VEER_API veer_status veer_checkpoint(veer_database *database, veer_progress progress, void *context,
                                     veer_error *error);
/* Checkpoint, then all the background work that is left: merges that are due, graphs, repairs. After
 * it searches are as fast as they get. Resumable by veer_work when cancelled. */
VEER_API veer_status veer_optimize(veer_database *database, veer_progress progress, void *context,
                                   veer_error *error);
/* Checkpoint, then merges every collection into as few segments as the limits allow and drops
 * deleted rows: at most 2x the live data stays. Resumable by veer_work when cancelled. */
VEER_API veer_status veer_compact(veer_database *database, veer_progress progress, void *context,
                                  veer_error *error);
/* JSON: bytes by part (on storage and in memory), rows, tombstones, segments, per collection and
 * in all, log, generation, tier. */
VEER_API veer_status veer_stats(veer_database *database, veer_buffer *json, veer_error *error);
/* Writes the present state as one packed file to `location` (must not exist), while reads and
 * writes go on; with `io` as a stream named by `location` there. It is complete and synced when this returns. */
VEER_API veer_status veer_backup(veer_database *database, const char *location, const veer_io *io,
                                 veer_progress progress, void *context, veer_error *error);
/* Reads every byte of a database that nobody is writing, and checks every checksum and every
 * invariant. `report` (JSON): {"ok": bool, "problems": [...], "streams": [...]}. Returns VEER_OK
 * when it could look, VEER_E_CORRUPT when it found problems (the report is there as well). */
VEER_API veer_status veer_check(const char *location, const veer_io *io,
                                const veer_allocator *allocator, veer_progress progress,
                                void *context, veer_buffer *report, veer_error *error);

#ifdef __cplusplus
}
#endif
#endif
