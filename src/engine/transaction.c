#include <string.h>

#include "engine/sealed.h"
#include "engine/version.h"
#include "engine/write.h"

veer_status transaction_begin(veer_database *database, size_t collections_max,
                              transaction *transaction, veer_error *error)
{
    memset(transaction, 0, sizeof *transaction);
    transaction->database = database;
    arena_init(&transaction->memory, database->allocator);
    transaction->targets =
        arena_array(&transaction->memory, collections_max + 1, sizeof *transaction->targets);
    if (!transaction->targets) {
        arena_fini(&transaction->memory);
        return error_nomem(error, "a transaction", collections_max);
    }
    memset(transaction->targets, 0, (collections_max + 1) * sizeof *transaction->targets);
    transaction->targets_capacity = collections_max;
    transaction->base = version_acquire(database);
    return VEER_OK;
}

void transaction_end(transaction *transaction)
{
    if (!transaction->base) return;
    for (size_t i = 0; i < transaction->targets_count; i++) {
        write_target *target = &transaction->targets[i];
        hash_table_fini(&target->by_id);
        collection_version_release(target->next);
        if (target->active) segment_core_release(&target->active->core);
    }
    version_release(transaction->next);
    version_release(transaction->base);
    arena_fini(&transaction->memory);
    memset(transaction, 0, sizeof *transaction);
}

veer_status transaction_target(transaction *transaction, collection_state *collection,
                               write_target **out, veer_error *error)
{
    for (size_t i = 0; i < transaction->targets_count; i++) {
        *out = &transaction->targets[i];
        if ((*out)->base->collection == collection) return VEER_OK;
    }
    collection_version *base = version_collection(transaction->base, collection->id);
    if (!base)
        VEER_FAIL(error, VEER_E_CLOSED, "the collection '%s' has been dropped", collection->name);
    if (transaction->targets_count == transaction->targets_capacity)
        VEER_FAIL(error, VEER_E_INTERNAL, "a transaction has too many collections");
    write_target *target = &transaction->targets[transaction->targets_count];
    target->dead =
        arena_array(&transaction->memory, base->segments_count + 1, sizeof *target->dead);
    if (!target->dead) return error_nomem(error, "a transaction", base->segments_count);
    memset(target->dead, 0, (base->segments_count + 1) * sizeof *target->dead);
    target->base = base;
    hash_table_init(&target->by_id, transaction->database->allocator);
    transaction->targets_count++;
    *out = target;
    return VEER_OK;
}

veer_status collection_find(const collection_version *collection, uint64_t hash, const char *id,
                            size_t bytes, arena *scratch, size_t *segment, uint32_t *row,
                            veer_error *error)
{
    bool waits = false;
    *segment = SIZE_MAX;
    for (size_t i = collection->segments_count; i-- > 0;) {
        veer_status status =
            segment_find_id(&collection->segments[i], hash, id, bytes, scratch, row, error);
        if (status == VEER_PENDING) {
            waits = true;
            continue;
        }
        if (status != VEER_OK) return status;
        if (*row != ROW_NONE && !waits) {
            *segment = i;
            return VEER_OK;
        }
    }
    return waits ? VEER_PENDING : VEER_OK;
}

/* Doubles an array in the arena; the old one stays behind until the end of the transaction. */
static bool arena_grow(arena *arena, void **items, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = arena_array(arena, wanted, bytes);
    if (!grown) return false;
    if (count) memcpy(grown, *items, count * bytes);
    *items = grown;
    *capacity = wanted;
    return true;
}

/* Whether the base version has the id; if so its row is noted as dead. */
static veer_status find_in_base(transaction *transaction, write_target *target, uint64_t hash,
                                const char *id, size_t bytes, bool *found, veer_error *error)
{
    size_t segment;
    uint32_t row;
    *found = false;
    veer_status status =
        collection_find(target->base, hash, id, bytes, &transaction->memory, &segment, &row, error);
    if (status == VEER_PENDING) {
        transaction->waits = true;
        return VEER_OK;
    }
    VEER_TRY(status);
    if (segment == SIZE_MAX) return VEER_OK;
    row_list *dead = &target->dead[segment];
    if (!arena_grow(&transaction->memory, (void **)&dead->rows, dead->count, &dead->capacity,
                    sizeof *dead->rows))
        return error_nomem(error, "a transaction", dead->count);
    dead->rows[dead->count++] = row;
    *found = true;
    return VEER_OK;
}

