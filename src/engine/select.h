/* What a request wants to have returned of each document. */
#ifndef VEER_ENGINE_SELECT_H
#define VEER_ENGINE_SELECT_H

#include "engine/engine.h"

typedef struct select_key {
    const char *name;
    size_t bytes;
} select_key;

typedef struct select_spec {
    bool is_none;           /* no documents */
    bool is_whole;          /* documents as they are stored, and the vectors behind them */
    const select_key *keys; /* else these, besides "id" */
    size_t keys_count;
    bool is_walk; /* for a walk through all rows: no block of documents is kept for another time */
    const field *const *vectors; /* and these vector fields; of the schema that was parsed with */
    size_t vectors_count;
} select_spec;

#define SELECT_KEYS_MAX 1024u

/* From JSON: true, false, "*", an array of keys; NULL or null: whole documents. */
veer_status select_parse(struct yyjson_val *value, const schema *schema, arena *memory,
                         select_spec *out, veer_error *error);

/* Reads rows of one collection in ascending order of (segment, row). What it reads lies in
 * `scratch` until the next call. One thread. */
typedef struct select_reader {
    const collection_version *collection;
    const select_spec *spec;
    arena *scratch;
    arena_mark mark;
    size_t bytes_at_mark;
    blob_cursor cursor;
    segment_vectors *vectors; /* of the spec's fields, in segment `segment` */
    size_t segment;           /* SIZE_MAX: none yet */
} select_reader;

veer_status select_reader_init(select_reader *reader, const collection_version *collection,
                               const select_spec *spec, arena *scratch, veer_error *error);
/* Appends the row's id, and its document unless the spec wants none. On failure the writers may
 * hold part of it. */
veer_status select_read(select_reader *reader, size_t segment, uint32_t row, byte_writer *ids,
                        byte_writer *documents, veer_error *error);

#endif
