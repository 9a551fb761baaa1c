/* Filters: one grammar in two spellings, parsed to one tree, answered by columns.
 *
 *   text     tag = 'x' AND year >= 2020 AND NOT (draft = true OR tag IN ('a', ?))
 *            comparisons  = == != <> < <= > >=, BETWEEN a AND b, CONTAINS a
 *            lists        IN (...), NOT IN (...), CONTAINS ANY (...), CONTAINS ALL (...)
 *            presence     EXISTS, IS NOT NULL, IS NULL
 *            structure    AND, OR, NOT, parentheses, TRUE, FALSE
 *            Words in any case; AND binds closer than OR. Strings in single quotes ('' is a
 *            quote); field names bare or in double quotes; numbers as in JSON. `?` takes the next
 *            parameter; in a list, or instead of one, it may be an array.
 *   object   {"tag": "x", "year": {"$gte": 2020}, "$or": [{...}, {...}], "$not": {...}} with $eq
 *            $ne $gt $gte $lt $lte $in $nin $exists $contains $containsAny $containsAll $not on
 *            fields, and $and $or $nor $not between. All members must hold; {} is every row;
 *            {"tag": null} is a row without the field.
 *
 * Meaning, two-valued: a row matches or does not.
 *   A row has no value where the field is absent, null or an empty array.
 *   A comparison holds for a row that has a value that satisfies it. A keyword row may have
 *   several values, and any of them will do: tag = 'a' and tag CONTAINS 'a' ask the same, tag IN
 *   (...) and CONTAINS ANY (...) too. Two comparisons may be met by two values; BETWEEN and
 *   CONTAINS ALL speak of one value and of all of the listed ones.
 *   !=, NOT IN, NOT BETWEEN and the other negations are the complement over all rows: tag != 'a'
 *   holds where no value is 'a', so also where there is none. The same goes for NOT and $not.
 *   IN () holds nowhere, NOT IN () and CONTAINS ALL () everywhere.
 *   Keywords are ordered by their bytes (which is the order of code points), bools are not
 *   ordered. A time is compared with an ISO 8601 string or whole milliseconds. -0 is 0. Null
 *   compares with nothing: = NULL is an error that names IS NULL.
 *
 * Errors begin with "filter: " and where: a character of the text from 1 ("at 12"), a path of the
 * object ("at $or[1].year"), or a parameter ("parameter 2").
 *   VEER_E_SYNTAX   what was expected and what was found
 *   VEER_E_FIELD    an unknown field, and the nearest known name
 *   VEER_E_TYPE     a value that the field cannot hold, an operator that its type has not, a field
 *                   that is not filterable
 *   VEER_E_RANGE    an integer beyond 2^53, a number beyond a double, a time beyond its range
 *   VEER_E_LIMIT    more than FILTER_DEPTH_MAX nested or FILTER_NODES_MAX terms and values; a
 *                   keyword longer than COLUMN_KEYWORD_BYTES_MAX
 *   VEER_E_INVALID  as many parameters as there are `?` were not given
 *
 * Threads: a filter is immutable; any number of threads may bind and evaluate it.
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

/* Parses a JSON string (text spelling) or object. The tree lives in the arena and borrows
 * nothing. */
veer_status filter_parse(const struct yyjson_val *value, const filter_field *fields,
                         size_t fields_count, arena *arena, const filter **out, veer_error *error);
/* Number of `?` in it. */
size_t filter_parameters(const filter *filter);
/* The same tree with its `?` replaced by the values of a JSON array (NULL: none), type-checked.
 * Returns the tree itself where it has none; else the new one shares what has no `?`. */
veer_status filter_bind(const filter *filter, const struct yyjson_val *parameters, arena *arena,
                        const struct filter **out, veer_error *error);

/* The columns of one segment. `find` gives the column of a field, NULL where no row has a value,
 * and may fail or be pending (it may have to read storage). It is asked for every field once
 * before any column is read, also after it has answered VEER_PENDING for one. */
typedef struct filter_columns {
    void *context;
    veer_status (*find)(void *context, uint32_t field_id, const column **column, veer_error *error);
    size_t rows; /* only the first `rows` rows are asked */
} filter_columns;

/* Sets bit r of bits[bitset_words(rows)] for every row r that matches, clears the others, and
 * counts them. Bits are written on success only. Scratch comes from the allocator: a bitset of
 * the segment for each level of the tree. */
veer_status filter_evaluate(const filter *filter, const filter_columns *columns,
                            const veer_allocator *allocator, uint64_t *bits, size_t *matches,
                            veer_error *error);

#endif
