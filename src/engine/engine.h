/* The engine's inner types: how a database looks in memory.
 *
 *   veer_database
 *     version (present one)                 immutable, counted; a commit makes the next
 *       collection_version, one a collection  immutable, counted
 *         schema                            immutable, counted
 *         segment_ref, oldest first:  core + dead rows + how many rows are visible
 *           segment_core                    counted; active (growing, frozen) or sealed
 *
 * Readers take a reference to a version and see nothing that comes later: rows at or past
 * `rows` and dead bits that were set later are not theirs. Writers queue on `writer`; they build the
 * next version aside, log, fill the active segment past what anybody sees, and publish by swapping
 * one pointer under `state`. Nothing after the log append can fail: all memory is reserved before.
 *
 * Locks, in the order in which they may be taken: writer -> state; writer -> active.ids;
 * sealed.lazy -> nothing of ours. Background work holds `work` around a slice, and takes `writer`
 * for the short moments of freezing and committing: work -> writer.
 */
#ifndef VEER_ENGINE_ENGINE_H
#define VEER_ENGINE_ENGINE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "engine/options.h"
#include "filter/filter.h"
#include "index/flat_stored.h"
#include "platform/io.h"
#include "platform/thread.h"
#include "storage/packed.h"
#include "storage/segment.h"
#include "storage/store.h"

#define ROW_NONE UINT32_MAX
#define SEGMENT_ROWS_MAX (1u << 26)

/* ---------------------------------------------------------------- schema */

typedef enum field_type {
    FIELD_VECTOR = 1,
    FIELD_TEXT = 2,
    FIELD_KEYWORD = 3,
    FIELD_NUMBER = 4,
    FIELD_BOOL = 5,
    FIELD_TIME = 6,
} field_type;

/* What made a field's vectors. Vectors of another model are refused. */
typedef struct field_model {
    const char *name;     /* NULL: not said */
    const char *revision; /* NULL: not said */
    bool normalized;
} field_model;

typedef struct field {
    const char *name;
    uint32_t id; /* permanent, from 1; never given again */
    field_type type;
    uint32_t dims;        /* vector */
    veer_metric metric;   /* vector */
    flat_storage storage; /* vector */
    field_model model;    /* vector */
    flat_space *space;    /* vector; of the collection, not of the schema */
    column_type column;   /* COLUMN_NONE: cannot be filtered by */
    uint32_t vector_slot; /* vector: 0, 1, ... in order of id: index into per-vector arrays */
} field;

/* Whether its segments have codes and, where there are enough vectors, graphs. */
static inline bool field_has_codes(const field *field)
{
    return field->type == FIELD_VECTOR && flat_has_codes(field->metric);
}

typedef struct schema {
    atomic_uint references;
    const veer_allocator *allocator;
    arena memory;     /* every text below */
    uint32_t version; /* from 1; +1 with each change */
    field *fields;    /* by id */
    size_t fields_count;
    uint32_t next_field_id;
    uint32_t order_by; /* id of a time field, or 0 */
    size_t vectors_count;
    filter_field *filter_fields; /* of all fields, for filter_parse */
} schema;

/* Parses a schema's JSON. `stored` NULL: a new one; else the result is `stored` with what is new, or
 * `stored` itself (referenced) where nothing is; a contradiction is VEER_E_SCHEMA. */
veer_status schema_parse(const veer_allocator *allocator, const char *json, size_t bytes,
                         schema *stored, schema **out, veer_error *error);
/* The stored form, with ids, and back. The same schema gives the same bytes. */
veer_status schema_write(const schema *schema, byte_writer *json, veer_error *error);
veer_status schema_read(const veer_allocator *allocator, const char *json, size_t bytes,
                        schema **out, veer_error *error);
void schema_acquire(schema *schema);
void schema_release(schema *schema);
const field *schema_field(const schema *schema, const char *name, size_t bytes); /* or NULL */
const field *schema_field_by_id(const schema *schema, uint32_t id);              /* or NULL */
/* The vector field called `name`, or the only one where name is NULL; else an error that says so. */
veer_status schema_vector(const schema *schema, const char *name, const field **out,
                          veer_error *error);
const char *field_type_name(field_type type);
/* A field's or a collection's name: [A-Za-z_][A-Za-z0-9_.-]{0,63}. */
bool schema_name_valid(const char *name, size_t bytes);

/* ---------------------------------------------------------------- dead rows */

/* Which rows of a segment are dead: pages of bits, shared between versions, copied on change. */
#define TOMBSTONE_PAGE_ROWS 32768u
typedef struct tombstone_page {
    atomic_uint references;
    uint64_t bits[TOMBSTONE_PAGE_ROWS / 64];
} tombstone_page;
typedef struct tombstones {
    atomic_uint references;
    const veer_allocator *allocator;
    size_t pages_count; /* pages past the end, and NULL pages: nobody is dead */
    uint32_t dead;
    tombstone_page *pages[];
} tombstones;

/* A copy of `old` (NULL: none dead) with `rows` dead too. Rows may be dead already. NULL: no memory. */
tombstones *tombstones_with(const veer_allocator *allocator, const tombstones *old,
                            const uint32_t *rows, size_t count);
