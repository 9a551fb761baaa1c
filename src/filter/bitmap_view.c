/* The bounded reader of stored sets. See bitmap_view.h for what it guarantees. A bitmap is:
 *
 *   u32 cookie: 12346, then u32 number of containers n; or 12347 | (n - 1) << 16, then n bits,
 *       padded to bytes, that say which containers hold runs
 *   n times: u16 key (row >> 16), u16 rows in the container - 1
 *   n times: u32 offset of the container (left out by cookie 12347 where n < 4)
 *   n containers:
 *       runs     u16 number of runs, then u16 first and u16 length - 1 of each
 *       array    u16 for each row (row & 0xFFFF), ascending
 *       bitset   1024 u64
 *
 * A walk visits the containers in order; it trusts the view, since only checked bytes become one.
 */
#include "filter/bitmap_view.h"

#include <string.h>

#include "base/bitset.h"
#include "base/bytes.h"

#define COOKIE_WITHOUT_RUNS 12346u
#define COOKIE_WITH_RUNS 12347u
#define OFFSETS_FROM 4u /* containers, with runs */
#define ARRAY_ROWS_MAX 4096u
#define BITSET_BYTES 8192u
#define CONTAINER_ROWS 65536u

typedef enum container_kind { CONTAINER_ARRAY, CONTAINER_BITSET, CONTAINER_RUNS } container_kind;

typedef struct container {
    container_kind kind;
    uint32_t key;
    uint32_t count; /* rows */
    uint32_t runs;
    const uint8_t *data; /* of runs: the first run */
    size_t bytes;        /* from data on */
} container;

typedef struct container_walk {
    const uint8_t *flags; /* NULL: no container has runs */
    const uint8_t *headers;
    const uint8_t *offsets; /* NULL: left out */
    const uint8_t *data;    /* the next container */
    uint32_t containers;
    uint32_t next;
} container_walk;

/* Finds the parts of the header. False where they do not lie within `size` bytes. */
static bool walk_begin(container_walk *walk, const uint8_t *bytes, size_t size)
{
    memset(walk, 0, sizeof *walk);
    if (size < 4) return false;
    uint32_t cookie = load_u32(bytes);
    size_t at = 4;
    if (cookie == COOKIE_WITHOUT_RUNS) {
        if (size < 8) return false;
        walk->containers = load_u32(bytes + 4);
        at = 8;
    } else if ((cookie & 0xFFFF) == COOKIE_WITH_RUNS) {
        walk->containers = (cookie >> 16) + 1;
    } else {
        return false;
    }
    if (walk->containers > BITMAP_ROWS_MAX / CONTAINER_ROWS) return false;
    size_t n = walk->containers;
    if (cookie != COOKIE_WITHOUT_RUNS) {
        if (size - at < (n + 7) / 8) return false;
        walk->flags = bytes + at;
        at += (n + 7) / 8;
    }
    if (size - at < 4 * n) return false;
    walk->headers = bytes + at;
    at += 4 * n;
    if (walk->flags == NULL || n >= OFFSETS_FROM) {
        if (size - at < 4 * n) return false;
        walk->offsets = bytes + at;
        at += 4 * n;
    }
    walk->data = bytes + at;
    return true;
}

/* The header of the next container. Its `bytes` are those it claims; `data` of runs may only be
 * read where 2 bytes are left. */
static void walk_peek(const container_walk *walk, container *next)
{
    uint32_t i = walk->next;
    next->key = load_u16(walk->headers + 4 * (size_t)i);
    next->count = load_u16(walk->headers + 4 * (size_t)i + 2) + 1u;
    next->runs = 0;
    next->data = walk->data;
    if (walk->flags != NULL && ((uint32_t)walk->flags[i / 8] >> (i % 8) & 1) != 0) {
        next->kind = CONTAINER_RUNS;
        next->bytes = 2;
    } else if (next->count <= ARRAY_ROWS_MAX) {
        next->kind = CONTAINER_ARRAY;
        next->bytes = 2 * (size_t)next->count;
    } else {
        next->kind = CONTAINER_BITSET;
        next->bytes = BITSET_BYTES;
    }
}

static void walk_enter_runs(container *runs)
{
    runs->runs = load_u16(runs->data);
    runs->data += 2;
    runs->bytes = 4 * (size_t)runs->runs;
}

/* The next container of a checked bitmap. False after the last. */
static bool walk_next(container_walk *walk, container *next)
{
    if (walk->next == walk->containers) return false;
    walk_peek(walk, next);
    if (next->kind == CONTAINER_RUNS) walk_enter_runs(next);
    walk->data = next->data + next->bytes;
    walk->next++;
    return true;
}

static bool array_is_valid(const container *array, uint32_t *last)
{
    uint32_t former = load_u16(array->data);
    for (uint32_t i = 1; i < array->count; i++) {
        uint32_t row = load_u16(array->data + 2 * (size_t)i);
        if (row <= former) return false;
        former = row;
    }
    *last = former;
    return true;
}

