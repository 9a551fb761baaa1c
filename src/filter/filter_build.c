/* Fields, values and nodes of filters, for both parsers and for binding. See filter_build.h.
 *
 * Everything lives in the builder's arena; a failure leaves garbage there that the caller drops
 * with it. Nothing recurses but the text of a path, whose depth the parsers bound.
 */
#include "filter/filter_build.h"

#include <math.h>
#include <stdarg.h>
#include <yyjson.h>

#include "base/number.h"
#include "base/sizes.h"
#include "base/status.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "filter/column_sort.h"

#define EXACT_INTEGER_MAX ((int64_t)1 << 53)
#define NEAR_NAME_BYTES_MAX 64u /* VEER_NAME_BYTES_MAX; longer names are near nothing */
#define NAMES_LISTED_MAX 8u     /* arbitrary */

/* ---- error texts */

/* Appends to a text of `size` bytes, of which `used` are used; returns how many then are. */
static size_t put_text(char *to, size_t size, size_t used, const char *text, size_t bytes)
{
    if (bytes > size - 1 - used) bytes = size - 1 - used;
    memcpy(to + used, text, bytes);
    to[used + bytes] = 0;
    return used + bytes;
}

static size_t put_path(char *to, size_t size, const filter_path *path)
{
    size_t used = path->above == NULL ? 0 : put_path(to, size, path->above);
    if (path->key == NULL) {
        char index[32];
        size_t bytes = text_print(index, sizeof index, "[%zu]", path->index);
        return put_text(to, size, used, index, bytes);
    }
    if (used > 0) used = put_text(to, size, used, ".", 1);
    filter_excerpt key = excerpt_of(path->key, path->key_bytes, 0);
    return put_text(to, size, used, key.text, strlen(key.text));
}

static void put_place(char *to, size_t size, const filter_place *place)
{
    to[0] = 0;
    if (place->parameter != 0) {
        text_print(to, size, "parameter %zu: ", place->parameter);
    } else if (place->position != 0) {
        text_print(to, size, "at %zu: ", place->position);
    } else if (place->path != NULL) {
        size_t used = put_text(to, size, 0, "at ", 3);
        used += put_path(to + used, size - used - 3, place->path);
        put_text(to, size, used, ": ", 2);
    }
}

veer_status build_fail(const filter_builder *builder, const filter_place *place, veer_status status,
                       const char *format, ...)
{
    char where[160], what[400];
    put_place(where, sizeof where, place);
    va_list arguments;
    va_start(arguments, format);
    text_print_arguments(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(builder->error, status, "filter: %s%s", where, what);
}

veer_status build_nomem(const filter_builder *builder)
{
    return error_nomem(builder->error, "a filter", arena_bytes(builder->arena));
}

filter_excerpt excerpt_of(const char *text, size_t bytes, char quote)
{
    const size_t shown_max = 40; /* bytes, arbitrary */
    filter_excerpt excerpt;
    size_t used = 0, shown = bytes;
    if (shown > shown_max) {
        shown = shown_max;
        while (shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80)
            shown--;
    }
    bool valid = utf8_valid(text, shown);
    if (quote != 0) excerpt.text[used++] = quote;
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool printable = byte >= 0x20 && byte != 0x7F && (byte < 0x80 || valid);
        if (printable) {
            excerpt.text[used++] = (char)byte;
        } else {
            used += text_print(excerpt.text + used, 5, "\\x%02X", byte);
        }
    }
    if (shown < bytes) {
        memcpy(excerpt.text + used, "...", 3);
        used += 3;
    }
    if (quote != 0) excerpt.text[used++] = quote;
    excerpt.text[used] = 0;
    return excerpt;
}

filter_excerpt excerpt_of_scalar(const filter_scalar *scalar)
{
    filter_excerpt excerpt = {"null"};
    switch (scalar->kind) {
    case SCALAR_STRING:
        return excerpt_of(scalar->text, scalar->bytes, '\'');
    case SCALAR_BOOL:
        strcpy(excerpt.text, scalar->boolean ? "true" : "false");
        break;
    case SCALAR_INTEGER:
        text_print(excerpt.text, sizeof excerpt.text, "%lld", (long long)scalar->integer);
        break;
    case SCALAR_HUGE:
        if (scalar->text != NULL) return excerpt_of(scalar->text, scalar->bytes, 0);
        number_print(scalar->number, excerpt.text);
        break;
    case SCALAR_NUMBER:
        number_print(scalar->number, excerpt.text);
        break;
    case SCALAR_OTHER:
        strcpy(excerpt.text, "an array or object");
        break;
    case SCALAR_NULL:
        break;
    }
    return excerpt;
}

