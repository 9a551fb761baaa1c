/* The parser of the object spelling: {"field": value or operators, "$or": [...], ...}.
 *
 * Every member of an object must hold. A member is
 *   "field": value                     {"$eq": value}; null: the field has no value
 *   "field": {"$op": operand, ...}     all of $eq $ne $gt $gte $lt $lte $in $nin $exists
 *                                      $contains $containsAny $containsAll, $not: {operators}
 *   "$and" | "$or" | "$nor": [objects] at least one
 *   "$not": object
 * An empty object is every row.
 *
 * Objects nest as far as JSON lets them, so depth is counted here. An error names the path to
 * what does not fit: `filter: at $or[1].year: ...`.
 */
#include <string.h>
#include <yyjson.h>

#include "base/status.h"
#include "filter/filter_build.h"

typedef struct object_parser {
    filter_builder *builder;
    unsigned depth;
} object_parser;

static veer_status parse_object(object_parser *parser, yyjson_val *object, const filter_path *path,
                                const filter_node **out);

static filter_place place_of(const filter_path *path)
{
    return (filter_place){.path = path};
}

static veer_status syntax(const object_parser *parser, const filter_path *path, const char *what)
{
    filter_place place = place_of(path);
    return build_fail(parser->builder, &place, VEER_E_SYNTAX, "%s", what);
}

static veer_status push_node(object_parser *parser, filter_list *list, const filter_node *node)
{
    const filter_node **place = build_push(parser->builder, list);
    if (place == NULL) return build_nomem(parser->builder);
    *place = node;
    return VEER_OK;
}

static bool key_is(const filter_path *path, const char *key)
{
    return strlen(key) == path->key_bytes && memcmp(path->key, key, path->key_bytes) == 0;
}

static veer_status negate_if(object_parser *parser, bool is_not, const filter_node *node,
                             const filter_node **out)
{
    if (is_not) return build_not(parser->builder, node, out);
    *out = node;
    return VEER_OK;
}

/* ---- operators of a field */

static veer_status parse_value(object_parser *parser, const filter_path *path,
                               const filter_target *field, yyjson_val *value, filter_operand *out)
{
    filter_place place = place_of(path);
    filter_scalar scalar = scalar_of_json(value);
    memset(out, 0, sizeof *out);
    VEER_TRY(build_count(parser->builder, &place, 1));
    return build_value(parser->builder, &place, field, &scalar, &out->value);
}

static veer_status parse_equal(object_parser *parser, const filter_path *path,
                               const filter_target *field, yyjson_val *value,
                               const filter_node **out)
{
    if (yyjson_is_null(value)) {
        const filter_node *exists = NULL;
        VEER_TRY(build_exists(parser->builder, field, &exists));
        return build_not(parser->builder, exists, out);
    }
    filter_operand operand;
    filter_list list = {.items = &operand, .count = 1, .item_bytes = sizeof operand};
    VEER_TRY(parse_value(parser, path, field, value, &operand));
    return build_listed(parser->builder, FILTER_IN, field, &list, out);
}

static veer_status parse_listed(object_parser *parser, const filter_path *path,
                                const filter_target *field, filter_kind kind, yyjson_val *array,
                                const filter_node **out)
{
    if (!yyjson_is_arr(array)) return syntax(parser, path, "expected an array of values");
    filter_list list = {.item_bytes = sizeof(filter_operand)};
    size_t index, count;
    yyjson_val *value;
    yyjson_arr_foreach(array, index, count, value)
    {
        filter_path item = {.above = path, .index = index};
        filter_operand operand;
        VEER_TRY(parse_value(parser, &item, field, value, &operand));
        filter_operand *place = build_push(parser->builder, &list);
        if (place == NULL) return build_nomem(parser->builder);
        *place = operand;
    }
    return build_listed(parser->builder, kind, field, &list, out);
}

