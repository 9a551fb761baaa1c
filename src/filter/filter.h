/* Filters: one grammar in two spellings, parsed to one tree, answered by columns.
 *
 *   text     tag = 'x' AND year >= 2020 AND NOT (draft = true OR tag IN ('a', ?))
 *            operators = == != <> < <= > >=, IN (...), NOT IN (...), BETWEEN a AND b, CONTAINS, CONTAINS ANY (...),
 *            CONTAINS ALL (...), EXISTS / IS NOT NULL, IS NULL, AND OR NOT, parentheses; keywords in any case; strings in
 *            single quotes ('' is a quote), field names bare or in double quotes; `?` takes the next parameter.
 *   object   {"tag": "x", "year": {"$gte": 2020}, "$or": [{...}, {...}], "$not": {...}} with $eq $ne $gt
 *            $gte $lt $lte $in $nin $exists $contains $containsAny $containsAll $and $or $nor $not.
 *
 * Meaning: two-valued. A comparison is true for a row that has a value and satisfies it (a keyword row:
 * any of its values); != and NOT IN are the negation of = and IN, and so true for rows without a value. NOT
 * is the complement over all rows. A time field compares with ISO 8601 strings or milliseconds. The exact words
 * are in docs/API.md.
 *
 * Errors: VEER_E_SYNTAX names the position (from 1, in characters) and what was expected; VEER_E_FIELD an unknown field (and the
 * nearest known name); VEER_E_TYPE a value that the field cannot hold; VEER_E_LIMIT more than
 * FILTER_DEPTH_MAX nested or FILTER_NODES_MAX terms.
 */
#ifndef VEER_FILTER_FILTER_H
#define VEER_FILTER_FILTER_H

#include "base/arena.h"
#include "filter/column.h"
#include "veer.h"

#define FILTER_DEPTH_MAX 64
#define FILTER_NODES_MAX 65536

typedef struct filter_field {
    const char *name;
    uint32_t id;
    column_type type; /* COLUMN_NONE: known, but not filterable (its kind is in `kind`) */
    const char *kind; /* the schema's word: "vector", "text", "keyword", ...: for error texts */
} filter_field;

typedef struct filter filter;
struct yyjson_val;

/* Parses a JSON string (text spelling) or object. The tree lives in the arena and borrows nothing. */
veer_status filter_parse(const struct yyjson_val *value, const filter_field *fields,
                         size_t fields_count, arena *arena, const filter **out, veer_error *error);
/* Number of `?` in it. */
size_t filter_parameters(const filter *filter);
/* The same tree with its `?` replaced by the values of a JSON array (NULL: none), type-checked. Returns the tree
 * itself where it has none. */
veer_status filter_bind(const filter *filter, const struct yyjson_val *parameters, arena *arena,
                        const struct filter **out, veer_error *error);

/* The columns of one segment. `find` returns the column of a field, NULL where no row has a value, and may fail
 * or be pending (it may have to read storage). */
typedef struct filter_columns {
    void *context;
    veer_status (*find)(void *context, uint32_t field_id, const column **column, veer_error *error);
    size_t rows; /* only the first `rows` rows are asked */
} filter_columns;

/* Sets bit r of bits[bitset_words(rows)] for every row r that matches, clears the others, and counts them. */
veer_status filter_evaluate(const filter *filter, const filter_columns *columns,
                            const veer_allocator *allocator, uint64_t *bits, size_t *matches,
                            veer_error *error);

#endif