/* ---- fields */

static unsigned char fold(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned two = a < b ? a : b;
    return two < c ? two : c;
}

/* Edits (insert, delete, replace, swap of neighbours; case is free) that make b of a; both at
 * most NEAR_NAME_BYTES_MAX long. The optimal string alignment distance, three rows at a time. */
static unsigned edits_between(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned char rows[3][NEAR_NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_bytes; j++)
        rows[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned char *row = rows[i % 3];
        const unsigned char *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            unsigned edits = least(above[j] + 1u, row[j - 1] + 1u, above[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1])) {
                edits = least(edits, above_that[j - 2] + 1u, edits);
            }
            row[j] = (unsigned char)edits;
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

static const char *nearest_name(const filter_builder *builder, const char *name, size_t bytes)
{
    if (bytes > NEAR_NAME_BYTES_MAX) return NULL;
    const char *nearest = NULL;
    unsigned fewest = (unsigned)bytes / 3 + 2; /* fewer than this many edits are a slip */
    for (size_t i = 0; i < builder->fields_count; i++) {
        const char *known = builder->fields[i].name;
        size_t known_bytes = strlen(known);
        if (known_bytes > NEAR_NAME_BYTES_MAX) continue;
        unsigned edits = edits_between(name, bytes, known, known_bytes);
        if (edits < fewest && edits < known_bytes) {
            fewest = edits;
            nearest = known;
        }
    }
    return nearest;
}

static veer_status unknown_field(const filter_builder *builder, const filter_place *place,
                                 const char *name, size_t bytes)
{
    filter_excerpt shown = excerpt_of(name, bytes, '\'');
    const char *nearest = nearest_name(builder, name, bytes);
    if (nearest != NULL) {
        return build_fail(builder, place, VEER_E_FIELD, "unknown field %s; did you mean '%s'?",
                          shown.text, nearest);
    }
    char names[240];
    size_t used = 0;
    names[0] = 0;
    for (size_t i = 0; i < builder->fields_count && i < NAMES_LISTED_MAX; i++) {
        const char *known = builder->fields[i].name;
        used = put_text(names, sizeof names, used, i == 0 ? "" : ", ", i == 0 ? 0 : 2);
        used = put_text(names, sizeof names, used, known, strlen(known));
    }
    if (builder->fields_count > NAMES_LISTED_MAX) {
        put_text(names, sizeof names, used, ", ...", 5);
    }
    return build_fail(builder, place, VEER_E_FIELD, "unknown field %s; the fields are: %s",
                      shown.text, builder->fields_count == 0 ? "none" : names);
}

veer_status build_field(const filter_builder *builder, const filter_place *place, const char *name,
                        size_t bytes, filter_target *out)
{
    const filter_field *found = NULL;
    for (size_t i = 0; i < builder->fields_count && found == NULL; i++) {
        const char *known = builder->fields[i].name;
        if (strlen(known) == bytes && memcmp(known, name, bytes) == 0) {
            found = &builder->fields[i];
        }
    }
    if (found == NULL) return unknown_field(builder, place, name, bytes);
    if (found->type == COLUMN_NONE) {
        return build_fail(builder, place, VEER_E_TYPE,
                          "field '%s' is of type %s, which filters cannot ask", found->name,
                          found->kind == NULL ? "unknown" : found->kind);
    }
    out->name = arena_text(builder->arena, found->name, bytes);
    if (out->name == NULL) return build_nomem(builder);
    out->id = found->id;
    out->type = found->type;
    return VEER_OK;
}

/* ---- values */

static const char *type_text(column_type type)
{
    static const char *const texts[] = {"nothing", "a keyword", "a number", "a bool", "a time"};
    return texts[type];
}

static const char *scalar_text(const filter_scalar *scalar)
{
    static const char *const texts[] = {"null",     "a bool",   "a number",       "a number",
                                        "a number", "a string", "no single value"};
    return texts[scalar->kind];
}

static veer_status wrong_type(const filter_builder *builder, const filter_place *place,
                              const filter_target *field, const filter_scalar *scalar)
{
    if (scalar->kind == SCALAR_NULL) {
        return build_fail(builder, place, VEER_E_TYPE,
                          "field '%s' is %s and cannot be compared with null; ask IS NULL "
                          "(in an object: {\"$exists\": false})",
                          field->name, type_text(field->type));
    }
    if (scalar->kind == SCALAR_OTHER) {
        return build_fail(builder, place, VEER_E_TYPE,
                          "field '%s' is compared with one value, not with an array or object; "
                          "for any of several values use IN (in an object: $in)",
                          field->name);
    }
    filter_excerpt shown = excerpt_of_scalar(scalar);
    if (field->type == COLUMN_TIME && scalar->kind == SCALAR_STRING) {
        return build_fail(builder, place, VEER_E_TYPE,
                          "field '%s' is a time; %s is no ISO 8601 time such as "
                          "'2024-05-17T12:30:00Z'",
                          field->name, shown.text);
    }
    if (field->type == COLUMN_TIME && scalar->kind == SCALAR_NUMBER) {
        return build_fail(builder, place, VEER_E_TYPE,
                          "field '%s' is a time; %s is no whole number of milliseconds",
                          field->name, shown.text);
    }
    return build_fail(builder, place, VEER_E_TYPE, "field '%s' is %s, but %s is %s", field->name,
                      type_text(field->type), shown.text, scalar_text(scalar));
}

static veer_status number_value(const filter_builder *builder, const filter_place *place,
                                const filter_target *field, const filter_scalar *scalar,
                                double *out)
{
    bool is_integer = scalar->kind == SCALAR_INTEGER;
    if (!is_integer && scalar->kind != SCALAR_NUMBER && scalar->kind != SCALAR_HUGE) {
        return wrong_type(builder, place, field, scalar);
    }
    filter_excerpt shown = excerpt_of_scalar(scalar);
    if (scalar->kind == SCALAR_HUGE || (is_integer && (scalar->integer > EXACT_INTEGER_MAX ||
                                                       scalar->integer < -EXACT_INTEGER_MAX))) {
        return build_fail(builder, place, VEER_E_RANGE,
                          "field '%s': the integer %s is beyond 2^53 (9007199254740992), where "
                          "numbers are no longer exact",
                          field->name, shown.text);
    }
    double number = is_integer ? (double)scalar->integer : scalar->number;
    if (!isfinite(number)) {
        return build_fail(builder, place, VEER_E_RANGE, "field '%s': the number is not finite",
                          field->name);
    }
    *out = number + 0.0; /* -0 is 0 */
    return VEER_OK;
}

static veer_status time_value(const filter_builder *builder, const filter_place *place,
                              const filter_target *field, const filter_scalar *scalar, int64_t *out)
{
    bool is_whole = scalar->kind == SCALAR_NUMBER && scalar->number == floor(scalar->number);
    double number = scalar->kind == SCALAR_INTEGER ? (double)scalar->integer : scalar->number;
    if (scalar->kind == SCALAR_INTEGER || scalar->kind == SCALAR_HUGE || is_whole) {
        if (!(number >= (double)TIMESTAMP_MIN && number <= (double)TIMESTAMP_MAX)) {
            filter_excerpt shown = excerpt_of_scalar(scalar);
            return build_fail(builder, place, VEER_E_RANGE,
                              "field '%s': %s is no time; milliseconds go from %lld to %lld",
                              field->name, shown.text, TIMESTAMP_MIN, TIMESTAMP_MAX);
        }
        *out = scalar->kind == SCALAR_INTEGER ? scalar->integer : (int64_t)number;
        return VEER_OK;
    }
    if (scalar->kind == SCALAR_STRING && timestamp_parse(scalar->text, scalar->bytes, out)) {
        return VEER_OK;
    }
    return wrong_type(builder, place, field, scalar);
}

static veer_status keyword_value(filter_builder *builder, const filter_place *place,
                                 const filter_target *field, const filter_scalar *scalar,
                                 column_value *out)
{
    if (scalar->kind != SCALAR_STRING) return wrong_type(builder, place, field, scalar);
    if (scalar->bytes > COLUMN_KEYWORD_BYTES_MAX) {
        return build_fail(builder, place, VEER_E_LIMIT,
                          "field '%s': a keyword has at most %u bytes, this one %zu", field->name,
                          COLUMN_KEYWORD_BYTES_MAX, scalar->bytes);
    }
    if (!utf8_valid(scalar->text, scalar->bytes)) {
        return build_fail(builder, place, VEER_E_SYNTAX, "field '%s': the string is not UTF-8",
                          field->name);
    }
    const char *copy = arena_text(builder->arena, scalar->text, scalar->bytes);
    if (copy == NULL) return build_nomem(builder);
    out->as.keyword.text = copy;
    out->as.keyword.bytes = (uint32_t)scalar->bytes;
    return VEER_OK;
}

veer_status build_value(filter_builder *builder, const filter_place *place,
                        const filter_target *field, const filter_scalar *scalar, column_value *out)
{
    memset(out, 0, sizeof *out);
    switch (field->type) {
    case COLUMN_NUMBER:
        return number_value(builder, place, field, scalar, &out->as.number);
    case COLUMN_TIME:
        return time_value(builder, place, field, scalar, &out->as.time);
    case COLUMN_KEYWORD:
        return keyword_value(builder, place, field, scalar, out);
    case COLUMN_BOOL:
        if (scalar->kind != SCALAR_BOOL) return wrong_type(builder, place, field, scalar);
        out->as.boolean = scalar->boolean;
        return VEER_OK;
    case COLUMN_NONE:
        break;
    }
    return VEER_E_INTERNAL;
}

filter_scalar scalar_of_json(const struct yyjson_val *json)
{
    yyjson_val *value = (yyjson_val *)(uintptr_t)json; /* yyjson takes no const; it only reads */
    filter_scalar scalar = {.kind = SCALAR_OTHER};
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        scalar.kind = SCALAR_NULL;
        break;
    case YYJSON_TYPE_BOOL:
        scalar.kind = SCALAR_BOOL;
        scalar.boolean = yyjson_get_bool(value);
        break;
    case YYJSON_TYPE_STR:
        scalar.kind = SCALAR_STRING;
        scalar.text = yyjson_get_str(value);
        scalar.bytes = yyjson_get_len(value);
        break;
    case YYJSON_TYPE_NUM:
        scalar.number = yyjson_get_num(value);
        scalar.kind = SCALAR_NUMBER;
        if (yyjson_is_sint(value)) {
            scalar.kind = SCALAR_INTEGER;
            scalar.integer = yyjson_get_sint(value);
        } else if (yyjson_is_uint(value)) {
            uint64_t integer = yyjson_get_uint(value);
            scalar.kind = integer <= INT64_MAX ? SCALAR_INTEGER : SCALAR_HUGE;
            scalar.integer = integer <= INT64_MAX ? (int64_t)integer : 0;
        }
        break;
    case YYJSON_TYPE_RAW: { /* an integer that 64 bits do not hold, or a number that no double does */
        const char *end = NULL;
        scalar.text = yyjson_get_raw(value);
        scalar.bytes = yyjson_get_len(value);
        scalar.number = number_read(scalar.text, &end);
        scalar.kind = isfinite(scalar.number) ? SCALAR_HUGE : SCALAR_NUMBER;
        break;
    }
    default:
        break;
    }
    return scalar;
}

