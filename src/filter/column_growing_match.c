/* Answers over growing columns: one pass over the array, 64 rows to a word.
 *
 * The inner loops write a byte for each of 64 rows without a branch, which compilers turn into
 * vector compares, and gather the bytes into a word by a multiplication. Missing rows compare
 * false by themselves (column_growing.c). Chunks begin at multiples of 64 rows, so every word
 * belongs to one chunk.
 *
 * Keywords are looked up first; the pass then compares numbers of keywords, or tests a bit of a
 * set of keywords. Lists are looked into where their signature lets the wanted keywords through.
 * Many numbers or times go through a sieve of hashed bits, and a binary search decides about the
 * rows that it lets through: a list made to collide costs that search a row, no more.
 *
 * Within an AND, words of 64 rows that the terms before have emptied are passed over.
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

#define FEW_VALUES 4u /* measured: up to here comparing with each beats the sieve */

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

typedef struct scan_bounds {
    double lower, upper;
    int64_t from, to;
    uint8_t allowed[2]; /* of bool */
} scan_bounds;

typedef struct row_scan {
    scan_bounds bounds;
    const column_value *values; /* ascending */
    size_t values_count;
    const uint64_t *sieve; /* bit sieve_bit(value) is set for every value */
    unsigned sieve_shift;
    const uint64_t *keywords; /* bit keyword + 1 */
    uint64_t signature;       /* of the wanted keywords */
    const growing_column *growing;
    const uint32_t *wanted; /* keywords, ascending */
    size_t wanted_count;
} row_scan;

typedef void (*scan_chunk)(const void *values, size_t count, const row_scan *scan, uint64_t *words);

SCAN(number_present, double, value == value)
SCAN(number_between, double, (value >= bounds.lower) & (value <= bounds.upper))
SCAN(number_one, double, value == bounds.lower)
SCAN(time_present, int64_t, value != GROWING_MISSING_TIME)
SCAN(time_between, int64_t, (value >= bounds.from) & (value <= bounds.to))
SCAN(time_one, int64_t, value == bounds.from)
SCAN(bool_allowed, uint8_t, (value == bounds.allowed[0]) | (value == bounds.allowed[1]))
SCAN(keyword_present, uint32_t, value != 0)

static inline size_t sieve_bit(uint64_t bits, unsigned shift)
{
    return (size_t)(bits * 0x9E3779B97F4A7C15u >> shift);
}

/* Defines, for the values of one type: a compare with each of a few; a binary search; and for
 * many the sieve, one bit a row without a branch, then a search for the rows that pass it. */
#define SCAN_LISTED(few, many, type, member)                                                   \
    static void few##_add(const type *rows, size_t count, type wanted, uint8_t *restrict hits) \
    {                                                                                          \
        for (size_t j = 0; j < count; j++)                                                     \
            hits[j] |= rows[j] == wanted;                                                      \
    }                                                                                          \
    static void few(const type *values, size_t count, const row_scan *scan, uint64_t *words)   \
    {                                                                                          \
        for (size_t i = 0; i * 64 < count; i++) {                                              \
            uint8_t hits[64] = {0};                                                            \
            size_t rows = count - i * 64 < 64 ? count - i * 64 : 64;                           \
            for (size_t k = 0; k < scan->values_count; k++) {                                  \
                const type wanted = scan->values[k].as.member;                                 \
                if (rows == 64) {                                                              \
                    few##_add(values + i * 64, 64, wanted, hits);                              \
                } else {                                                                       \
                    few##_add(values + i * 64, rows, wanted, hits);                            \
                }                                                                              \
            }                                                                                  \
            words[i] = gather(hits);                                                           \
        }                                                                                      \
    }                                                                                          \
    static bool many##_search(const row_scan *scan, type wanted)                               \
    {                                                                                          \
        const column_value *first = scan->values;                                              \
        for (size_t count = scan->values_count; count > 1;) {                                  \
            size_t half = count / 2;                                                           \
            first = first[half].as.member <= wanted ? first + half : first;                    \
            count -= half;                                                                     \
        }                                                                                      \
        return first->as.member == wanted;                                                     \
    }                                                                                          \
    static void many(const type *values, size_t count, const row_scan *scan, uint64_t *words)  \
    {                                                                                          \
        for (size_t i = 0; i * 64 < count; i++) {                                              \
            size_t rows_count = count - i * 64 < 64 ? count - i * 64 : 64;                     \
            uint8_t hits[64] = {0};                                                            \
            for (size_t j = 0; j < rows_count; j++) {                                          \
                uint64_t bits;                                                                 \
                memcpy(&bits, &values[i * 64 + j], sizeof bits);                               \
                hits[j] = bitset_get(scan->sieve, sieve_bit(bits, scan->sieve_shift));         \
            }                                                                                  \
            uint64_t word = gather(hits);                                                      \
            for (uint64_t left = word; left != 0; left &= left - 1) {                          \
                size_t j = (size_t)__builtin_ctzll(left);                                      \
                if (!many##_search(scan, values[i * 64 + j])) word &= ~(left & (~left + 1));   \
            }                                                                                  \
            words[i] = word;                                                                   \
        }                                                                                      \
    }

SCAN_LISTED(number_few, number_many, double, number)
SCAN_LISTED(time_few, time_many, int64_t, time)

static bool several_has_any(const row_scan *scan, uint32_t code)
{
    const keyword_list *list = growing_list(scan->growing, code);
    if ((list->signature & scan->signature) == 0) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        if (bitset_get(scan->keywords, (size_t)list->numbers[i] + 1)) return true;
    }
    return false;
}

