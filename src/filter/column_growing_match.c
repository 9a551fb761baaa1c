/* Answers over growing columns: one pass over the array, 64 rows to a word.
 *
 * The inner loops write a byte for each of 64 rows without a branch, which compilers turn into
 * vector compares, and gather the bytes into a word by a multiplication. Missing rows compare
 * false by themselves (column_growing.c). Chunks begin at multiples of 64 rows, so every word
 * belongs to one chunk.
 *
 * Keywords are looked up first; the pass then compares numbers of keywords, or tests a bit of a
 * set of keywords. Many numbers or times are looked up in a hash table, or, should its probes get
 * long (a list made to collide), by binary search: the cost a row stays bounded either way.
 *
 * Threads: readers of published rows (column_growing.c). Allocates only sets, from the caller's
 * allocator.
 */
#include <math.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/column_inner.h"
#include "filter/column_sort.h"

#define FEW_VALUES 4u  /* measured: up to here comparing with each beats a look-up */
#define PROBES_MAX 32u /* arbitrary */
/* No number or time has these bits: -0 is stored as 0, and INT64_MIN is a missing time. */
#define SLOT_EMPTY 0x8000000000000000u

static uint64_t gather(const uint8_t hits[64])
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t eight = load_u64(hits + 8 * (size_t)i) * 0x0102040810204080u >> 56;
        word |= eight << (8 * i);
    }
    return word;
}

/* Defines a function over `count` values that sets words[] by `test`, an expression in `value`. */
#define SCAN(name, type, test)                                                                \
    static void name(const type *values, size_t count, const row_scan *scan, uint64_t *words) \
    {                                                                                         \
        const scan_bounds bounds = scan->bounds;                                              \
        (void)bounds;                                                                         \
        size_t whole = count / 64;                                                            \
        for (size_t i = 0; i < whole; i++) {                                                  \
            uint8_t hits[64];                                                                 \
            for (size_t j = 0; j < 64; j++) {                                                 \
                const type value = values[i * 64 + j];                                        \
                hits[j] = (uint8_t)(test);                                                    \
            }                                                                                 \
            words[i] = gather(hits);                                                          \
        }                                                                                     \
        uint64_t tail = 0;                                                                    \
        for (size_t j = 0; j < count % 64; j++) {                                             \
            const type value = values[whole * 64 + j];                                        \
            tail |= (uint64_t)((test) != 0) << j;                                             \
        }                                                                                     \
        if (count % 64 != 0) words[whole] = tail;                                             \
    }

/* Values that a row is looked up in: open addressing over their bits, or sorted. */
typedef struct value_set {
    uint64_t *slots; /* NULL: search `values` */
    size_t slots_count;
    unsigned shift;
    const column_value *values;
    size_t count;
} value_set;

typedef struct scan_bounds {
    double lower, upper;
    int64_t from, to;
    double numbers[FEW_VALUES];
    int64_t times[FEW_VALUES];
    unsigned allowed; /* of bool: bit v is set where v matches */
} scan_bounds;

typedef struct row_scan {
    scan_bounds bounds;
    value_set set;
    const uint64_t *keywords; /* bit keyword + 1 */
    const growing_column *growing;
    const uint32_t *wanted; /* keywords, ascending */
    size_t wanted_count;
} row_scan;

typedef void (*scan_chunk)(const void *values, size_t count, const row_scan *scan, uint64_t *words);