/* ---- nodes */

veer_status build_count(filter_builder *builder, const filter_place *place, size_t count)
{
    if (count > FILTER_NODES_MAX - builder->nodes) {
        return build_fail(builder, place, VEER_E_LIMIT, "more than %d terms and values",
                          FILTER_NODES_MAX);
    }
    builder->nodes += count;
    return VEER_OK;
}

void *build_push(filter_builder *builder, filter_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
        void *grown = arena_array(builder->arena, capacity, list->item_bytes);
        if (grown == NULL) return NULL;
        if (list->count > 0) memcpy(grown, list->items, list->count * list->item_bytes);
        list->items = grown;
        list->capacity = capacity;
    }
    return (uint8_t *)list->items + list->count++ * list->item_bytes;
}

static filter_node *new_node(filter_builder *builder, filter_kind kind, const filter_target *field)
{
    filter_node *node = arena_new(builder->arena, sizeof *node);
    if (node == NULL) return NULL;
    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->is_bound = true;
    if (field != NULL) node->field = *field;
    return node;
}

veer_status build_all(filter_builder *builder, const filter_node **out)
{
    *out = new_node(builder, FILTER_ALL, NULL);
    return *out == NULL ? build_nomem(builder) : VEER_OK;
}

veer_status build_not(filter_builder *builder, const filter_node *child, const filter_node **out)
{
    if (child->kind == FILTER_NOT) {
        *out = child->children[0];
        return VEER_OK;
    }
    filter_node *node = new_node(builder, FILTER_NOT, NULL);
    const filter_node **children = arena_new(builder->arena, sizeof *children);
    if (node == NULL || children == NULL) return build_nomem(builder);
    children[0] = child;
    node->children = children;
    node->children_count = 1;
    node->is_bound = child->is_bound;
    *out = node;
    return VEER_OK;
}

