/* What both parsers and binding share: looking up fields, checking and converting values, making
 * nodes in canonical form, counting them, and the texts of errors.
 */
#ifndef VEER_FILTER_FILTER_BUILD_H
#define VEER_FILTER_FILTER_BUILD_H

#include "filter/filter_tree.h"

/* Where in the source something stands, for error texts: a character of the text spelling (from
 * 1), else a path of the object spelling. */
typedef struct filter_place {
    size_t position; /* 0: use the path */
    const struct filter_path *path;
    size_t parameter; /* from 1; 0: none */
} filter_place;

typedef struct filter_path {
    const struct filter_path *above;
    const char *key; /* NULL: index */
    size_t key_bytes;
    size_t index;
} filter_path;

typedef struct filter_builder {
    arena *arena;
    const filter_field *fields;
    size_t fields_count;
    size_t nodes; /* made so far, values included */
    size_t parameters;
    veer_error *error;
} filter_builder;

typedef enum filter_scalar_kind {
    SCALAR_NULL,
    SCALAR_BOOL,
    SCALAR_INTEGER, /* exact */
    SCALAR_HUGE,    /* an integer that no int64 holds; `number` is near it */
    SCALAR_NUMBER,
    SCALAR_STRING,
    SCALAR_OTHER, /* array or object */
} filter_scalar_kind;

typedef struct filter_scalar {
    filter_scalar_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    const char *text;
    size_t bytes;
} filter_scalar;

/* Sets the error "filter: <place>: <text>" and returns the status. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
veer_status
build_fail(const filter_builder *builder, const filter_place *place, veer_status status,
           const char *format, ...);

/* A piece of a source text made fit for an error text: quoted, shortened, what
 * does not print as \xNN. */
typedef struct filter_excerpt {
    char text[176];
} filter_excerpt;
filter_excerpt excerpt_of(const char *text, size_t bytes, char quote);
filter_excerpt excerpt_of_scalar(const filter_scalar *scalar);

veer_status build_field(const filter_builder *builder, const filter_place *place, const char *name,
                        size_t bytes, filter_target *out);
/* Converts a scalar to what the field holds. Strings are copied into the arena. */
veer_status build_value(filter_builder *builder, const filter_place *place,
                        const filter_target *field, const filter_scalar *scalar, column_value *out);
filter_scalar scalar_of_json(const struct yyjson_val *value);
/* Counts `count` more nodes or values against FILTER_NODES_MAX. */
veer_status build_count(filter_builder *builder, const filter_place *place, size_t count);

/* A list that grows in the arena. */
typedef struct filter_list {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_bytes;
} filter_list;
/* The place of one more item, or NULL. */
void *build_push(filter_builder *builder, filter_list *list);
veer_status build_nomem(const filter_builder *builder);

typedef enum filter_compare {
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
} filter_compare;

/* Nodes. Operands are copied as far as they must be; lists are taken. */
veer_status build_all(filter_builder *builder, const filter_node **out);
/* AND or OR of children (const filter_node *): flat, and itself the child where there is one. */
veer_status build_group(filter_builder *builder, filter_kind kind, const filter_list *children,
                        const filter_node **out);
veer_status build_not(filter_builder *builder, const filter_node *child, const filter_node **out);
veer_status build_exists(filter_builder *builder, const filter_target *field,
                         const filter_node **out);
/* FILTER_IN or FILTER_HAS_ALL of operands (filter_operand). */
veer_status build_listed(filter_builder *builder, filter_kind kind, const filter_target *field,
                         const filter_list *operands, const filter_node **out);
veer_status build_between(filter_builder *builder, const filter_target *field,
                          const filter_bounds *bounds, const filter_node **out);
veer_status build_compare(filter_builder *builder, const filter_place *place,
                          const filter_target *field, filter_compare compare,
                          const filter_operand *operand, const filter_node **out);
/* Fails where the field's type has no such operator. */
veer_status build_check_order(const filter_builder *builder, const filter_place *place,
                              const filter_target *field, const char *operator_text);
veer_status build_check_keyword(const filter_builder *builder, const filter_place *place,
                                const filter_target *field, const char *operator_text);

/* Where the parsers of the two spellings are entered. */
veer_status filter_parse_text(filter_builder *builder, const char *text, size_t bytes,
                              const filter_node **out);
veer_status filter_parse_object(filter_builder *builder, const struct yyjson_val *object,
                                const filter_node **out);

#endif