static uint64_t number_bits(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static size_t slot_of(const value_set *set, uint64_t bits)
{
    return (size_t)(bits * 0x9E3779B97F4A7C15u >> set->shift);
}

static bool set_has(const value_set *set, uint64_t bits)
{
    size_t mask = set->slots_count - 1;
    for (size_t i = slot_of(set, bits);; i = (i + 1) & mask) {
        if (set->slots[i] == SLOT_EMPTY) return false;
        if (set->slots[i] == bits) return true;
    }
}

static bool set_has_number(const value_set *set, double number)
{
    if (set->slots != NULL) return set_has(set, number_bits(number));
    size_t first = 0;
    for (size_t count = set->count; count > 1;) {
        size_t half = count / 2;
        first += set->values[first + half].as.number <= number ? half : 0;
        count -= half;
    }
    return set->values[first].as.number == number;
}

static bool set_has_time(const value_set *set, int64_t time)
{
    if (set->slots != NULL) return set_has(set, (uint64_t)time);
    size_t first = 0;
    for (size_t count = set->count; count > 1;) {
        size_t half = count / 2;
        first += set->values[first + half].as.time <= time ? half : 0;
        count -= half;
    }
    return set->values[first].as.time == time;
}

static void set_fini(value_set *set, const veer_allocator *allocator)
{
    memory_array_free(allocator, set->slots, set->slots_count, sizeof *set->slots);
    set->slots = NULL;
}

static veer_status set_init(value_set *set, const column_query *query, column_type type,
                            const veer_allocator *allocator)
{
    set->values = query->values;
    set->count = query->count;
    unsigned log2 = 4;
    while ((size_t)1 << log2 < 2 * query->count)
        log2++;
    set->slots_count = (size_t)1 << log2;
    set->shift = 64 - log2;
    set->slots = memory_array(allocator, set->slots_count, sizeof *set->slots);
    if (set->slots == NULL) return VEER_E_NOMEM;
    for (size_t i = 0; i < set->slots_count; i++)
        set->slots[i] = SLOT_EMPTY;
    for (size_t i = 0; i < query->count; i++) {
        uint64_t bits = type == COLUMN_NUMBER ? number_bits(query->values[i].as.number)
                                              : (uint64_t)query->values[i].as.time;
        size_t slot = slot_of(set, bits);
        unsigned probes = 0;
        while (set->slots[slot] != SLOT_EMPTY && probes < PROBES_MAX) {
            slot = (slot + 1) & (set->slots_count - 1);
            probes++;
        }
        if (probes == PROBES_MAX) {
            set_fini(set, allocator);
            return VEER_OK;
        }
        set->slots[slot] = bits;
    }
    return VEER_OK;
}

SCAN(number_present, double, value == value)
SCAN(number_between, double, (value >= bounds.lower) & (value <= bounds.upper))
SCAN(number_few, double,
     (value == bounds.numbers[0]) | (value == bounds.numbers[1]) | (value == bounds.numbers[2]) |
         (value == bounds.numbers[3]))
SCAN(number_one, double, value == bounds.lower)
SCAN(number_many, double, set_has_number(&scan->set, value))
SCAN(time_present, int64_t, value != GROWING_MISSING_TIME)
SCAN(time_between, int64_t, (value >= bounds.from) & (value <= bounds.to))
SCAN(time_few, int64_t,
     (value == bounds.times[0]) | (value == bounds.times[1]) | (value == bounds.times[2]) |
         (value == bounds.times[3]))
SCAN(time_many, int64_t, set_has_time(&scan->set, value))
SCAN(bool_allowed, uint8_t, bounds.allowed >> value & 1)
SCAN(keyword_present, uint32_t, value != 0)

static bool several_has_any(const row_scan *scan, uint32_t code)
{
    const uint32_t *const *place = chunks_item(&scan->growing->lists, code & ~GROWING_SEVERAL);
    const uint32_t *list = *place;
    for (uint32_t i = 1; i <= list[0]; i++) {
        if (bitset_get(scan->keywords, (size_t)list[i] + 1)) return true;
    }
    return false;
}

static bool several_has_all(const row_scan *scan, uint32_t code)
{
    const uint32_t *const *place = chunks_item(&scan->growing->lists, code & ~GROWING_SEVERAL);
    const uint32_t *list = *place;
    if (list[0] < scan->wanted_count) return false;
    size_t found = 0;
    for (uint32_t i = 1; i <= list[0] && found < scan->wanted_count; i++) {
        found += list[i] == scan->wanted[found];
    }
    return found == scan->wanted_count;
}

static bool keyword_is_in(const row_scan *scan, uint32_t code)
{
    if ((code & GROWING_SEVERAL) != 0) return several_has_any(scan, code);
    return bitset_get(scan->keywords, code);
}

SCAN(keyword_in, uint32_t, keyword_is_in(scan, value))
SCAN(keyword_all, uint32_t, (value & GROWING_SEVERAL) != 0 && several_has_all(scan, value))

/* One keyword: compares numbers, and looks into lists only in words that have some. */
static void keyword_one(const uint32_t *codes, size_t count, const row_scan *scan, uint64_t *words)
{
    const uint32_t wanted = scan->wanted[0] + 1;
    for (size_t i = 0; i * 64 < count; i++) {
        size_t rows = count - i * 64 < 64 ? count - i * 64 : 64;
        uint8_t hits[64] = {0};
        uint32_t seen = 0;
        if (rows == 64) {
            for (size_t j = 0; j < 64; j++) {
                hits[j] = codes[i * 64 + j] == wanted;
                seen |= codes[i * 64 + j];
            }
        } else {
            for (size_t j = 0; j < rows; j++) {
                hits[j] = codes[i * 64 + j] == wanted;
                seen |= codes[i * 64 + j];
            }
        }
        for (size_t j = 0; j < rows && (seen & GROWING_SEVERAL) != 0; j++) {
            uint32_t code = codes[i * 64 + j];
            if ((code & GROWING_SEVERAL) != 0) hits[j] = several_has_any(scan, code);
        }
        words[i] = gather(hits);
    }
}

static void run(const growing_column *growing, scan_chunk chunk, const row_scan *scan, size_t rows,
                uint64_t *words)
{
    for (size_t i = 0; chunks_first(i) < rows; i++) {
        size_t first = chunks_first(i);
        size_t end = chunks_first(i + 1) < rows ? chunks_first(i + 1) : rows;
        chunk(chunks_data(&growing->rows, i), end - first, scan, words + first / 64);
    }
}

/* The scans take their own element type; this is the one place that forgets it. */
#define CHUNK_OF(name, type)                                                         \
    static void name##_chunk(const void *values, size_t count, const row_scan *scan, \
                             uint64_t *words)                                        \
    {                                                                                \
        name((const type *)values, count, scan, words);                              \
    }