static bool several_has_all(const row_scan *scan, uint32_t code)
{
    const keyword_list *list = growing_list(scan->growing, code);
    if ((list->signature & scan->signature) != scan->signature) return false;
    size_t found = 0;
    for (uint32_t i = 0; i < list->count && found < scan->wanted_count; i++) {
        found += list->numbers[i] == scan->wanted[found];
    }
    return found == scan->wanted_count;
}

typedef enum keyword_question { ASK_ONE, ASK_ANY, ASK_ALL } keyword_question;

/* 64 rows or fewer; both compile to loops of their own. Rows of one keyword are compared without a
 * branch; those of several are visited by the bits of their word. */
static inline uint64_t keyword_word(const uint32_t *codes, size_t count, const row_scan *scan,
                                    keyword_question question)
{
    const uint32_t wanted = question == ASK_ONE ? scan->wanted[0] + 1 : 0;
    uint8_t hits[64] = {0}, several[64] = {0};
    for (size_t j = 0; j < count; j++) {
        uint32_t one = (codes[j] & GROWING_SEVERAL) != 0 ? 0 : codes[j];
        several[j] = (uint8_t)(codes[j] >> 31);
        if (question == ASK_ONE) hits[j] = codes[j] == wanted;
        if (question == ASK_ANY) hits[j] = bitset_get(scan->keywords, one);
    }
    uint64_t word = gather(hits);
    for (uint64_t left = gather(several); left != 0; left &= left - 1) {
        uint32_t code = codes[__builtin_ctzll(left)];
        bool has = question == ASK_ALL ? several_has_all(scan, code) : several_has_any(scan, code);
        if (has) word |= left & (~left + 1);
    }
    return word;
}

#define SCAN_KEYWORDS(name, question)                                                            \
    static void name(const uint32_t *codes, size_t count, const row_scan *scan, uint64_t *words) \
    {                                                                                            \
        for (size_t i = 0; i < count / 64; i++)                                                  \
            words[i] = keyword_word(codes + i * 64, 64, scan, question);                         \
        size_t whole = count / 64;                                                               \
        if (count % 64 != 0) {                                                                   \
            words[whole] = keyword_word(codes + whole * 64, count % 64, scan, question);         \
        }                                                                                        \
    }

SCAN_KEYWORDS(keyword_one, ASK_ONE)
SCAN_KEYWORDS(keyword_in, ASK_ANY)
SCAN_KEYWORDS(keyword_all, ASK_ALL)

/* Clears the answers of words in which no row matters, from *at on, and returns the end of those
 * behind them that do. Both are multiples of 64, or `end`. */
static size_t skip_words(const uint64_t *within, size_t *at, size_t end, uint64_t *words)
{
    for (; *at < end && within[*at / 64] == 0; *at += 64)
        words[*at / 64] = 0;
    if (*at > end) *at = end;
    size_t to = *at;
    while (to < end && within[to / 64] != 0)
        to += 64;
    return to < end ? to : end;
}

