/* A sealed segment: immutable files, opened by their headers and loaded when touched.
 *
 *   base      ids, documents, id map, stamps; per vector field originals, norms, presence
 *   derived   codes and graph (one stream each a vector field), columns (one stream for all fields)
 *
 * A derived stream that is lost or damaged costs speed, never answers: without codes rows are compared
 * exactly; columns are made again from the documents. Background work writes them anew.
 *
 * Threads: any. What is loaded on first touch is made under `lazy` and never changes afterwards.
 */
#ifndef VEER_ENGINE_SEALED_H
#define VEER_ENGINE_SEALED_H

#include "engine/engine.h"
#include "index/graph.h"

/* Section kinds and stream kinds: docs/FORMAT.md, "Engine". */
enum {
    SECTION_ID_TEXTS = 1,
    SECTION_ID_OFFSETS = 2,  /* u32, rows + 1 */
    SECTION_DOCUMENTS = 3,   /* blobs */
    SECTION_ID_MAP_ROWS = 4, /* u32 a slot */
    SECTION_ID_MAP_TAGS = 5, /* u16 a slot */
    SECTION_LSNS = 6,        /* u64 a row */
    SECTION_TIMES = 7,       /* i64 a row: when it was written, ms */
    SECTION_ORIGINALS = 8,   /* field; vectors as they are stored (flat_stored.h) */
    SECTION_NORMS = 9,       /* field; f32 a vector: inverse norms, cosine only */
    SECTION_PRESENCE = 10,   /* field; bitmap over rows; absent where all rows have a vector */
    SECTION_CENTRE = 20,     /* codes stream, field; f32 x padded dims */
    SECTION_CODES = 21,      /* codes stream, field; blocks of 32 */
    SECTION_COLUMN = 30,     /* columns stream, field */
    /* Graph stream, field; it has a SECTION_CENTRE too. */
    SECTION_GRAPH = 40, /* GRAPH_HEAD_BYTES: counts, the step of codes, recall by effort */
    SECTION_GRAPH_CODES = 41,
    SECTION_GRAPH_NORMS = 42,
    SECTION_GRAPH_LINKS = 43,
    SECTION_GRAPH_ENTRIES = 44,
    SECTION_GRAPH_STARTS = 45,
};
enum { STREAM_BASE = 0, STREAM_CODES = 1, STREAM_COLUMNS = 2, STREAM_GRAPH = 3 };

/* Columns; codes and a graph for each vector field. */
#define SEALED_STREAMS_MAX (2 + 2 * VEER_FIELDS_MAX)

/* What the catalogue says of a segment. */
typedef struct sealed_entry {
    uint64_t number;
    uint32_t rows;
    uint32_t schema_version;
    uint32_t fields_end; /* fields with ids from here on came later */
    uint64_t first_lsn, last_lsn;
    store_stream base;
    size_t derived_count;
    struct {
        store_stream stream;
        uint32_t field; /* of codes; 0 for columns */
    } * derived;        /* in the arena of whoever made the entry; copied by sealed_open */
} sealed_entry;

/* The vectors of one field, as opened on first touch. */
typedef struct sealed_vectors {
    uint32_t field_id;
    uint32_t count;
    uint32_t originals; /* section */
    const float *norms;
    uint32_t *rows;      /* of ordinals; NULL: dense */
    segment *codes_file; /* NULL: no codes */
    uint32_t codes_section, centre_section;
    const float *centre;           /* set before blocks */
    _Atomic(const void *) blocks;  /* NULL until loaded */
    atomic_bool codes_are_damaged; /* found while loading: as if there were none */
    segment *graph_file;           /* NULL: no graph */
    graph graph_loaded;            /* set before graph */
    _Atomic(const graph *) graph;  /* NULL until loaded */
    atomic_bool graph_is_damaged;  /* found while loading: as if there were none */
} sealed_vectors;

/* seal_former.c: a segment that has graphs, of which rows have gone here. */
typedef struct sealed_former {
    segment_core *core; /* held; NULL: there is none */
    uint32_t *rows;     /* by its rows: the row here, or ROW_NONE */
    uint32_t kept;      /* how many are here */
} sealed_former;

struct sealed {
    segment_core core;
    veer_database *database;
    sealed_entry entry; /* derived: own memory */
    segment *base;
    segment **derived; /* NULL: lost */
    blobs *documents;
    uint32_t id_texts, id_offsets, map_rows, map_tags, lsns, times; /* sections */
    uint64_t map_slots, id_texts_bytes;
    _Atomic uint64_t removable_from; /* 0: attached; else the generation that attaches it no more */
    /* The same rows with other derived streams, which took its place; NULL: none did. It lives as
     * long as this one, and its streams with it: they have the base in common. */
    sealed *successor;
    sealed_former former;           /* for the graphs that this one will have; background work's */
    atomic_bool goes_without_graph; /* building one has failed: not again before the next opening */
    thread_mutex lazy;
    _Atomic(sealed_vectors *) vectors[VEER_FIELDS_MAX]; /* by vector_slot */
    _Atomic(column *) columns[VEER_FIELDS_MAX + 1];     /* by field id */
    _Atomic size_t memory;
};

/* Opens the base, and what is left of the derived streams. */
veer_status sealed_open(veer_database *database, const sealed_entry *entry, const schema *schema,
                        sealed **out, veer_error *error);
void sealed_free(sealed *sealed);
/* The former segment has left the present version, of which generation `from` attaches the
 * successor. Under the writer lock. */
void sealed_replace(sealed *former, sealed *successor, uint64_t from);
void sealed_drop_former(sealed *sealed);
/* Whether every derived stream that the schema calls for is there, as far as is known. */
bool sealed_is_complete(const sealed *sealed, const schema *schema);
uint64_t sealed_bytes(const sealed *sealed); /* on storage */
/* Whether some vector field of so many vectors or more has no graph and might get one. */
bool sealed_wants_graph(const sealed *sealed, const schema *schema, uint64_t rows);
/* The derived stream of a kind, or NULL: not there, or lost. */
segment *sealed_derived(const sealed *sealed, uint32_t kind, uint32_t field);
/* sealed_codes.c: whether the field's codes are there, as far as is known: damage within their stream
 * shows when they are loaded. */
bool sealed_has_codes(const sealed *sealed, const field *field);
/* sealed_graph.c: whether the field's graph is there, as far as is known: damage within its stream
 * shows when it is loaded. */
bool sealed_has_graph(const sealed *sealed, const field *field);
/* Its stream, damaged or not. NULL: there is none of the present form. */
segment *sealed_graph_file(const sealed *sealed, const field *field);
/* The field's graph, which has a stream; segment_graph without its mercy: VEER_E_CORRUPT where it is
 * damaged, VEER_E_NOMEM. */
veer_status segment_graph_load(const segment_vectors *vectors, const graph **out,
                               veer_error *error);

/* The info bytes of a base file. */
#define SEALED_INFO_BYTES 64u
void sealed_info_store(uint8_t info[SEALED_INFO_BYTES], const sealed_entry *entry,
                       uint32_t collection_id);
/* Slot where the search for a hash begins, and the tag. */
static inline uint64_t id_map_slot(uint64_t hash, uint64_t slots)
{
    return ((hash >> 32) * slots) >> 32;
}
static inline uint16_t id_map_tag(uint64_t hash)
{
    return (uint16_t)hash;
}
static inline uint64_t id_map_slots(uint64_t rows)
{
    return rows + rows / 3 + 1;
}

#endif