static bool bitset_is_valid(const container *bitset, uint32_t *last)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < BITSET_BYTES / 8; i++) {
        uint64_t word = load_u64(bitset->data + 8 * (size_t)i);
        if (word == 0) continue;
        count += bitset_ones(word);
        *last = i * 64 + 63 - (uint32_t)__builtin_clzll(word);
    }
    return count == bitset->count;
}

static bool runs_are_valid(const container *runs, uint32_t *last)
{
    if (runs->runs == 0 || runs->runs > BITMAP_RUNS_MAX) return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < runs->runs; i++) {
        uint32_t first = load_u16(runs->data + 4 * (size_t)i);
        uint32_t more = load_u16(runs->data + 4 * (size_t)i + 2);
        if (i > 0 && first <= *last + 1) return false;
        if (first + more >= CONTAINER_ROWS) return false;
        *last = first + more;
        count += more + 1;
    }
    return count == runs->count;
}

/* Bits of flags behind the last container must be 0, and there must be a 1: the writer takes the
 * other cookie where no container has runs. */
static bool flags_are_valid(const container_walk *walk)
{
    if (walk->flags == NULL) return true;
    uint32_t set = 0;
    for (uint32_t i = 0; i < (walk->containers + 7) / 8 * 8; i++) {
        uint32_t bit = (uint32_t)walk->flags[i / 8] >> (i % 8) & 1;
        if (bit != 0 && i >= walk->containers) return false;
        set += bit;
    }
    return set != 0;
}

static bool rows_are_valid(const uint8_t *bytes, size_t rows, uint32_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t row = load_u32(bytes + 4 * i);
        if (row >= rows || (i > 0 && row <= load_u32(bytes + 4 * (i - 1)))) return false;
    }
    return true;
}

static bool bitmap_is_valid(const uint8_t *bytes, size_t size, size_t rows, uint32_t count)
{
    container_walk walk;
    if (!walk_begin(&walk, bytes, size) || !flags_are_valid(&walk)) return false;
    uint64_t counted = 0;
    uint32_t former_key = 0;
    for (; walk.next < walk.containers; walk.next++) {
        container next;
        walk_peek(&walk, &next);
        size_t at = (size_t)(walk.data - bytes);
        if (walk.next > 0 && next.key <= former_key) return false;
        if (walk.offsets != NULL && load_u32(walk.offsets + 4 * (size_t)walk.next) != at) {
            return false;
        }
        if (next.bytes > size - at) return false;
        if (next.kind == CONTAINER_RUNS) {
            walk_enter_runs(&next);
            if (next.bytes > size - at - 2) return false;
        }
        uint32_t last = 0;
        bool valid = next.kind == CONTAINER_ARRAY    ? array_is_valid(&next, &last)
                     : next.kind == CONTAINER_BITSET ? bitset_is_valid(&next, &last)
                                                     : runs_are_valid(&next, &last);
        if (!valid) return false;
        if ((size_t)next.key * CONTAINER_ROWS + last >= rows) return false;
        counted += next.count;
        former_key = next.key;
        walk.data = next.data + next.bytes;
    }
    return (size_t)(walk.data - bytes) == size && counted == count;
}

bool bitmap_view_open(const void *bytes, size_t size, size_t rows, uint32_t count,
                      bitmap_view *view)
{
    memset(view, 0, sizeof *view);
    if (rows > BITMAP_ROWS_MAX || count > rows || size > 4 * (size_t)count) return false;
    bool is_rows = size == 4 * (size_t)count;
    if (is_rows ? !rows_are_valid(bytes, rows, count)
                : !bitmap_is_valid(bytes, size, rows, count)) {
        return false;
    }
    bitmap_view_reopen(bytes, size, count, view);
    return true;
}

void bitmap_view_reopen(const void *bytes, size_t size, uint32_t count, bitmap_view *view)
{
    view->bytes = bytes;
    view->size = size;
    view->count = count;
    view->containers = 0;
    view->is_rows = size == 4 * (size_t)count;
    container_walk walk;
    if (!view->is_rows && walk_begin(&walk, bytes, size)) view->containers = walk.containers;
}

static void or_array(const container *array, uint64_t *words, size_t first, size_t rows)
{
    size_t whole = rows - first >= CONTAINER_ROWS ? CONTAINER_ROWS : rows - first;
    for (uint32_t i = 0; i < array->count; i++) {
        uint32_t row = load_u16(array->data + 2 * (size_t)i);
        if (row >= whole) return;
        words[row / 64] |= (uint64_t)1 << (row % 64);
    }
}

static void and_not_array(const container *array, uint64_t *words, size_t first, size_t rows)
{
    size_t whole = rows - first >= CONTAINER_ROWS ? CONTAINER_ROWS : rows - first;
    for (uint32_t i = 0; i < array->count; i++) {
        uint32_t row = load_u16(array->data + 2 * (size_t)i);
        if (row >= whole) return;
        words[row / 64] &= ~((uint64_t)1 << (row % 64));
    }
}

