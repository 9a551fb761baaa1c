/* Recovery's second half: the log's records, applied through the same transactions that wrote them. */
#include <string.h>
#include <yyjson.h>

#include "engine/write.h"

static veer_status replay_upsert(transaction *transaction, write_target *target,
                                 const store_record *record, veer_error *error)
{
    arena *arena = &transaction->memory;
    record_documents documents;
    VEER_TRY(record_read_upsert(record, target->base->schema, arena, &documents, error));
    for (size_t i = 0; i < documents.count; i++) {
        yyjson_doc *json = NULL;
        document document;
        VEER_TRY(json_parse(documents.texts[i].id, documents.texts[i].bytes, "a logged document",
                            arena, &json, error));
        VEER_TRY(document_parse(transaction->database, target->base->schema,
                                yyjson_doc_get_root(json), i, documents.vectors,
                                documents.vectors_count, arena, &document, error));
        record_stamp stamp = {record->lsn, documents.written_ms};
        VEER_TRY(transaction_put(transaction, target, &document,
                                 documents.stamps ? &documents.stamps[i] : &stamp, false, error));
    }
    return VEER_OK;
}

static veer_status replay_delete(transaction *transaction, write_target *target,
                                 const store_record *record, veer_error *error)
{
    record_id *ids = NULL;
    size_t count = 0;
    VEER_TRY(record_read_delete(record, &transaction->memory, &ids, &count, error));
    for (size_t i = 0; i < count; i++)
        VEER_TRY(transaction_delete(transaction, target, ids[i].id, ids[i].bytes, error));
    return VEER_OK;
}

static veer_status replay_documents(veer_database *database, const store_record *record,
                                    veer_error *error)
{
    collection_state *collection = collection_by_id(database, record->collection);
    /* Dropped by a checkpoint that came after this record. */
    if (!collection) return VEER_OK;
    transaction transaction;
    VEER_TRY(transaction_begin(database, 1, &transaction, error));
    write_target *target = NULL;
    veer_status status = transaction_target(&transaction, collection, &target, error);
    if (status == VEER_OK)
        status = record->type == RECORD_UPSERT ? replay_upsert(&transaction, target, record, error)
                                               : replay_delete(&transaction, target, record, error);
    if (status == VEER_OK) status = transaction_prepare(&transaction, error);
    if (status == VEER_OK) transaction_apply(&transaction, record->lsn, 0);
    transaction_end(&transaction);
    return status;
}

static veer_status replay_collection(veer_database *database, const store_record *record,
                                     veer_error *error)
{
    char name[VEER_NAME_BYTES_MAX + 1];
    schema *schema = NULL;
    VEER_TRY(record_read_collection(record, database->allocator, name, &schema, error));
    veer_status status =
        collection_define(database, record->collection, name, schema, false, error);
    schema_release(schema);
    return status;
}

static veer_status apply(veer_database *database, const store_record *record, veer_error *error)
{
    switch (record->type) {
    case RECORD_UPSERT:
    case RECORD_DELETE:
        return replay_documents(database, record, error);
    case RECORD_COLLECTION:
        return replay_collection(database, record, error);
    case RECORD_DROP:
        return collection_remove(database, record->collection, false, error);
    default:
        VEER_FAIL(error, VEER_E_VERSION,
                  "log record %llu has type %u: it was written by a newer version of Veer",
                  (unsigned long long)record->lsn, record->type);
    }
}

/* What says that a request is wrong says here that the record is. */
static bool is_about_content(veer_status status)
{
    switch (status) {
    case VEER_E_INVALID:
    case VEER_E_DIMENSION:
    case VEER_E_VECTOR:
    case VEER_E_ID:
    case VEER_E_TYPE:
    case VEER_E_OPTION:
    case VEER_E_FIELD:
    case VEER_E_SYNTAX:
    case VEER_E_RANGE:
    case VEER_E_SCHEMA:
    case VEER_E_MODEL:
    case VEER_E_EXISTS:
    case VEER_E_NOTFOUND:
    case VEER_E_LIMIT:
        return true;
    default:
        return false;
    }
}

veer_status replay_record(void *context, const store_record *record, veer_error *error)
{
    veer_status status = apply(context, record, error);
    if (!is_about_content(status)) return status;
    VEER_FAIL(error, VEER_E_CORRUPT, "log record %llu does not apply: %s",
              (unsigned long long)record->lsn, error ? error->message : "");
}
