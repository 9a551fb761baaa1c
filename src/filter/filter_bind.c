/* Parsing, whichever spelling it is, and binding: a copy of the tree with its `?` replaced.
 *
 * Binding rebuilds the nodes that have parameters below them and shares the others, so that a
 * prepared filter is bound in time of its parameters. Values are checked against their fields as
 * literals are; an error names the parameter.
 */
#include <yyjson.h>

#include "base/status.h"
#include "filter/filter_build.h"

typedef struct filter_binding {
    filter_builder *builder;
    yyjson_val **parameters;
} filter_binding;

static veer_status new_filter(filter_builder *builder, const filter_node *root, size_t parameters,
                              const filter **out)
{
    struct filter *made = arena_new(builder->arena, sizeof *made);
    if (made == NULL) return build_nomem(builder);
    made->root = root;
    made->parameters = parameters;
    *out = made;
    return VEER_OK;
}

veer_status filter_parse(const struct yyjson_val *value, const filter_field *fields,
                         size_t fields_count, arena *memory, const filter **out, veer_error *error)
{
    *out = NULL;
    filter_builder builder = {
        .arena = memory, .fields = fields, .fields_count = fields_count, .error = error};
    yyjson_val *json = (yyjson_val *)(uintptr_t)value;
    const filter_node *root = NULL;
    if (yyjson_is_str(json)) {
        VEER_TRY(filter_parse_text(&builder, yyjson_get_str(json), yyjson_get_len(json), &root));
    } else if (yyjson_is_obj(json)) {
        VEER_TRY(filter_parse_object(&builder, value, &root));
    } else {
        VEER_FAIL(error, VEER_E_TYPE, "filter: expected a string or an object, found %s",
                  json == NULL ? "nothing" : yyjson_get_type_desc(json));
    }
    return new_filter(&builder, root, builder.parameters, out);
}

size_t filter_parameters(const filter *asked)
{
    return asked->parameters;
}

/* ---- binding */

static veer_status bind_value(filter_binding *binding, const filter_target *field, size_t parameter,
                              yyjson_val *json, filter_operand *out)
{
    filter_place place = {.parameter = parameter};
    filter_scalar scalar = scalar_of_json(json);
    memset(out, 0, sizeof *out);
    VEER_TRY(build_count(binding->builder, &place, 1));
    return build_value(binding->builder, &place, field, &scalar, &out->value);
}

static veer_status bind_operand(filter_binding *binding, const filter_target *field,
                                const filter_operand *operand, filter_operand *out)
{
    *out = *operand;
    if (operand->parameter == 0) return VEER_OK;
    yyjson_val *json = binding->parameters[operand->parameter - 1];
    return bind_value(binding, field, operand->parameter, json, out);
}

static veer_status push_bound(filter_binding *binding, filter_list *list,
                              const filter_operand *operand)
{
    filter_operand *place = build_push(binding->builder, list);
    if (place == NULL) return build_nomem(binding->builder);
    *place = *operand;
    return VEER_OK;
}

static veer_status bind_array(filter_binding *binding, const filter_target *field,
                              const filter_operand *operand, yyjson_val *array, filter_list *list)
{
    size_t index, count;
    yyjson_val *json;
    yyjson_arr_foreach(array, index, count, json)
    {
        filter_operand bound;
        VEER_TRY(bind_value(binding, field, operand->parameter, json, &bound));
        VEER_TRY(push_bound(binding, list, &bound));
    }
    return VEER_OK;
}

static veer_status bind_listed(filter_binding *binding, const filter_node *node,
                               const filter_node **out)
{
    filter_list list = {.item_bytes = sizeof(filter_operand)};
    for (size_t i = 0; i < node->operands_count; i++) {
        const filter_operand *operand = &node->operands[i];
        yyjson_val *json =
            operand->parameter == 0 ? NULL : binding->parameters[operand->parameter - 1];
        if (operand->in_list && yyjson_is_arr(json)) {
            VEER_TRY(bind_array(binding, &node->field, operand, json, &list));
            continue;
        }
        filter_operand bound;
        VEER_TRY(bind_operand(binding, &node->field, operand, &bound));
        VEER_TRY(push_bound(binding, &list, &bound));
    }
    return build_listed(binding->builder, node->kind, &node->field, &list, out);
}

static veer_status bind_between(filter_binding *binding, const filter_node *node,
                                const filter_node **out)
{
    filter_bounds bounds = node->bounds;
    if (bounds.has_lower) {
        VEER_TRY(bind_operand(binding, &node->field, &node->bounds.lower, &bounds.lower));
    }
    if (bounds.has_upper) {
        VEER_TRY(bind_operand(binding, &node->field, &node->bounds.upper, &bounds.upper));
    }
    return build_between(binding->builder, &node->field, &bounds, out);
}

/* Recurses as deep as the tree is, which the parsers bound. */
static veer_status bind_node(filter_binding *binding, const filter_node *node,
                             const filter_node **out)
{
    if (node->is_bound) {
        *out = node;
        return VEER_OK;
    }
    if (node->kind == FILTER_IN || node->kind == FILTER_HAS_ALL) {
        return bind_listed(binding, node, out);
    }
    if (node->kind == FILTER_BETWEEN) return bind_between(binding, node, out);
    filter_list children = {.item_bytes = sizeof(const filter_node *)};
    for (size_t i = 0; i < node->children_count; i++) {
        const filter_node *child = NULL;
        VEER_TRY(bind_node(binding, node->children[i], &child));
        if (node->kind == FILTER_NOT) return build_not(binding->builder, child, out);
        const filter_node **place = build_push(binding->builder, &children);
        if (place == NULL) return build_nomem(binding->builder);
        *place = child;
    }
    return build_group(binding->builder, node->kind, &children, out);
}

veer_status filter_bind(const filter *unbound, const struct yyjson_val *parameters, arena *memory,
                        const struct filter **out, veer_error *error)
{
    *out = NULL;
    yyjson_val *given = (yyjson_val *)(uintptr_t)parameters;
    if (given != NULL && !yyjson_is_null(given) && !yyjson_is_arr(given)) {
        VEER_FAIL(error, VEER_E_TYPE, "filter: parameters are an array, not %s",
                  yyjson_get_type_desc(given));
    }
    size_t count = yyjson_arr_size(given);
    if (count != unbound->parameters) {
        VEER_FAIL(error, VEER_E_INVALID, "filter: it has %zu parameters (?), but %zu %s given",
                  unbound->parameters, count, count == 1 ? "is" : "are");
    }
    if (unbound->root->is_bound) {
        *out = unbound;
        return VEER_OK;
    }
    filter_builder builder = {.arena = memory, .error = error};
    yyjson_val **listed = arena_array(memory, count, sizeof *listed);
    if (listed == NULL) return build_nomem(&builder);
    size_t index, values;
    yyjson_val *value;
    yyjson_arr_foreach(given, index, values, value)
    {
        listed[index] = value;
    }
    filter_binding binding = {&builder, listed};
    const filter_node *root = NULL;
    VEER_TRY(bind_node(&binding, unbound->root, &root));
    return new_filter(&builder, root, 0, out);
}