static void clear_range(uint64_t *words, size_t first, size_t end)
{
    for (; first < end && first % 64 != 0; first++)
        bitset_clear(words, first);
    for (; end - first >= 64; first += 64)
        words[first / 64] = 0;
    for (; first < end; first++)
        bitset_clear(words, first);
}

static void apply_runs(const container *runs, uint64_t *words, size_t base, size_t rows, bool set)
{
    for (uint32_t i = 0; i < runs->runs; i++) {
        size_t first = base + load_u16(runs->data + 4 * (size_t)i);
        size_t end = first + load_u16(runs->data + 4 * (size_t)i + 2) + 1;
        if (first >= rows) return;
        if (end > rows) end = rows;
        if (set) {
            bitset_set_range(words, first, end);
        } else {
            clear_range(words, first, end);
        }
    }
}

static void apply_bitset(const container *bitset, uint64_t *words, size_t first, size_t rows,
                         bool set)
{
    size_t bits = rows - first >= CONTAINER_ROWS ? CONTAINER_ROWS : rows - first;
    size_t whole = bits / 64;
    if (set) {
        for (size_t i = 0; i < whole; i++)
            words[i] |= load_u64(bitset->data + 8 * i);
    } else {
        for (size_t i = 0; i < whole; i++)
            words[i] &= ~load_u64(bitset->data + 8 * i);
    }
    if (bits % 64 == 0) return;
    uint64_t tail = load_u64(bitset->data + 8 * whole) & (((uint64_t)1 << (bits % 64)) - 1);
    if (set) {
        words[whole] |= tail;
    } else {
        words[whole] &= ~tail;
    }
}

static void apply_rows(const bitmap_view *view, uint64_t *words, size_t rows, bool set)
{
    for (size_t i = 0; i < view->count; i++) {
        uint32_t row = load_u32(view->bytes + 4 * i);
        if (row >= rows) return;
        if (set) {
            bitset_set(words, row);
        } else {
            bitset_clear(words, row);
        }
    }
}

static void apply(const bitmap_view *view, uint64_t *words, size_t rows, bool set)
{
    if (view->is_rows) {
        apply_rows(view, words, rows, set);
        return;
    }
    container_walk walk;
    container next;
    if (!walk_begin(&walk, view->bytes, view->size)) return;
    while (walk_next(&walk, &next)) {
        size_t first = (size_t)next.key * CONTAINER_ROWS;
        if (first >= rows) return;
        switch (next.kind) {
        case CONTAINER_ARRAY:
            if (set) {
                or_array(&next, words + first / 64, first, rows);
            } else {
                and_not_array(&next, words + first / 64, first, rows);
            }
            break;
        case CONTAINER_BITSET:
            apply_bitset(&next, words + first / 64, first, rows, set);
            break;
        case CONTAINER_RUNS:
            apply_runs(&next, words, first, rows, set);
            break;
        }
    }
}

void bitmap_view_or(const bitmap_view *view, uint64_t *words, size_t rows)
{
    apply(view, words, rows, true);
}

void bitmap_view_and_not(const bitmap_view *view, uint64_t *words, size_t rows)
{
    apply(view, words, rows, false);
}

static uint32_t *bitset_rows(const container *bitset, uint32_t base, uint32_t *out)
{
    for (uint32_t i = 0; i < BITSET_BYTES / 8; i++) {
        uint64_t word = load_u64(bitset->data + 8 * (size_t)i);
        for (; word != 0; word &= word - 1) {
            *out++ = base + i * 64 + (uint32_t)__builtin_ctzll(word);
        }
    }
    return out;
}

void bitmap_view_rows(const bitmap_view *view, uint32_t *rows)
{
    for (size_t i = 0; view->is_rows && i < view->count; i++)
        rows[i] = load_u32(view->bytes + 4 * i);
    if (view->is_rows) return;
    container_walk walk;
    container next;
    if (!walk_begin(&walk, view->bytes, view->size)) return;
    while (walk_next(&walk, &next)) {
        uint32_t base = next.key * CONTAINER_ROWS;
        switch (next.kind) {
        case CONTAINER_ARRAY:
            for (uint32_t i = 0; i < next.count; i++) {
                *rows++ = base + load_u16(next.data + 2 * (size_t)i);
            }
            break;
        case CONTAINER_BITSET:
            rows = bitset_rows(&next, base, rows);
            break;
        case CONTAINER_RUNS:
            for (uint32_t i = 0; i < next.runs; i++) {
                uint32_t first = base + load_u16(next.data + 4 * (size_t)i);
                uint32_t more = load_u16(next.data + 4 * (size_t)i + 2);
                for (uint32_t j = 0; j <= more; j++)
                    *rows++ = first + j;
            }
            break;
        }
    }
}