static void run(const growing_column *growing, const uint64_t *within, scan_chunk chunk,
                const row_scan *scan, size_t rows, uint64_t *words)
{
    size_t per_chunk = stable_chunk_elements(&growing->rows);
    for (size_t first = 0; first < rows; first += per_chunk) {
        size_t end = rows - first < per_chunk ? rows : first + per_chunk;
        for (size_t at = first; at < end;) {
            size_t to = within == NULL ? end : skip_words(within, &at, end, words);
            if (at < to) chunk(stable_at(&growing->rows, at), to - at, scan, words + at / 64);
            at = to;
        }
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
CHUNK_OF(time_one, int64_t)
CHUNK_OF(time_few, int64_t)
CHUNK_OF(time_many, int64_t)
CHUNK_OF(bool_allowed, uint8_t)
CHUNK_OF(keyword_present, uint32_t)
CHUNK_OF(keyword_one, uint32_t)
CHUNK_OF(keyword_in, uint32_t)
CHUNK_OF(keyword_all, uint32_t)

/* A bit for each value among 16 times as many: lets a sixteenth of the others through. */
static veer_status sieve_new(row_scan *scan, column_type type, const veer_allocator *allocator,
                             uint64_t **sieve, size_t *words)
{
    unsigned log2 = 6;
    while ((size_t)1 << log2 < 16 * scan->values_count)
        log2++;
    *words = ((size_t)1 << log2) / 64;
    *sieve = memory_array(allocator, *words, sizeof **sieve);
    if (*sieve == NULL) return VEER_E_NOMEM;
    scan->sieve = *sieve;
    scan->sieve_shift = 64 - log2;
    for (size_t i = 0; i < scan->values_count; i++) {
        uint64_t bits = (uint64_t)scan->values[i].as.time;
        if (type == COLUMN_NUMBER) memcpy(&bits, &scan->values[i].as.number, sizeof bits);
        bitset_set(*sieve, sieve_bit(bits, scan->sieve_shift));
    }
    return VEER_OK;
}

static veer_status match_ordered(const growing_column *growing, const column_query *query,
                                 size_t rows, const veer_allocator *allocator, uint64_t *words)
{
    bool is_number = growing->base.type == COLUMN_NUMBER;
    row_scan scan;
    memset(&scan, 0, sizeof scan);
    scan.values = query->values;
    scan.values_count = query->count;
    scan_chunk chunk = NULL;
    uint64_t *sieve = NULL;
    size_t sieve_words = 0;
    if (query->kind == COLUMN_HAS_VALUE) {
        chunk = is_number ? number_present_chunk : time_present_chunk;
    } else if (query->kind == COLUMN_BETWEEN) {
        scan.bounds.lower = query->lower.as.number;
        scan.bounds.upper = query->upper.as.number;
        scan.bounds.from = query->lower.as.time;
        scan.bounds.to = query->upper.as.time;
        chunk = is_number ? number_between_chunk : time_between_chunk;
    } else if (query->count == 1) {
        scan.bounds.lower = query->values[0].as.number;
        scan.bounds.from = query->values[0].as.time;
        chunk = is_number ? number_one_chunk : time_one_chunk;
    } else if (query->count <= FEW_VALUES) {
        chunk = is_number ? number_few_chunk : time_few_chunk;
    } else {
        VEER_TRY(sieve_new(&scan, growing->base.type, allocator, &sieve, &sieve_words));
        chunk = is_number ? number_many_chunk : time_many_chunk;
    }
    run(growing, query->within, chunk, &scan, rows, words);
    memory_array_free(allocator, sieve, sieve_words, sizeof *sieve);
    return VEER_OK;
}

static void match_bool(const growing_column *growing, const column_query *query, size_t rows,
                       uint64_t *words)
{
    row_scan scan;
    memset(&scan, 0, sizeof scan);
    scan.bounds.allowed[1] = 1; /* both, as for COLUMN_HAS_VALUE */
    if (query->kind == COLUMN_IN) {
        scan.bounds.allowed[0] = query->values[0].as.boolean;
        scan.bounds.allowed[1] = query->values[query->count - 1].as.boolean;
    }
    run(growing, query->within, bool_allowed_chunk, &scan, rows, words);
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

static veer_status match_one(const growing_column *growing, const uint64_t *within, uint32_t number,
                             size_t rows, size_t keywords, const veer_allocator *allocator,
                             uint64_t *words)
{
    size_t set_words = bitset_words(keywords + 1);
    uint64_t *set = memory_array(allocator, set_words, sizeof *set);
    if (set == NULL) return VEER_E_NOMEM;
    bitset_set(set, (size_t)number + 1);
    row_scan scan = {.keywords = set,
                     .signature = keyword_signature(number),
                     .growing = growing,
                     .wanted = &number,
                     .wanted_count = 1};
    run(growing, within, keyword_one_chunk, &scan, rows, words);
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
    uint64_t signature = 0;
    for (size_t i = 0; i < found; i++)
        signature |= keyword_signature(numbers[i]);
    veer_status status = VEER_OK;
    bool all = query->kind == COLUMN_HAS_ALL;
    uint64_t *set = NULL;
    size_t set_words = bitset_words(keywords + 1);
    if (found == 0 || (all && found < query->count)) {
        memset(words, 0, bitset_words(rows) * sizeof *words);
    } else if (found == 1) {
        VEER_GOTO(match_one(growing, query->within, numbers[0], rows, keywords, allocator, words));
    } else if (all) {
        sort_u32(numbers, found);
        row_scan scan = {
            .signature = signature, .growing = growing, .wanted = numbers, .wanted_count = found};
        run(growing, query->within, keyword_all_chunk, &scan, rows, words);
    } else {
        set = memory_array(allocator, set_words, sizeof *set);
        if (set == NULL) VEER_GOTO(VEER_E_NOMEM);
        for (size_t i = 0; i < found; i++)
            bitset_set(set, (size_t)numbers[i] + 1);
        row_scan scan = {.keywords = set, .signature = signature, .growing = growing};
        run(growing, query->within, keyword_in_chunk, &scan, rows, words);
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
    row_scan scan = {.keywords = set, .signature = UINT64_MAX, .growing = growing};
    run(growing, query->within, keyword_in_chunk, &scan, rows, words);
    memory_array_free(allocator, set, set_words, sizeof *set);
    return VEER_OK;
}

static veer_status match_keyword(const growing_column *growing, const column_query *query,
                                 size_t rows, const veer_allocator *allocator, uint64_t *words)
{
    if (query->kind == COLUMN_HAS_VALUE) {
        run(growing, query->within, keyword_present_chunk, &(row_scan){.growing = growing}, rows,
            words);
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