static veer_status parse_exists(object_parser *parser, const filter_path *path,
                                const filter_target *field, yyjson_val *value,
                                const filter_node **out)
{
    if (!yyjson_is_bool(value)) return syntax(parser, path, "expected true or false");
    const filter_node *exists = NULL;
    VEER_TRY(build_exists(parser->builder, field, &exists));
    return negate_if(parser, !yyjson_get_bool(value), exists, out);
}

static veer_status parse_contains(object_parser *parser, const filter_path *path,
                                  const filter_target *field, yyjson_val *value,
                                  const filter_node **out)
{
    filter_place place = place_of(path);
    VEER_TRY(build_check_keyword(parser->builder, &place, field, "$contains"));
    if (key_is(path, "$containsAny")) {
        return parse_listed(parser, path, field, FILTER_IN, value, out);
    }
    if (key_is(path, "$containsAll")) {
        return parse_listed(parser, path, field, FILTER_HAS_ALL, value, out);
    }
    filter_operand operand;
    filter_list list = {.items = &operand, .count = 1, .item_bytes = sizeof operand};
    VEER_TRY(parse_value(parser, path, field, value, &operand));
    return build_listed(parser->builder, FILTER_IN, field, &list, out);
}

static veer_status parse_operators(object_parser *parser, yyjson_val *operators,
                                   const filter_path *path, const filter_target *field,
                                   const filter_node **out);

static veer_status parse_operator(object_parser *parser, const filter_path *path,
                                  const filter_target *field, yyjson_val *value,
                                  const filter_node **out)
{
    static const struct {
        const char *key;
        filter_compare compare;
    } orders[] = {{"$lt", COMPARE_LESS},
                  {"$lte", COMPARE_LESS_EQUAL},
                  {"$gt", COMPARE_GREATER},
                  {"$gte", COMPARE_GREATER_EQUAL}};
    filter_place place = place_of(path);
    const filter_node *node = NULL;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (!key_is(path, orders[i].key)) continue;
        filter_operand operand;
        VEER_TRY(parse_value(parser, path, field, value, &operand));
        return build_compare(parser->builder, &place, field, orders[i].compare, &operand, out);
    }
    if (key_is(path, "$eq") || key_is(path, "$ne")) {
        VEER_TRY(parse_equal(parser, path, field, value, &node));
        return negate_if(parser, key_is(path, "$ne"), node, out);
    }
    if (key_is(path, "$in") || key_is(path, "$nin")) {
        VEER_TRY(parse_listed(parser, path, field, FILTER_IN, value, &node));
        return negate_if(parser, key_is(path, "$nin"), node, out);
    }
    if (key_is(path, "$exists")) return parse_exists(parser, path, field, value, out);
    if (key_is(path, "$contains") || key_is(path, "$containsAny") || key_is(path, "$containsAll")) {
        return parse_contains(parser, path, field, value, out);
    }
    if (key_is(path, "$not")) {
        if (!yyjson_is_obj(value)) return syntax(parser, path, "expected an object of operators");
        VEER_TRY(parse_operators(parser, value, path, field, &node));
        return build_not(parser->builder, node, out);
    }
    return syntax(parser, path,
                  "unknown operator; there are $eq $ne $gt $gte $lt $lte $in $nin $exists "
                  "$contains $containsAny $containsAll $not");
}

static veer_status enter(object_parser *parser, const filter_path *path)
{
    filter_place place = place_of(path);
    if (parser->depth == FILTER_DEPTH_MAX) {
        return build_fail(parser->builder, &place, VEER_E_LIMIT, "more than %d levels of objects",
                          FILTER_DEPTH_MAX);
    }
    parser->depth++;
    return build_count(parser->builder, &place, 1);
}

