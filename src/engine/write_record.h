/* Log records: what the engine writes into the log, and how it reads it back. docs/FORMAT.md, "Engine", is
 * normative. */
#ifndef VEER_ENGINE_WRITE_RECORD_H
#define VEER_ENGINE_WRITE_RECORD_H

#include "engine/document.h"
#include "engine/engine.h"

enum {
    RECORD_UPSERT = 1,     /* documents with their vectors */
    RECORD_DELETE = 2,     /* ids */
    RECORD_COLLECTION = 3, /* a collection's name and schema: made, or changed */
    RECORD_DROP = 4,       /* a collection and all its documents */
    RECORD_PATCH = 5,      /* reserved */
};

typedef struct record_stamp {
    uint64_t lsn;
    int64_t written_ms;
} record_stamp;

/* Documents as one record. Its parts point to the documents' texts and vectors, which must stay. `stamps` NULL: the
 * record's own LSN and `written_ms` are those of every document. */
veer_status record_upsert(arena *arena, const schema *schema, uint32_t collection,
                          const document *const *documents, size_t count, int64_t written_ms,
                          const record_stamp *stamps, store_append_record *out, veer_error *error);
/* The same for rows of an active segment: those of `rows` (ascending), with their stamps. */
veer_status record_rows(arena *arena, const schema *schema, uint32_t collection,
                        segment_core *active, const uint32_t *rows, size_t count,
                        store_append_record *out, veer_error *error);

/* What a row of an active segment takes in a record, about: vectors lie there as f32, and every field
 * counts. */
uint64_t record_row_bytes(const schema *schema, const segment_core *active, uint32_t row);

typedef struct record_id {
    const char *id;
    size_t bytes;
} record_id;
veer_status record_delete(arena *arena, uint32_t collection, const record_id *ids, size_t count,
                          int64_t written_ms, store_append_record *out, veer_error *error);
veer_status record_collection(arena *arena, uint32_t collection, const char *name,
                              const schema *schema, store_append_record *out, veer_error *error);
uint64_t record_bytes(const store_append_record *record);

/* Reading. Everything is checked; damage that the checksums did not see is VEER_E_CORRUPT. */
typedef struct record_documents {
    size_t count;
    int64_t written_ms;
    record_stamp *stamps; /* NULL: none */
    record_id *texts;     /* JSON of each document */
    size_t vectors_count;
    document_vectors *vectors; /* copied into the arena, aligned; by the schema's fields */
} record_documents;
veer_status record_read_upsert(const store_record *record, const schema *schema, arena *arena,
                               record_documents *out, veer_error *error);
veer_status record_read_delete(const store_record *record, arena *arena, record_id **ids,
                               size_t *count, veer_error *error);
veer_status record_read_collection(const store_record *record, const veer_allocator *allocator,
                                   char name[VEER_NAME_BYTES_MAX + 1], schema **out,
                                   veer_error *error);

#endif