void tombstones_acquire(tombstones *dead); /* NULL is fine in all three */
void tombstones_release(tombstones *dead);
bool tombstones_has(const tombstones *dead, uint32_t row);
/* Clears in `live` (bits of the first `rows` rows) those that are dead. */
void tombstones_clear(const tombstones *dead, uint64_t *live, size_t rows);

/* ---------------------------------------------------------------- segments */

typedef struct active active;
typedef struct sealed sealed;

typedef struct segment_core {
    atomic_uint references;
    bool is_sealed;
    union {
        active *active;
        sealed *sealed;
    } as;
} segment_core;

void segment_core_acquire(segment_core *core);
void segment_core_release(segment_core *core);

typedef struct segment_ref {
    segment_core *core;
    tombstones *dead; /* NULL: none */
    uint32_t rows;    /* visible */
} segment_ref;

static inline uint32_t segment_ref_live(const segment_ref *ref)
{
    return ref->rows - (ref->dead ? ref->dead->dead : 0);
}

/* What can be asked of any row of any segment; rows below the ref's `rows` only. Texts are in place or in
 * `scratch`. May be VEER_PENDING. */
veer_status segment_row_id(segment_core *core, uint32_t row, arena *scratch, const char **id,
                           size_t *bytes, veer_error *error);
/* Fetch ahead what segment_row_id will read: where the id begins, then, when that has come, the id. */
void segment_row_fetch_place(const segment_core *core, uint32_t row);
void segment_row_fetch_id(const segment_core *core, uint32_t row);
veer_status segment_row_document(segment_core *core, uint32_t row, blob_cursor *cursor,
                                 arena *scratch, const char **json, size_t *bytes,
                                 veer_error *error);
veer_status segment_row_stamp(segment_core *core, uint32_t row, arena *scratch, uint64_t *lsn,
                              int64_t *written_ms, veer_error *error);
/* The newest row of an id below `rows` that is not in `dead`, or ROW_NONE. `hash` is segment_id_hash. */
uint64_t segment_id_hash(const veer_database *database, const char *id, size_t bytes);
veer_status segment_find_id(const segment_ref *ref, uint64_t hash, const char *id, size_t bytes,
                            arena *scratch, uint32_t *row, veer_error *error);
/* The column of a field, or NULL where no row has a value. */
veer_status segment_column(segment_core *core, const schema *schema, uint32_t field_id,
                           const column **column, veer_error *error);

/* The vectors of one field of a segment. Vectors are numbered by ordinals 0 ... count - 1 in row order. */
typedef struct segment_vectors {
    segment_core *core;
    const field *field;
    uint32_t count;                /* ordinals that belong to the ref's visible rows */
    bool dense;                    /* ordinal == row for all of them */
    const uint32_t *rows;          /* sealed and not dense: row of each ordinal, ascending */
    const float *inverse_norms;    /* sealed under cosine: by ordinal */
    struct active_vectors *active; /* NULL: sealed, or no vectors */
    struct sealed_vectors *sealed;
    uint32_t originals; /* sealed: section */
} segment_vectors;

veer_status segment_vectors_open(const segment_ref *ref, const field *field, segment_vectors *out,
                                 veer_error *error);
uint32_t segment_vector_row(const segment_vectors *vectors, uint32_t ordinal);
/* ROW_NONE where the row has no vector. */
uint32_t segment_vector_ordinal(const segment_vectors *vectors, uint32_t row);
/* Bytes of an original as it is stored. */
static inline size_t field_row_bytes(const field *field)
{
    return flat_stored_bytes(field->storage, field->dims);
}
/* The originals of ordinals [first, first + count), as they are stored (flat_stored.h), one behind the
 * other, in place or in `scratch`; as many as lie together are given (at least one): *given. */
veer_status segment_vector_range(const segment_vectors *vectors, uint32_t first, uint32_t count,
                                 arena *scratch, const uint8_t **originals, uint32_t *given,
                                 veer_error *error);
/* One original as f32, in place or in `scratch`. */
veer_status segment_vector(const segment_vectors *vectors, uint32_t ordinal, arena *scratch,
                           const float **original, veer_error *error);
/* flat_inverse_norm of one original, remembered. 1 where the metric is not cosine. */
float segment_vector_inverse_norm(const segment_vectors *vectors, uint32_t ordinal);

/* Code runs: consecutive ordinals whose blocks lie together and share a centre. Run r covers
 * [first, first + count); ordinals that no run covers have to be compared exactly. count may reach past
 * vectors->count (a block that is being filled by newer rows): the caller's live bits exclude those. Runs come in
 * ascending order, and first is a multiple of 64. */
typedef struct segment_codes {
    const void *blocks;  /* NULL: segment_codes_load gives them */
    const float *centre; /* set where blocks are */
    uint32_t first, count;
} segment_codes;
/* False after the last run. Reads nothing: a sealed segment's codes come without blocks until they
 * were loaded, and it may turn out then that there are none. */
