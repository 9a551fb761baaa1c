/* Transactions: the one way in which documents change.
 *
 *   begin       the present version, under the writer lock
 *   put, delete documents and ids, one after the other; within the transaction the last one counts
 *   commit      reserves all memory and builds the next version; appends to the log; fills the
 *               active segments; publishes. Only reserving and logging can fail, and neither has
 *               changed anything that a reader sees.
 *
 * Replaying the log runs the same steps without logging, so that recovery is not a second way of
 * writing.
 */
#ifndef VEER_ENGINE_WRITE_H
#define VEER_ENGINE_WRITE_H

#include "engine/active.h"
#include "engine/document.h"
#include "engine/engine.h"
#include "engine/write_record.h"

typedef struct row_list {
    uint32_t *rows;
    size_t count, capacity;
} row_list;

typedef struct write_item {
    document document;
    record_stamp stamp;
    bool is_put;  /* else a deletion */
    bool is_live; /* no later item of the transaction has the same id */
} write_item;

/* What a transaction does to one collection. */
typedef struct write_target {
    collection_version *base;
    struct write_item *items;
    size_t items_count, items_capacity;
    hash_table by_id;      /* live items */
    row_list *dead;        /* one a segment of `base` */
    const document **puts; /* live ones, in order */
    size_t puts_count;
    record_stamp *stamps;
    active *active;
    collection_version *next;
} write_target;

typedef struct transaction {
    veer_database *database;
    arena memory;
    version *base;
    write_target *targets;
    size_t targets_count, targets_capacity;
    version *next;
    bool waits;       /* a look-up answered VEER_PENDING */
    uint64_t written; /* documents put */
    uint64_t deleted; /* rows that a deletion found */
} transaction;

/* The writer lock must be held until after transaction_end. */
veer_status transaction_begin(veer_database *database, size_t collections_max,
                              transaction *transaction, veer_error *error);
void transaction_end(transaction *transaction);
/* The collection's target; VEER_E_CLOSED where it has been dropped. */
veer_status transaction_target(transaction *transaction, collection_state *collection,
                               write_target **target, veer_error *error);
/* `insert`: VEER_E_EXISTS where the id is there already. The document's memory is the caller's until the end. */
veer_status transaction_put(transaction *transaction, write_target *target,
                            const document *document, const record_stamp *stamp, bool insert,
                            veer_error *error);
/* `id` must stay until the end. */
veer_status transaction_delete(transaction *transaction, write_target *target, const char *id,
                               size_t bytes, veer_error *error);
/* Reserves; after VEER_OK transaction_apply cannot fail. VEER_PENDING where a look-up has to wait. */
veer_status transaction_prepare(transaction *transaction, veer_error *error);
/* `lsn`: of the last record; documents without a stamp of their own get it and `written_ms`. */
void transaction_apply(transaction *transaction, uint64_t lsn, int64_t written_ms);

/* Finds a live row by id, newest segment first: its place among the segments, or SIZE_MAX. With VEER_PENDING every
 * segment has been asked, so that the storage knows all that is wanted. */
veer_status collection_find(const collection_version *collection, uint64_t hash, const char *id,
                            size_t bytes, arena *scratch, size_t *segment, uint32_t *row,
                            veer_error *error);

/* Applies one record of the log (recovery). */
veer_status replay_record(void *database, const store_record *record, veer_error *error);

/* Makes a collection known, or changes its schema, in a new version that is published. Takes a reference to
 * the schema. The writer lock must be held. `name` and `id` must be new, or both those of a collection that is there. */
veer_status collection_define(veer_database *database, uint32_t id, const char *name,
                              schema *schema, bool log, veer_error *error);
veer_status collection_remove(veer_database *database, uint32_t id, bool log, veer_error *error);
collection_state *collection_by_id(veer_database *database, uint32_t id);        /* or NULL */
collection_state *collection_by_name(veer_database *database, const char *name); /* or NULL */

#endif