typedef struct item_key {
    const write_target *target;
    const char *id;
    size_t bytes;
} item_key;

static bool same_item(const void *context, uint32_t value)
{
    const item_key *key = context;
    const document *document = &key->target->items[value].document;
    return document->id_bytes == key->bytes && memcmp(document->id, key->id, key->bytes) == 0;
}

/* Adds an item that hides an earlier one of the same id. `existed` tells whether the id was there before, in the
 * transaction or in the base version. */
static veer_status add_item(transaction *transaction, write_target *target, const write_item *item,
                            bool *existed, veer_error *error)
{
    const document *document = &item->document;
    item_key key = {target, document->id, document->id_bytes};
    if (!arena_grow(&transaction->memory, (void **)&target->items, target->items_count,
                    &target->items_capacity, sizeof *target->items) ||
        hash_table_reserve(&target->by_id, 1) != VEER_OK)
        return error_nomem(error, "a transaction", target->items_count);
    uint32_t before = hash_table_find(&target->by_id, document->hash, same_item, &key);
    if (before != ROW_NONE) {
        *existed = target->items[before].is_put;
        target->items[before].is_live = false;
    } else {
        VEER_TRY(find_in_base(transaction, target, document->hash, document->id, document->id_bytes,
                              existed, error));
    }
    uint32_t place = (uint32_t)target->items_count;
    target->items[place] = *item;
    target->items[place].is_live = true;
    target->items_count++;
    hash_table_put(&target->by_id, document->hash, place, same_item, &key);
    return VEER_OK;
}

veer_status transaction_put(transaction *transaction, write_target *target,
                            const document *document, const record_stamp *stamp, bool insert,
                            veer_error *error)
{
    write_item item = {.document = *document, .is_put = true};
    if (stamp) item.stamp = *stamp;
    bool existed = false;
    VEER_TRY(add_item(transaction, target, &item, &existed, error));
    if (insert && existed)
        VEER_FAIL(error, VEER_E_EXISTS, "insert: the document '%.*s' is there already",
                  (int)(document->id_bytes < 200 ? document->id_bytes : 200), document->id);
    transaction->written++;
    return VEER_OK;
}

veer_status transaction_delete(transaction *transaction, write_target *target, const char *id,
                               size_t bytes, veer_error *error)
{
    write_item item = {.is_put = false};
    item.document.id = id;
    item.document.id_bytes = bytes;
    item.document.hash = segment_id_hash(transaction->database, id, bytes);
    bool existed = false;
    VEER_TRY(add_item(transaction, target, &item, &existed, error));
    transaction->deleted += existed;
    return VEER_OK;
}

/* ---------------------------------------------------------------- preparing */

static veer_status collect_puts(transaction *transaction, write_target *target, veer_error *error)
{
    size_t n = target->items_count;
    target->puts = arena_array(&transaction->memory, n + 1, sizeof *target->puts);
    target->stamps = arena_array(&transaction->memory, n + 1, sizeof *target->stamps);
    if (!target->puts || !target->stamps) return error_nomem(error, "a transaction", n);
    for (size_t i = 0; i < n; i++) {
        const write_item *item = &target->items[i];
        if (!item->is_live || !item->is_put) continue;
        target->stamps[target->puts_count] = item->stamp;
        target->puts[target->puts_count++] = &item->document;
    }
    return VEER_OK;
}

/* The active segment that takes new rows: the last one, unless it is frozen or there is none. */
static active *open_active(const collection_version *base)
{
    if (base->segments_count == 0) return NULL;
    segment_core *core = base->segments[base->segments_count - 1].core;
    if (core->is_sealed || core->as.active->is_frozen) return NULL;
    return core->as.active;
}

/* A fresh active segment begins with the centre of the newest older segment that has one. */
static veer_status lend_centres(const collection_version *base, active *fresh, veer_error *error)
{
    const schema *schema = base->schema;
    for (size_t f = 0; f < schema->fields_count; f++) {
        const field *field = &schema->fields[f];
        if (!field_has_codes(field)) continue;
        for (size_t i = base->segments_count; i-- > 0;) {
            segment_vectors vectors;
            const float *centre = NULL;
            if (base->segments[i].core->as.active == fresh) continue;
            VEER_TRY(segment_vectors_open(&base->segments[i], field, &vectors, error));
            VEER_TRY(segment_codes_centre(&vectors, &centre, error));
            if (!centre) continue;
            VEER_TRY(active_lend_centre(fresh, field, centre, error));
            break;
        }
    }
    return VEER_OK;
}

