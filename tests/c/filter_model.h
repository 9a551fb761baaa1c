/* A naive model of filters: rows of plain values, trees of their own, answers row by row.
 *
 * Nothing here is shared with src/filter but the field descriptions and column_value: the trees,
 * the comparisons and both printers are written again, as plainly as possible.
 */
#ifndef VEER_TESTS_FILTER_MODEL_H
#define VEER_TESTS_FILTER_MODEL_H

#include <stdio.h>
#include <yyjson.h>

#include "base/rng.h"
#include "filter/filter.h"

#define MODEL_FIELDS 8u
#define MODEL_VALUES_MAX 6u /* of a row's field */
#define MODEL_WORDS 40u
#define MODEL_EMPTY_ROWS 100u /* behind those that are asked for: rows without any value */

extern const filter_field model_fields[MODEL_FIELDS];

typedef struct model_cell {
    size_t count;
    column_value values[MODEL_VALUES_MAX];
} model_cell;

typedef struct model_row {
    model_cell cells[MODEL_FIELDS];
} model_row;

typedef enum model_op {
    MODEL_AND,
    MODEL_OR,
    MODEL_NOT,
    MODEL_TRUE,
    MODEL_EQ,
    MODEL_NE,
    MODEL_LT,
    MODEL_LE,
    MODEL_GT,
    MODEL_GE,
    MODEL_IN,
    MODEL_NOT_IN,
    MODEL_BETWEEN,
    MODEL_CONTAINS,
    MODEL_CONTAINS_ANY,
    MODEL_CONTAINS_ALL,
    MODEL_EXISTS,
    MODEL_NOT_EXISTS,
} model_op;

#define MODEL_CHILDREN_MAX 4u
#define MODEL_LIST_MAX 9u

typedef struct model_node {
    model_op op;
    size_t field;
    bool is_bare; /* in the object spelling: {field: value} for $eq */
    size_t count; /* of children or values */
    struct model_node *children[MODEL_CHILDREN_MAX];
    column_value values[MODEL_LIST_MAX];
} model_node;

typedef struct model_text {
    char *text;
    size_t bytes;
    char *parameters; /* a JSON array */
} model_text;

model_row *model_rows_new(rng *random, size_t rows); /* free() */
/* Appends the field of rows[first, end) to a growing column, reserving in random batches. */
void model_append(rng *random, column *growing, const model_row *rows, size_t field, size_t first,
                  size_t end);
column_value model_value(rng *random, size_t field);
const char *model_word(size_t i, size_t *bytes);

model_node *model_tree_new(rng *random, unsigned depth);
void model_tree_free(model_node *tree);
bool model_matches(const model_node *tree, const model_row *row);
/* The text spelling in one of its many shapes; some values become parameters where allowed. */
model_text model_print_text(rng *random, const model_node *tree, bool with_parameters);
/* The object spelling. False where it has none for this tree (BETWEEN of a keyword). */
bool model_print_object(const model_node *tree, model_text *out);
void model_text_free(model_text *text);

/* Parses a filter given as the text or JSON of a request would give it, and binds it. */
veer_status model_parse(const char *text, size_t bytes, bool is_object, const char *parameters,
                        arena *memory, const filter **out, veer_error *error);

#endif