CHUNK_OF(number_present, double)
CHUNK_OF(number_between, double)
CHUNK_OF(number_one, double)
CHUNK_OF(number_few, double)
CHUNK_OF(number_many, double)
CHUNK_OF(time_present, int64_t)
CHUNK_OF(time_between, int64_t)
CHUNK_OF(time_few, int64_t)
CHUNK_OF(time_many, int64_t)
CHUNK_OF(bool_allowed, uint8_t)
CHUNK_OF(keyword_present, uint32_t)
CHUNK_OF(keyword_one, uint32_t)
CHUNK_OF(keyword_in, uint32_t)
CHUNK_OF(keyword_all, uint32_t)

static veer_status match_ordered(const growing_column *growing, const column_query *query,
                                 size_t rows, const veer_allocator *allocator, uint64_t *words)
{
    bool is_number = growing->base.type == COLUMN_NUMBER;
    row_scan scan;
    memset(&scan, 0, sizeof scan);
    scan_chunk chunk = NULL;
    if (query->kind == COLUMN_HAS_VALUE) {
        chunk = is_number ? number_present_chunk : time_present_chunk;
    } else if (query->kind == COLUMN_BETWEEN) {
        scan.bounds.lower = query->lower.as.number;
        scan.bounds.upper = query->upper.as.number;
        scan.bounds.from = query->lower.as.time;
        scan.bounds.to = query->upper.as.time;
        chunk = is_number ? number_between_chunk : time_between_chunk;
    } else if (query->count <= FEW_VALUES) {
        for (size_t i = 0; i < FEW_VALUES; i++) {
            const column_value *value = &query->values[i < query->count ? i : 0];
            if (is_number) {
                scan.bounds.numbers[i] = value->as.number;
            } else {
                scan.bounds.times[i] = value->as.time;
            }
        }
        scan.bounds.lower = scan.bounds.numbers[0];
        chunk = !is_number          ? time_few_chunk
                : query->count == 1 ? number_one_chunk
                                    : number_few_chunk;
    } else {
        VEER_TRY(set_init(&scan.set, query, growing->base.type, allocator));
        chunk = is_number ? number_many_chunk : time_many_chunk;
    }
    run(growing, chunk, &scan, rows, words);
    set_fini(&scan.set, allocator);
    return VEER_OK;
}

static void match_bool(const growing_column *growing, const column_query *query, size_t rows,
                       uint64_t *words)
{
    row_scan scan;
    memset(&scan, 0, sizeof scan);
    if (query->kind == COLUMN_HAS_VALUE) scan.bounds.allowed = 3;
    for (size_t i = 0; i < query->count && query->kind == COLUMN_IN; i++) {
        scan.bounds.allowed |= 1u << query->values[i].as.boolean;
    }
    run(growing, bool_allowed_chunk, &scan, rows, words);
}

/* The wanted keywords' numbers, ascending, into numbers[query->count]; returns how many of them
 * exist. */
static size_t find_keywords(const growing_column *growing, const column_query *query,
                            uint32_t *numbers)
{
    size_t found = 0;
    for (size_t i = 0; i < query->count; i++) {
        uint32_t number = dictionary_find(&growing->keywords, query->values[i].as.keyword.text,
                                          query->values[i].as.keyword.bytes);
        if (number != DICTIONARY_NONE) numbers[found++] = number;
    }
    return found;
}