bool segment_codes_run(const segment_vectors *vectors, size_t run, segment_codes *out);
/* The blocks and the centre of a run that came without; VEER_E_CORRUPT: they are lost or damaged. */
veer_status segment_codes_load(const segment_vectors *vectors, const void **blocks,
                               const float **centre, veer_error *error);
/* The centre of the first run, without the blocks; NULL: there is none, or it is damaged. */
veer_status segment_codes_centre(const segment_vectors *vectors, const float **centre,
                                 veer_error *error);

/* Fetches ahead what comparing an original will read first. */
void segment_vector_fetch(const segment_vectors *vectors, uint32_t ordinal);

/* The graph over a sealed segment's vectors, or NULL: there is none. */
struct graph;
veer_status segment_graph(const segment_vectors *vectors, const struct graph **out,
                          veer_error *error);

size_t segment_core_memory(const segment_core *core);

/* ---------------------------------------------------------------- versions */

typedef struct collection_state {
    atomic_uint references; /* the database's table and every handle */
    struct veer_database *database;
    uint32_t id; /* permanent */
    char name[VEER_NAME_BYTES_MAX + 1];
    flat_space *spaces[VEER_FIELDS_MAX]; /* by vector_slot; made once, never changed */
    atomic_bool is_dropped;
} collection_state;

typedef struct collection_version {
    atomic_uint references;
    collection_state *collection;
    schema *schema;
    size_t segments_count; /* oldest first; an active one, if any, is the last */
    segment_ref segments[];
} collection_version;

typedef struct version {
    atomic_uint references;
    const veer_allocator *allocator;
    uint64_t lsn;
    size_t collections_capacity;
    size_t collections_count; /* by id, ascending */
    collection_version *collections[];
} version;

struct veer_database {
    memory_budget budget;
    const veer_allocator *allocator; /* the budget's */
    database_options options;
    veer_io io;
    veer_io packed_parent; /* of a packed file */
    bool io_is_posix, io_is_host, io_is_memory, io_is_packed, io_is_locked;
    store *store;
    uint64_t id_seed; /* of segment_id_hash: from the database's id */

    thread_mutex state; /* guards `present`, `removals` and handle counts */
    version *present;
    struct stream_removal {
        char name[65];
        uint64_t from;  /* generation */
        uint64_t bytes; /* of the stream, as far as known */
    } * removals;
    size_t removals_count, removals_capacity;
    size_t handles; /* collections, snapshots, queries, cursors, results open */

    struct backup *backups; /* that wait for storage; `state` guards them */

    thread_mutex writer; /* guards everything below, and the log */
    uint32_t next_collection_id;
    uint64_t next_segment_number;
    uint64_t sealed_lsn;            /* records up to here are in the present generation */
    collection_state **collections; /* live ones, any order */
    size_t collections_count, collections_capacity;

    thread_mutex work; /* one slice of background work at a time */
    veer_pool pool;    /* of the caller's; run NULL: none */
    struct job *job;   /* what is being sealed or merged, or NULL */
    struct job *aside; /* a graph that goes on when checkpoints leave time, or NULL */
    bool wants_compact;
    bool wants_optimize; /* its checkpoint has begun */
    bool gives_back;     /* space of removed streams or of the log, in pieces */
};

version *version_acquire(veer_database *database); /* the present one */
void version_retain(version *version);
void version_release(version *version);
/* The collection's part in a version, or NULL (not there yet, or dropped). */
collection_version *version_collection(const version *version, uint32_t collection_id);
uint64_t collection_version_live(const collection_version *collection);

struct veer_collection {
    collection_state *state;
};
struct veer_snapshot {
    veer_database *database;
    version *version;
};

/* Copies a pool (NULL: none) that is valid. */
veer_status pool_take(const veer_pool *from, veer_pool *to, veer_error *error);

/* Every public handle counts, so that veer_close can refuse. */
void database_handle_opened(veer_database *database);
void database_handle_closed(veer_database *database);

/* Queues a stream for removal, which background work does once the store is at generation `from`.
 * Any thread. */
void database_remove_later(veer_database *database, const store_stream *stream, uint64_t from);

/* Names a stream of a segment: "seg.7", "seg.7.codes.1.12". */
void segment_base_name(char name[65], uint64_t number);
void segment_derived_name(char name[65], uint64_t number, const char *kind, uint32_t field,
                          uint64_t generation);

/* ---------------------------------------------------------------- JSON */

struct yyjson_alc;
/* yyjson's memory from an arena (nothing is freed before the arena is). */
void json_arena(struct yyjson_alc *alc, arena *arena);
/* Parses one JSON text; `what` names it in errors ("request", "schema", ...), with the position. */
struct yyjson_doc;
veer_status json_parse(const char *text, size_t bytes, const char *what, arena *arena,
                       struct yyjson_doc **out, veer_error *error);
/* The same for what may hold a filter or its values: integers that 64 bits do not hold stay raw text,
 * so that they are refused instead of rounded. */
veer_status json_parse_exact(const char *text, size_t bytes, const char *what, arena *arena,
                             struct yyjson_doc **out, veer_error *error);
/* "an object", "a string", ... of a JSON value: for error texts. */
struct yyjson_val;
const char *json_kind(const struct yyjson_val *value);

#endif
