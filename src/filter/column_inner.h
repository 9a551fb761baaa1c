/* What the two forms of a column are inside, and the question that an evaluation asks of one.
 * For the files of this room; column.h is the outside.
 */
#ifndef VEER_FILTER_COLUMN_INNER_H
#define VEER_FILTER_COLUMN_INNER_H

#include "filter/bitmap_view.h"
#include "filter/column.h"
#include "filter/column_dictionary.h"

struct column {
    column_type type;
    bool is_sealed;
    const veer_allocator *allocator;
};

/* ---- growing: column_growing.c says how rows are coded and what readers may rely on */

#define GROWING_MISSING_BOOL 2u        /* of u8: 0 false, 1 true */
#define GROWING_MISSING_TIME INT64_MIN /* of i64 */
#define GROWING_SEVERAL 0x80000000u    /* of u32: 0 missing, keyword + 1, or this | list */
#define GROWING_MISSING_NUMBER ((double)NAN)

/* The keywords of a row that has several. */
typedef struct keyword_list {
    uint64_t signature;      /* the union of keyword_signature of each: rules most lists out */
    const uint32_t *numbers; /* ascending */
    uint32_t count;
} keyword_list;

static inline uint64_t keyword_signature(uint32_t number)
{
    return (uint64_t)1 << (number * 0x9E3779B1u >> 26);
}

typedef struct growing_column {
    column base;
    stable rows;  /* f64, i64, u8 or u32, by type */
    stable lists; /* of keyword_list */
    text_pool list_memory;
    uint32_t lists_count; /* the writer's */
    keyword_dictionary keywords;
    _Atomic size_t rows_count;
    _Atomic size_t bytes; /* for column_memory */
} growing_column;

/* ---- sealed: column_sealed.c describes the bytes */

#define SEALED_MAGIC 0x4C4F4356u /* "VCOL" */
#define SEALED_VERSION 1u
#define SEALED_HEADER_BYTES 64u
#define SEALED_FLAG_UNIQUE 1u
#define SEALED_ALIGNMENT 8u

typedef struct sealed_column {
    column base;
    size_t rows;
    uint32_t present;  /* rows that have a value */
    uint32_t distinct; /* values */
    bool is_unique;    /* number and time: every value has one row, `ends` is left out */
    bitmap_view presence;
    bitmap_view trues;        /* bool */
    const uint8_t *values;    /* number and time: f64 or i64, ascending */
    const uint8_t *ends;      /* number and time: u32, rows up to and with each value */
    const uint8_t *sorted;    /* number and time: u32 rows by value, then row */
    uint64_t *steps;          /* column_steps.c; NULL: none */
    const uint8_t *text_ends; /* keyword: u64 */
    const uint8_t *data_ends; /* keyword: u64 */
    const uint8_t *counts;    /* keyword: u32 rows of each value */
    const uint8_t *texts;     /* keyword */
    const uint8_t *data;      /* keyword: of one row the u32 row, else a bitmap */
} sealed_column;

/* Rows [first, end) of a number or time column that have value `index`. */
static inline void sealed_value_rows(const sealed_column *sealed, uint32_t index, uint32_t *first,
                                     uint32_t *end)
{
    *first = sealed->is_unique ? index
             : index == 0      ? 0
                               : load_u32(sealed->ends + 4 * ((size_t)index - 1));
    *end = sealed->is_unique ? index + 1 : load_u32(sealed->ends + 4 * (size_t)index);
}

static inline const char *sealed_text(const sealed_column *sealed, uint32_t index, uint32_t *bytes)
{
    uint64_t first = index == 0 ? 0 : load_u64(sealed->text_ends + 8 * ((size_t)index - 1));
    *bytes = (uint32_t)(load_u64(sealed->text_ends + 8 * (size_t)index) - first);
    return (const char *)sealed->texts + first;
}

static inline const keyword_list *growing_list(const growing_column *growing, uint32_t code)
{
    return stable_at(&growing->lists, code & ~GROWING_SEVERAL);
}

/* column_steps.c: for number and time columns that have been checked. False: out of memory. */
bool sealed_steps_new(sealed_column *sealed);
void sealed_steps_free(sealed_column *sealed);
size_t sealed_steps_bytes(const sealed_column *sealed);
/* Writes words[bitset_words(rows)] with the sorted rows [first, end); false: it is no use for so few
 * of them, or where not all rows are asked about, and nothing is written. */
bool sealed_steps_between(const sealed_column *sealed, uint32_t first, uint32_t end, size_t rows,
                          uint64_t *words);

/* The rows of a keyword. */
void sealed_keyword(const sealed_column *sealed, uint32_t index, bitmap_view *view);

/* ---- questions */

typedef enum column_query_kind {
    COLUMN_HAS_VALUE,
    COLUMN_IN,      /* any of `values` */
    COLUMN_HAS_ALL, /* every one of `values`: keywords */
    COLUMN_BETWEEN, /* one value within the bounds */
} column_query_kind;

typedef struct column_query {
    column_query_kind kind;
    const column_value *values; /* ascending, distinct */
    size_t count;
    column_value lower; /* number and time: closed and always there */
    column_value upper;
    bool has_lower, has_upper;   /* keyword */
    bool lower_open, upper_open; /* keyword */
    /* NULL, or a bitset over the rows that matter: growing columns look at no others where a word
     * of 64 has none, and answer 0 there. */
    const uint64_t *within;
} column_query;

/* Order of keywords: by bytes, a prefix first. */
int keyword_compare(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes);
/* Order of two values of a type; false before true. */
int column_value_compare(column_type type, const column_value *a, const column_value *b);
bool keyword_is_between(const column_query *query, const char *text, uint32_t bytes);

/* Sets words[bitset_words(rows)] to the rows that answer the query; bits behind are 0. */
veer_status growing_match(const growing_column *growing, const column_query *query, size_t rows,
                          const veer_allocator *allocator, uint64_t *words);
veer_status sealed_match(const sealed_column *sealed, const column_query *query, size_t rows,
                         const veer_allocator *allocator, uint64_t *words);

/* At most how many rows answer: for the order of evaluation. */
size_t sealed_estimate(const sealed_column *sealed, const column_query *query);
/* The stored rows of the i-th value of a COLUMN_IN or COLUMN_HAS_ALL query (i < count), or of
 * COLUMN_HAS_VALUE (i = 0): false where they are not stored as one set. */
bool sealed_view(const sealed_column *sealed, const column_query *query, size_t i,
                 bitmap_view *view);

#endif