static veer_status match_one(const growing_column *growing, uint32_t number, size_t rows,
                             size_t keywords, const veer_allocator *allocator, uint64_t *words)
{
    size_t set_words = bitset_words(keywords + 1);
    uint64_t *set = memory_array(allocator, set_words, sizeof *set);
    if (set == NULL) return VEER_E_NOMEM;
    bitset_set(set, (size_t)number + 1);
    row_scan scan = {.keywords = set, .growing = growing, .wanted = &number, .wanted_count = 1};
    run(growing, keyword_one_chunk, &scan, rows, words);
    memory_array_free(allocator, set, set_words, sizeof *set);
    return VEER_OK;
}

static veer_status match_listed(const growing_column *growing, const column_query *query,
                                size_t rows, const veer_allocator *allocator, uint64_t *words)
{
    size_t keywords = dictionary_count(&growing->keywords);
    uint32_t *numbers = memory_array(allocator, query->count, sizeof *numbers);
    if (numbers == NULL) return VEER_E_NOMEM;
    size_t found = find_keywords(growing, query, numbers);
    /* A keyword may have come since; no row that is asked has it. */
    for (size_t i = 0; i < found; i++) {
        if (numbers[i] >= keywords) numbers[i--] = numbers[--found];
    }
    veer_status status = VEER_OK;
    bool all = query->kind == COLUMN_HAS_ALL;
    uint64_t *set = NULL;
    size_t set_words = bitset_words(keywords + 1);
    if (found == 0 || (all && found < query->count)) {
        memset(words, 0, bitset_words(rows) * sizeof *words);
    } else if (found == 1) {
        VEER_GOTO(match_one(growing, numbers[0], rows, keywords, allocator, words));
    } else if (all) {
        sort_u32(numbers, found);
        row_scan scan = {.growing = growing, .wanted = numbers, .wanted_count = found};
        run(growing, keyword_all_chunk, &scan, rows, words);
    } else {
        set = memory_array(allocator, set_words, sizeof *set);
        if (set == NULL) VEER_GOTO(VEER_E_NOMEM);
        for (size_t i = 0; i < found; i++)
            bitset_set(set, (size_t)numbers[i] + 1);
        row_scan scan = {.keywords = set, .growing = growing};
        run(growing, keyword_in_chunk, &scan, rows, words);
    }
done:
    memory_array_free(allocator, set, set_words, sizeof *set);
    memory_array_free(allocator, numbers, query->count, sizeof *numbers);
    return status;
}

static veer_status match_keyword_range(const growing_column *growing, const column_query *query,
                                       size_t rows, const veer_allocator *allocator,
                                       uint64_t *words)
{
    uint32_t keywords = dictionary_count(&growing->keywords);
    size_t set_words = bitset_words((size_t)keywords + 1);
    uint64_t *set = memory_array(allocator, set_words, sizeof *set);
    if (set == NULL) return VEER_E_NOMEM;
    for (uint32_t i = 0; i < keywords; i++) {
        const keyword *known = dictionary_keyword(&growing->keywords, i);
        if (keyword_is_between(query, known->text, known->bytes)) bitset_set(set, (size_t)i + 1);
    }
    row_scan scan = {.keywords = set, .growing = growing};
    run(growing, keyword_in_chunk, &scan, rows, words);
    memory_array_free(allocator, set, set_words, sizeof *set);
    return VEER_OK;
}

static veer_status match_keyword(const growing_column *growing, const column_query *query,
                                 size_t rows, const veer_allocator *allocator, uint64_t *words)
{
    if (query->kind == COLUMN_HAS_VALUE) {
        run(growing, keyword_present_chunk, &(row_scan){.growing = growing}, rows, words);
        return VEER_OK;
    }
    if (query->kind == COLUMN_BETWEEN) {
        return match_keyword_range(growing, query, rows, allocator, words);
    }
    return match_listed(growing, query, rows, allocator, words);
}

veer_status growing_match(const growing_column *growing, const column_query *query, size_t rows,
                          const veer_allocator *allocator, uint64_t *words)
{
    size_t known = column_rows(&growing->base);
    size_t asked = rows < known ? rows : known;
    size_t asked_words = bitset_words(asked);
    memset(words + asked_words, 0, (bitset_words(rows) - asked_words) * sizeof *words);
    bool listed = query->kind == COLUMN_IN || query->kind == COLUMN_HAS_ALL;
    if (listed && query->count == 0) {
        memset(words, 0, asked_words * sizeof *words);
        return VEER_OK;
    }
    switch (growing->base.type) {
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        return match_ordered(growing, query, asked, allocator, words);
    case COLUMN_BOOL:
        match_bool(growing, query, asked, words);
        return VEER_OK;
    case COLUMN_KEYWORD:
        return match_keyword(growing, query, asked, allocator, words);
    case COLUMN_NONE:
        break;
    }
    return VEER_E_INTERNAL;
}