veer_status build_exists(filter_builder *builder, const filter_target *field,
                         const filter_node **out)
{
    *out = new_node(builder, FILTER_EXISTS, field);
    return *out == NULL ? build_nomem(builder) : VEER_OK;
}

/* Two ranges of one number or time are one range. */
static bool can_narrow(const filter_node *a, const filter_node *b)
{
    return a->kind == FILTER_BETWEEN && b->kind == FILTER_BETWEEN && a->is_bound && b->is_bound &&
           a->field.id == b->field.id && a->field.type != COLUMN_KEYWORD;
}

static void narrow(filter_node *node, const filter_node *by)
{
    filter_bounds *to = &node->bounds;
    const filter_bounds *from = &by->bounds;
    if (from->has_lower) {
        int order = !to->has_lower ? 1
                                   : column_value_compare(node->field.type, &from->lower.value,
                                                          &to->lower.value);
        if (order > 0) to->lower = from->lower;
        if (order >= 0) to->lower_open = from->lower_open || (order == 0 && to->lower_open);
        to->has_lower = true;
    }
    if (from->has_upper) {
        int order = !to->has_upper ? -1
                                   : column_value_compare(node->field.type, &from->upper.value,
                                                          &to->upper.value);
        if (order < 0) to->upper = from->upper;
        if (order <= 0) to->upper_open = from->upper_open || (order == 0 && to->upper_open);
        to->has_upper = true;
    }
}

