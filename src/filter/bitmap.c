/* Set operations by CRoaring, with their memory reserved beforehand.
 *
 * The bound. cost(n) = 32 + max(32, n rounded up to a power of two) <= 64 + 2n is what one block
 * of n bytes takes from the arena (bitmap_memory.c); cost(8192), a bitset or a full array, is
 * 8224. CRoaring keeps a bitmap as one object (cost 96), a directory of 11 bytes a container and,
 * for each container, a struct (cost 64) and its data. A freed block is used again for the next
 * one of its order, so temporaries that are freed before the next container count once.
 *
 *   decode   data blocks have the exact size of the stored containers, S in all:
 *            96 + 2 cost(11 C) + C (64 + 64) + 2 S.
 *   add      plain rows are added one by one; C is at most their number.
 *            create_with_capacity(C) makes the directory once. An array grows by at most 2x, so
 *            the last block of n rows has at most 4n bytes, and never more than 8192; what it
 *            grew through is freed, one chain (17 KB) for all containers together. run_optimize
 *            makes runs, smaller than the array or bitset that it frees, in another struct:
 *            96 + 2 cost(11 C) + 17 KB + 8224 + 64 + C * 2 * (64 + 64 + min(8192, 8n)).
 *   and      array with anything: an array of the smaller one's rows. bitset with bitset or runs:
 *            a bitset or an array, at most the bitset's 8192 bytes. runs with runs: as many runs
 *            as both. So the data has at most a + b + 64 bytes where a and b are the operands'
 *            stored containers.
 *   or       array with runs: twice as many runs as rows and runs together, 8 bytes for each, at
 *            most 4 (a + b). array with array: one array, or a bitset where a + b > 8192. With a
 *            bitset: 8192, which is one of a and b. runs with runs: a + b. A container without
 *            partner is copied with its capacity.
 *   and_not  as `and`, but runs without an array may be spelled out as an array or bitset of
 *            8192 bytes, whatever a and b are.
 *            A container that is converted afterwards is smaller than it was and takes a second
 *            block and struct. Hence, with y = f (A + B) + 192 C, f = 4 for `or`, else 1:
 *            96 + 2 cost(11 C) + 2 (2 y + 128 C) [+ 2 * 8224 C for and_not] + 3 * 8224 + 192.
 *
 * "Copied with its capacity" is why results are shrunk: it makes their capacity exact, in place
 * but for the directory, which is therefore counted twice.
 * tests/c/filter_bitmap.c drives every pair of kinds at every size and requires that no block had
 * to be cut beyond the reservation.
 *
 * Only functions that CRoaring 4 still has are called.
 */
#include "filter/bitmap.h"

#include <roaring/roaring.h>
#include <string.h>

#include "base/sizes.h"
#include "base/status.h"

#define CONTAINER_ROWS_LOG2 16
#define CONTAINERS_MAX (BITMAP_ROWS_MAX >> CONTAINER_ROWS_LOG2)
#define OBJECT_COST 96u
#define DIRECTORY_BYTES 11u
#define STRUCT_COST 64u
#define BITSET_COST (BITMAP_MEMORY_HEADER + 8192u)
#define GROWTH_COST (17u << 10)

static size_t data_cost(size_t bytes)
{
    return 64 + 2 * bytes; /* of any number of bytes, at most */
}

static size_t object_cost(size_t containers)
{
    return OBJECT_COST + 2 * data_cost(DIRECTORY_BYTES * containers);
}

static size_t add_cost(size_t containers, size_t count)
{
    size_t data = containers * 8192 < count * 8 ? containers * 8192 : count * 8;
    return object_cost(containers) + GROWTH_COST + BITSET_COST + STRUCT_COST +
           2 * (containers * (STRUCT_COST + 64) + data);
}

static size_t decode_cost(const bitmap_view *view)
{
    if (view->is_rows) {
        size_t containers = view->count < CONTAINERS_MAX ? view->count : CONTAINERS_MAX;
        return add_cost(containers, view->count);
    }
    return object_cost(view->containers) + view->containers * (STRUCT_COST + 64) + 2 * view->size;
}

typedef enum bitmap_operation { OPERATION_AND, OPERATION_AND_NOT, OPERATION_OR } bitmap_operation;

static size_t operation_containers(bitmap_operation operation, const bitmap *a, const bitmap *b)
{
    switch (operation) {
    case OPERATION_AND:
        return a->containers < b->containers ? a->containers : b->containers;
    case OPERATION_AND_NOT:
        return a->containers;
    case OPERATION_OR:
        break;
    }
    size_t sum = a->containers + b->containers;
    return sum < CONTAINERS_MAX ? sum : CONTAINERS_MAX;
}

/* Neither sum overflows, even with a 32-bit size_t: operands are below 16 MB (1024 containers). */
static size_t operation_cost(bitmap_operation operation, const bitmap *a, const bitmap *b)
{
    size_t containers = operation_containers(operation, a, b);
    size_t stored = (operation == OPERATION_OR ? 4 : 1) * (a->bytes + b->bytes);
    size_t data = 2 * (stored + 192 * containers) + 128 * containers;
    if (operation == OPERATION_AND_NOT) data += BITSET_COST * containers;
    return object_cost(containers) + 2 * data + 3 * BITSET_COST + 3 * STRUCT_COST;
}