static veer_status reserve_active(transaction *transaction, write_target *target, veer_error *error)
{
    const collection_version *base = target->base;
    active *taken = open_active(base);
    if (taken) {
        segment_core_acquire(&taken->core);
        target->active = taken;
    } else {
        VEER_TRY(active_new(transaction->database->allocator, &target->active, error));
    }
    VEER_TRY(active_reserve(target->active, base->schema, target->puts, target->puts_count, error));
    return taken ? VEER_OK : lend_centres(base, target->active, error);
}

static veer_status prepare_target(transaction *transaction, write_target *target, veer_error *error)
{
    const veer_allocator *allocator = transaction->database->allocator;
    const collection_version *base = target->base;
    VEER_TRY(collect_puts(transaction, target, error));
    if (target->puts_count > 0) VEER_TRY(reserve_active(transaction, target, error));
    size_t n = base->segments_count;
    segment_ref *segments = arena_array(&transaction->memory, n + 1, sizeof *segments);
    if (!segments) return error_nomem(error, "a transaction", n);
    veer_status status = VEER_OK;
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        segments[i] = base->segments[i];
        if (target->dead[i].count == 0) {
            tombstones_acquire(segments[i].dead);
        } else {
            segments[i].dead = tombstones_with(allocator, base->segments[i].dead,
                                               target->dead[i].rows, target->dead[i].count);
            if (!segments[i].dead) {
                status = error_nomem(error, "deleted rows", 0);
                goto done;
            }
        }
        made = i + 1;
    }
    if (target->active) {
        uint32_t rows = target->active->count + (uint32_t)target->puts_count;
        if (n > 0 && segments[n - 1].core == &target->active->core) {
            segments[n - 1].rows = rows;
        } else {
            segments[n] = (segment_ref){.core = &target->active->core, .rows = rows};
            n++;
        }
    }
    target->next = collection_version_new(allocator, base->collection, base->schema, segments, n);
    if (!target->next) status = error_nomem(error, "a version", 0);
done:
    for (size_t i = 0; i < made; i++)
        tombstones_release(segments[i].dead);
    return status;
}

static int by_collection_id(const write_target *a, const write_target *b)
{
    uint32_t x = a->base->collection->id, y = b->base->collection->id;
    return x < y ? -1 : x > y;
}

veer_status transaction_prepare(transaction *transaction, veer_error *error)
{
    if (transaction->waits) return VEER_PENDING;
    size_t n = transaction->targets_count;
    for (size_t i = 0; i < n; i++)
        VEER_TRY(prepare_target(transaction, &transaction->targets[i], error));
    /* Insertion sort: a transaction has few collections. */
    collection_version **changed = arena_array(&transaction->memory, n + 1, sizeof *changed);
    if (!changed) return error_nomem(error, "a transaction", n);
    for (size_t i = 1; i < n; i++)
        for (size_t j = i;
             j > 0 && by_collection_id(&transaction->targets[j - 1], &transaction->targets[j]) > 0;
             j--) {
            write_target swap = transaction->targets[j];
            transaction->targets[j] = transaction->targets[j - 1];
            transaction->targets[j - 1] = swap;
        }
    for (size_t i = 0; i < n; i++)
        changed[i] = transaction->targets[i].next;
    transaction->next =
        version_change(transaction->database->allocator, transaction->base, changed, n, NULL, 0);
    return transaction->next ? VEER_OK : error_nomem(error, "a version", 0);
}

void transaction_apply(transaction *transaction, uint64_t lsn, int64_t written_ms)
{
    for (size_t i = 0; i < transaction->targets_count; i++) {
        write_target *target = &transaction->targets[i];
        for (size_t d = 0; d < target->puts_count; d++) {
            record_stamp stamp = target->stamps[d];
            if (stamp.lsn == 0) stamp = (record_stamp){lsn, written_ms};
            active_append(target->active, target->base->schema, target->puts[d], stamp.lsn,
                          stamp.written_ms);
        }
    }
    transaction->next->lsn = lsn;
    version_publish(transaction->database, transaction->next);
    transaction->next = NULL;
    for (size_t i = 0; i < transaction->targets_count; i++) {
        if (!transaction->targets[i].active) continue;
        active_encode(transaction->targets[i].active);
        active_measure(transaction->targets[i].active);
    }
}