/* Adds a child to a flat group; a range joins an earlier one of its field where it can. To stay
 * linear only the newest child is looked at. */
static veer_status add_child(filter_builder *builder, filter_kind kind, filter_list *flat,
                             const filter_node *child)
{
    if (kind == FILTER_AND && flat->count > 0) {
        const filter_node **last = (const filter_node **)flat->items + (flat->count - 1);
        if (can_narrow(*last, child)) {
            filter_node *joined = new_node(builder, FILTER_BETWEEN, &child->field);
            if (joined == NULL) return build_nomem(builder);
            joined->bounds = (*last)->bounds;
            narrow(joined, child);
            *last = joined;
            return VEER_OK;
        }
    }
    const filter_node **place = build_push(builder, flat);
    if (place == NULL) return build_nomem(builder);
    *place = child;
    return VEER_OK;
}

static int compare_values(const void *context, const void *a, const void *b)
{
    const column_type *type = context;
    return column_value_compare(*type, a, b);
}

/* Values that ascend and do not repeat. */
static veer_status sort_values(filter_builder *builder, filter_node *node,
                               const filter_operand *operands, size_t count)
{
    if (count == 0) return VEER_OK;
    column_value *values = arena_array(builder->arena, count, sizeof *values);
    column_value *other = arena_array(builder->arena, count, sizeof *other);
    if (values == NULL || other == NULL) return build_nomem(builder);
    for (size_t i = 0; i < count; i++)
        values[i] = operands[i].value;
    sort_items(values, other, count, sizeof *values, compare_values, &node->field.type);
    size_t distinct = 1;
    for (size_t i = 1; i < count; i++) {
        if (compare_values(&node->field.type, &values[i], &values[distinct - 1]) != 0) {
            values[distinct++] = values[i];
        }
    }
    node->values = values;
    node->values_count = distinct;
    return VEER_OK;
}

veer_status build_listed(filter_builder *builder, filter_kind kind, const filter_target *field,
                         const filter_list *operands, const filter_node **out)
{
    filter_node *node = new_node(builder, kind, field);
    if (node == NULL) return build_nomem(builder);
    const filter_operand *given = operands->items;
    for (size_t i = 0; i < operands->count; i++) {
        node->is_bound = node->is_bound && given[i].parameter == 0;
    }
    if (!node->is_bound) {
        node->operands = given;
        node->operands_count = operands->count;
    } else {
        VEER_TRY(sort_values(builder, node, given, operands->count));
        if (kind == FILTER_HAS_ALL && node->values_count == 0) return build_all(builder, out);
        if (kind == FILTER_HAS_ALL && node->values_count == 1) node->kind = FILTER_IN;
    }
    *out = node;
    return VEER_OK;
}

/* Equalities of one field that stand side by side in an OR are one list. */
static bool can_list(const filter_node *a, const filter_node *b)
{
    return a->kind == FILTER_IN && b->kind == FILTER_IN && a->is_bound && b->is_bound &&
           a->field.id == b->field.id;
}