/* Takes ownership of `set`; its capacity becomes exact. */
static veer_status finish(roaring_bitmap_t *set, size_t containers, bitmap *out)
{
    if (set == NULL) return VEER_E_NOMEM;
    roaring_bitmap_shrink_to_fit(set);
    out->roaring = set;
    out->bytes = roaring_bitmap_portable_size_in_bytes(set);
    out->containers = containers;
    out->count = roaring_bitmap_get_cardinality(set);
    return VEER_OK;
}

/* The bitmap of plain rows; NULL where there is no memory. */
static roaring_bitmap_t *add_rows(const bitmap_view *view, size_t *containers)
{
    uint32_t rows[64];
    size_t used = 0, keys = 0;
    uint32_t key = UINT32_MAX;
    roaring_bitmap_t *set = roaring_bitmap_create_with_capacity(
        view->count < CONTAINERS_MAX ? view->count : (uint32_t)CONTAINERS_MAX);
    for (size_t i = 0; set != NULL && i < view->count; i++) {
        rows[used++] = load_u32(view->bytes + 4 * i);
        keys += rows[used - 1] >> CONTAINER_ROWS_LOG2 != key;
        key = rows[used - 1] >> CONTAINER_ROWS_LOG2;
        if (used < 64 && i + 1 < view->count) continue;
        roaring_bitmap_add_many(set, used, rows);
        used = 0;
    }
    *containers = keys;
    return set;
}

veer_status bitmap_decode(bitmap_memory *memory, const bitmap_view *view, bitmap *out)
{
    memset(out, 0, sizeof *out);
    VEER_TRY(bitmap_memory_reserve(memory, decode_cost(view)));
    bitmap_memory *former = bitmap_memory_enter(memory);
    size_t containers = view->containers;
    roaring_bitmap_t *set =
        view->is_rows
            ? add_rows(view, &containers)
            : roaring_bitmap_portable_deserialize_safe((const char *)view->bytes, view->size);
    veer_status status = finish(set, containers, out);
    bitmap_memory_enter(former);
    return status;
}

static veer_status operate(bitmap_memory *memory, bitmap_operation operation, const bitmap *a,
                           const bitmap *b, bitmap *out)
{
    memset(out, 0, sizeof *out);
    VEER_TRY(bitmap_memory_reserve(memory, operation_cost(operation, a, b)));
    bitmap_memory *former = bitmap_memory_enter(memory);
    roaring_bitmap_t *set = NULL;
    switch (operation) {
    case OPERATION_AND:
        set = roaring_bitmap_and(a->roaring, b->roaring);
        break;
    case OPERATION_AND_NOT:
        set = roaring_bitmap_andnot(a->roaring, b->roaring);
        break;
    case OPERATION_OR:
        set = roaring_bitmap_or(a->roaring, b->roaring);
        break;
    }
    veer_status status = finish(set, operation_containers(operation, a, b), out);
    bitmap_memory_enter(former);
    return status;
}

veer_status bitmap_and(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out)
{
    return operate(memory, OPERATION_AND, a, b, out);
}

veer_status bitmap_and_not(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out)
{
    return operate(memory, OPERATION_AND_NOT, a, b, out);
}

veer_status bitmap_or(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out)
{
    return operate(memory, OPERATION_OR, a, b, out);
}

veer_status bitmap_to_view(bitmap_memory *memory, const bitmap *from, bitmap_view *view)
{
    memset(view, 0, sizeof *view);
    size_t rows_bytes = (size_t)from->count * 4;
    bool is_rows = rows_bytes <= from->bytes;
    size_t size = is_rows ? rows_bytes : from->bytes;
    size_t cost = bitmap_memory_cost(size);
    if (cost == SIZE_MAX) return VEER_E_NOMEM;
    VEER_TRY(bitmap_memory_reserve(memory, cost + data_cost(from->containers / 8 + 1)));
    bitmap_memory *former = bitmap_memory_enter(memory);
    uint8_t *bytes = veer_roaring_malloc(size);
    if (bytes != NULL && is_rows) {
        uint32_t *rows = (uint32_t *)(void *)bytes; /* in the order of this machine's bytes */
        roaring_bitmap_to_uint32_array(from->roaring, rows);
        for (size_t i = 0; i < from->count; i++)
            store_u32(bytes + 4 * i, rows[i]);
    } else if (bytes != NULL) {
        roaring_bitmap_portable_serialize(from->roaring, (char *)bytes);
    }
    bitmap_memory_enter(former);
    if (bytes == NULL) return VEER_E_NOMEM;
    bitmap_view_reopen(bytes, size, (uint32_t)from->count, view);
    return VEER_OK;
}

void bitmap_free(bitmap_memory *memory, bitmap *freed)
{
    if (freed->roaring != NULL) {
        bitmap_memory *former = bitmap_memory_enter(memory);
        roaring_bitmap_free(freed->roaring);
        bitmap_memory_enter(former);
    }
    memset(freed, 0, sizeof *freed);
}