static veer_status parse_operators(object_parser *parser, yyjson_val *operators,
                                   const filter_path *path, const filter_target *field,
                                   const filter_node **out)
{
    filter_list children = {.item_bytes = sizeof(const filter_node *)};
    size_t index, count;
    yyjson_val *key, *value;
    VEER_TRY(enter(parser, path));
    if (yyjson_obj_size(operators) == 0) {
        return syntax(parser, path, "expected an operator such as $eq in the object");
    }
    yyjson_obj_foreach(operators, index, count, key, value)
    {
        filter_path member = {
            .above = path, .key = yyjson_get_str(key), .key_bytes = yyjson_get_len(key)};
        const filter_node *child = NULL;
        VEER_TRY(parse_operator(parser, &member, field, value, &child));
        VEER_TRY(push_node(parser, &children, child));
    }
    parser->depth--;
    return build_group(parser->builder, FILTER_AND, &children, out);
}

/* ---- structure */

static veer_status parse_array(object_parser *parser, const filter_path *path, yyjson_val *array,
                               filter_kind kind, const filter_node **out)
{
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) == 0) {
        return syntax(parser, path, "expected an array of at least one object");
    }
    filter_list children = {.item_bytes = sizeof(const filter_node *)};
    size_t index, count;
    yyjson_val *value;
    yyjson_arr_foreach(array, index, count, value)
    {
        filter_path item = {.above = path, .index = index};
        const filter_node *child = NULL;
        if (!yyjson_is_obj(value)) return syntax(parser, &item, "expected an object");
        VEER_TRY(parse_object(parser, value, &item, &child));
        VEER_TRY(push_node(parser, &children, child));
    }
    return build_group(parser->builder, kind, &children, out);
}

static veer_status parse_field(object_parser *parser, const filter_path *path, yyjson_val *value,
                               const filter_node **out)
{
    filter_place place = place_of(path);
    filter_target field;
    VEER_TRY(build_field(parser->builder, &place, path->key, path->key_bytes, &field));
    if (yyjson_is_obj(value)) return parse_operators(parser, value, path, &field, out);
    return parse_equal(parser, path, &field, value, out);
}

static veer_status parse_member(object_parser *parser, const filter_path *path, yyjson_val *value,
                                const filter_node **out)
{
    const filter_node *node = NULL;
    if (key_is(path, "$and")) return parse_array(parser, path, value, FILTER_AND, out);
    if (key_is(path, "$or")) return parse_array(parser, path, value, FILTER_OR, out);
    if (key_is(path, "$nor")) {
        VEER_TRY(parse_array(parser, path, value, FILTER_OR, &node));
        return build_not(parser->builder, node, out);
    }
    if (key_is(path, "$not")) {
        if (!yyjson_is_obj(value)) return syntax(parser, path, "expected an object");
        VEER_TRY(parse_object(parser, value, path, &node));
        return build_not(parser->builder, node, out);
    }
    if (path->key_bytes > 0 && path->key[0] == '$') {
        return syntax(parser, path,
                      "unknown operator; between fields there are $and $or $nor $not");
    }
    return parse_field(parser, path, value, out);
}

static veer_status parse_object(object_parser *parser, yyjson_val *object, const filter_path *path,
                                const filter_node **out)
{
    VEER_TRY(enter(parser, path));
    if (yyjson_obj_size(object) == 0) {
        parser->depth--;
        return build_all(parser->builder, out);
    }
    filter_list children = {.item_bytes = sizeof(const filter_node *)};
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        filter_path member = {
            .above = path, .key = yyjson_get_str(key), .key_bytes = yyjson_get_len(key)};
        const filter_node *child = NULL;
        VEER_TRY(parse_member(parser, &member, value, &child));
        VEER_TRY(push_node(parser, &children, child));
    }
    parser->depth--;
    return build_group(parser->builder, FILTER_AND, &children, out);
}

veer_status filter_parse_object(filter_builder *builder, const struct yyjson_val *object,
                                const filter_node **out)
{
    object_parser parser = {.builder = builder};
    return parse_object(&parser, (yyjson_val *)(uintptr_t)object, NULL, out);
}