static veer_status list_equalities(filter_builder *builder, filter_list *flat)
{
    const filter_node **nodes = flat->items;
    size_t kept = 0;
    for (size_t i = 0, end; i < flat->count; i = end) {
        size_t values = nodes[i]->values_count;
        for (end = i + 1; end < flat->count && can_list(nodes[i], nodes[end]); end++) {
            values += nodes[end]->values_count;
        }
        if (end == i + 1) {
            nodes[kept++] = nodes[i];
            continue;
        }
        filter_operand *operands = arena_array(builder->arena, values + 1, sizeof *operands);
        if (operands == NULL) return build_nomem(builder);
        memset(operands, 0, (values + 1) * sizeof *operands);
        filter_list list = {.items = operands, .item_bytes = sizeof *operands};
        for (size_t j = i; j < end; j++) {
            for (size_t k = 0; k < nodes[j]->values_count; k++) {
                operands[list.count++].value = nodes[j]->values[k];
            }
        }
        const filter_node *joined = NULL;
        VEER_TRY(build_listed(builder, FILTER_IN, &nodes[i]->field, &list, &joined));
        nodes[kept++] = joined;
    }
    flat->count = kept;
    return VEER_OK;
}

veer_status build_group(filter_builder *builder, filter_kind kind, const filter_list *children,
                        const filter_node **out)
{
    filter_list flat = {.item_bytes = sizeof(const filter_node *)};
    const filter_node *const *given = children->items;
    bool is_bound = true;
    for (size_t i = 0; i < children->count; i++) {
        const filter_node *child = given[i];
        is_bound = is_bound && child->is_bound;
        bool same = child->kind == kind;
        for (size_t j = 0; same && j < child->children_count; j++) {
            VEER_TRY(add_child(builder, kind, &flat, child->children[j]));
        }
        if (!same) VEER_TRY(add_child(builder, kind, &flat, child));
    }
    if (kind == FILTER_OR) VEER_TRY(list_equalities(builder, &flat));
    if (flat.count == 1) {
        *out = ((const filter_node **)flat.items)[0];
        return VEER_OK;
    }
    filter_node *node = new_node(builder, kind, NULL);
    if (node == NULL) return build_nomem(builder);
    node->children = flat.items;
    node->children_count = flat.count;
    node->is_bound = is_bound;
    *out = node;
    return VEER_OK;
}

veer_status build_between(filter_builder *builder, const filter_target *field,
                          const filter_bounds *bounds, const filter_node **out)
{
    filter_node *node = new_node(builder, FILTER_BETWEEN, field);
    if (node == NULL) return build_nomem(builder);
    node->bounds = *bounds;
    node->is_bound = (!bounds->has_lower || bounds->lower.parameter == 0) &&
                     (!bounds->has_upper || bounds->upper.parameter == 0);
    *out = node;
    return VEER_OK;
}

veer_status build_compare(filter_builder *builder, const filter_place *place,
                          const filter_target *field, filter_compare compare,
                          const filter_operand *operand, const filter_node **out)
{
    static const char *const texts[] = {"<", "<=", ">", ">="};
    VEER_TRY(build_check_order(builder, place, field, texts[compare]));
    filter_bounds bounds = {0};
    if (compare == COMPARE_LESS || compare == COMPARE_LESS_EQUAL) {
        bounds.has_upper = true;
        bounds.upper = *operand;
        bounds.upper_open = compare == COMPARE_LESS;
    } else {
        bounds.has_lower = true;
        bounds.lower = *operand;
        bounds.lower_open = compare == COMPARE_GREATER;
    }
    return build_between(builder, field, &bounds, out);
}

veer_status build_check_order(const filter_builder *builder, const filter_place *place,
                              const filter_target *field, const char *operator_text)
{
    if (field->type != COLUMN_BOOL) return VEER_OK;
    return build_fail(builder, place, VEER_E_TYPE,
                      "field '%s' is a bool, which has no order for %s; use = or !=", field->name,
                      operator_text);
}

veer_status build_check_keyword(const filter_builder *builder, const filter_place *place,
                                const filter_target *field, const char *operator_text)
{
    if (field->type == COLUMN_KEYWORD) return VEER_OK;
    return build_fail(builder, place, VEER_E_TYPE,
                      "field '%s' is %s; %s is for keywords, use = or IN", field->name,
                      type_text(field->type), operator_text);
}
