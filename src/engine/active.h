/* The active segment: rows in memory, covered by the log.
 *
 * Append-only. One writer (under the database's writer lock) reserves, fills rows past what anybody
 * sees, and lets a version show them; readers touch rows below their version's count only. Nothing ever
 * moves (stable.h). An overwritten or deleted row stays; versions know that it is dead.
 *
 * Codes: once there are FIRST_MEAN vectors, or at once where an older segment lends its centre, full
 * blocks of 32 are encoded as they fill; the rest, fewer than 32 rows and everything before the first mean, is
 * compared exactly. Each code chunk keeps the centre that it was made with. When memory for codes runs
 * out nothing is lost: rows without codes are compared exactly.
 */
#ifndef VEER_ENGINE_ACTIVE_H
#define VEER_ENGINE_ACTIVE_H

#include "base/stable.h"
#include "engine/document.h"
#include "engine/engine.h"

#define ACTIVE_HAS_VECTOR 0x80000000u

typedef struct active_row {
    const char *id;
    const char *document;
    uint32_t id_bytes, document_bytes;
    uint64_t hash;
    uint64_t lsn;
    int64_t written_ms;
    uint32_t previous; /* the row that had this id before, or ROW_NONE */
} active_row;

typedef struct active_vectors {
    flat_space *space; /* NULL: no such field yet */
    uint32_t field_id;
    uint32_t dims, block_bytes;
    bool has_norms;
    stable originals, norms; /* by ordinal; originals as they are stored (flat_stored.h) */
    stable rows;             /* u32 by ordinal */
    stable ordinals;         /* u32 by row: vectors before it, and ACTIVE_HAS_VECTOR */
    uint32_t count;          /* the writer's */
    double *sum;             /* of all vectors so far, for the next centre */
    stable blocks;           /* of codes: 32 ordinals each */
    stable centres;          /* const float *, one a chunk of blocks */
    float **owned;           /* every centre that was made */
    size_t owned_count, owned_capacity;
    const float *centre;    /* for the next chunk, or NULL: none yet */
    uint32_t centre_count;  /* vectors in it */
    _Atomic uint32_t coded; /* ordinals below have codes; a multiple of 32 */
    arena scratch;          /* the writer's, for encoding */
} active_vectors;

struct active {
    segment_core core;
    const veer_allocator *allocator;
    stable rows;           /* active_row */
    atomic_bool is_frozen; /* no more rows come; set under the writer lock */
    uint32_t count;        /* the writer's */
    thread_mutex ids_lock;
    hash_table ids;            /* newest row of each id */
    struct active_text *texts; /* newest first */
    size_t text_used;
    uint64_t bytes;        /* of documents, ids and vectors: what decides about sealing */
    _Atomic size_t memory; /* as of the last append: what others may read */
    _Atomic(column *) columns[VEER_FIELDS_MAX + 1];     /* by field id */
    _Atomic(active_vectors *) vectors[VEER_FIELDS_MAX]; /* by vector_slot */
};

veer_status active_new(const veer_allocator *allocator, active **out, veer_error *error);
void active_free(active *active);

/* After this, appending these documents cannot fail. The schema may have new fields. */
veer_status active_reserve(active *active, const schema *schema, const document *const *documents,
                           size_t count, veer_error *error);
void active_append(active *active, const schema *schema, const document *document, uint64_t lsn,
                   int64_t written_ms);
/* Makes the codes that have become due. */
void active_encode(active *active);
/* Lends a centre (padded_dims floats, copied) to a field that has none yet. */
veer_status active_lend_centre(active *active, const field *field, const float *centre,
                               veer_error *error);
/* Counts the memory anew into `memory`; the writer's. */
void active_measure(active *active);
/* The rows of `vectors` that are below `rows`. */
uint32_t active_vectors_visible(const active_vectors *vectors, uint32_t rows);
/* The newest row of an id below `rows` that is not dead, or ROW_NONE. */
uint32_t active_find(active *active, uint32_t rows, const tombstones *dead, uint64_t hash,
                     const char *id, size_t bytes);

static inline const active_row *active_row_at(const active *active, uint32_t row)
{
    return stable_at(&active->rows, row);
}

#endif
