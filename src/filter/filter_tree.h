/* The tree that both spellings become: nodes in the caller's arena, immutable once parsed.
 *
 * Canonical form, made by filter_build.c: no AND in an AND and no OR in an OR; children at least
 * two; NOT never on NOT; every comparison with values is FILTER_IN (= is one value, != its NOT),
 * FILTER_BETWEEN or FILTER_HAS_ALL; values ascend and do not repeat; bounds of numbers and times
 * are closed. A node with `?` keeps its operands as written until filter_bind replaces them.
 */
#ifndef VEER_FILTER_FILTER_TREE_H
#define VEER_FILTER_FILTER_TREE_H

#include "filter/column_inner.h"
#include "filter/filter.h"

typedef enum filter_kind {
    FILTER_ALL, /* every row */
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_EXISTS,  /* a value is there */
    FILTER_IN,      /* a value is one of `values` */
    FILTER_HAS_ALL, /* keyword: every one of `values` is there; at least two */
    FILTER_BETWEEN, /* a value is within the bounds */
} filter_kind;

typedef struct filter_target {
    const char *name;
    uint32_t id;
    column_type type;
} filter_target;

/* A value as written: a literal, or the parameter `parameter` - 1. */
typedef struct filter_operand {
    column_value value;
    uint32_t parameter;
    bool in_list; /* an array as parameter stands for several values */
    size_t position;
} filter_operand;

typedef struct filter_bounds {
    filter_operand lower, upper;
    bool has_lower, has_upper;
    bool lower_open, upper_open;
} filter_bounds;

typedef struct filter_node {
    filter_kind kind;
    bool is_bound; /* no `?` in it or below */
    filter_target field;
    const struct filter_node *const *children; /* AND, OR, NOT */
    size_t children_count;
    const column_value *values; /* IN, HAS_ALL, when bound */
    size_t values_count;
    const filter_operand *operands; /* IN, HAS_ALL, while not bound */
    size_t operands_count;
    filter_bounds bounds; /* BETWEEN */
} filter_node;

struct filter {
    const filter_node *root;
    size_t parameters;
};

/* Appends the filter in the text spelling; parsing it gives an equal tree. For explanations and
 * tests. */
void filter_print(const filter *filter, byte_writer *out);
bool filter_equal(const filter *a, const filter *b);

#endif
