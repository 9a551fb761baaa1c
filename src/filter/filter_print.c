/* Filters as text, and equality of trees: for explanations, and for tests of the parsers.
 *
 * The text parses to an equal tree: numbers with the digits that read back, times as ISO 8601,
 * parentheses around every group within another node.
 */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/timestamp.h"
#include "filter/filter_lexer.h"

static void put(byte_writer *out, const char *text)
{
    byte_writer_put(out, text, strlen(text));
}

static void put_quoted(byte_writer *out, const char *text, size_t bytes, char quote)
{
    byte_writer_u8(out, (uint8_t)quote);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == quote) byte_writer_u8(out, (uint8_t)quote);
        byte_writer_u8(out, (uint8_t)text[i]);
    }
    byte_writer_u8(out, (uint8_t)quote);
}

static void put_field(byte_writer *out, const filter_target *field)
{
    size_t bytes = strlen(field->name);
    bool is_bare = bytes > 0 && !is_reserved_word(field->name, bytes);
    for (size_t i = 0; i < bytes; i++) {
        char c = field->name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_other = (c >= '0' && c <= '9') || c == '.' || c == '-';
        is_bare = is_bare && (is_letter || (i > 0 && is_other));
    }
    if (is_bare) {
        byte_writer_put(out, field->name, bytes);
    } else {
        put_quoted(out, field->name, bytes, '"');
    }
}

static void put_value(byte_writer *out, column_type type, const column_value *value)
{
    char text[40];
    switch (type) {
    case COLUMN_KEYWORD:
        put_quoted(out, value->as.keyword.text, value->as.keyword.bytes, '\'');
        break;
    case COLUMN_NUMBER:
        number_print(value->as.number, text);
        put(out, text);
        /* Digits alone would read as an integer, and those beyond 2^53 are refused. */
        if (fabs(value->as.number) > 0x1p53 && !strpbrk(text, ".e")) put(out, ".0");
        break;
    case COLUMN_TIME:
        put_quoted(out, text, timestamp_format(value->as.time, text), '\'');
        break;
    case COLUMN_BOOL:
        put(out, value->as.boolean ? "true" : "false");
        break;
    case COLUMN_NONE:
        break;
    }
}

static void put_operand(byte_writer *out, column_type type, const filter_operand *operand)
{
    if (operand->parameter != 0) {
        put(out, "?");
    } else {
        put_value(out, type, &operand->value);
    }
}

static void put_listed(byte_writer *out, const filter_node *node, bool is_not)
{
    bool all = node->kind == FILTER_HAS_ALL;
    size_t count = node->is_bound ? node->values_count : node->operands_count;
    bool is_one = !all && count == 1 && (node->is_bound || !node->operands[0].in_list);
    put_field(out, &node->field);
    if (is_one) {
        put(out, is_not ? " != " : " = ");
    } else {
        put(out, is_not ? " NOT " : " ");
        put(out, all ? "CONTAINS ALL (" : "IN (");
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) put(out, ", ");
        if (node->is_bound) {
            put_value(out, node->field.type, &node->values[i]);
        } else {
            put_operand(out, node->field.type, &node->operands[i]);
        }
    }
    if (!is_one) put(out, ")");
}

static void put_bound(byte_writer *out, const filter_node *node, bool is_lower)
{
    const filter_bounds *bounds = &node->bounds;
    bool is_open = is_lower ? bounds->lower_open : bounds->upper_open;
    put_field(out, &node->field);
    put(out, is_lower ? is_open ? " > " : " >= " : is_open ? " < " : " <= ");
    put_operand(out, node->field.type, is_lower ? &bounds->lower : &bounds->upper);
}

static void put_between(byte_writer *out, const filter_node *node, bool is_not, bool is_inner)
{
    const filter_bounds *bounds = &node->bounds;
    bool is_closed = !bounds->lower_open && !bounds->upper_open;
    if (bounds->has_lower && bounds->has_upper && is_closed) {
        put_field(out, &node->field);
        put(out, is_not ? " NOT BETWEEN " : " BETWEEN ");
        put_operand(out, node->field.type, &bounds->lower);
        put(out, " AND ");
        put_operand(out, node->field.type, &bounds->upper);
        return;
    }
    bool is_group = is_not || (is_inner && bounds->has_lower && bounds->has_upper);
    if (is_not) put(out, "NOT ");
    if (is_group) put(out, "(");
    if (bounds->has_lower) put_bound(out, node, true);
    if (bounds->has_lower && bounds->has_upper) put(out, " AND ");
    if (bounds->has_upper) put_bound(out, node, false);
    if (is_group) put(out, ")");
}

static void put_node(byte_writer *out, const filter_node *node, bool is_not, bool is_inner)
{
    switch (node->kind) {
    case FILTER_ALL:
        put(out, is_not ? "FALSE" : "TRUE");
        break;
    case FILTER_NOT:
        put_node(out, node->children[0], true, true);
        break;
    case FILTER_EXISTS:
        put_field(out, &node->field);
        put(out, is_not ? " IS NULL" : " EXISTS");
        break;
    case FILTER_IN:
    case FILTER_HAS_ALL:
        put_listed(out, node, is_not);
        break;
    case FILTER_BETWEEN:
        put_between(out, node, is_not, is_inner);
        break;
    case FILTER_AND:
    case FILTER_OR:
        if (is_not) put(out, "NOT ");
        if (is_inner) put(out, "(");
        for (size_t i = 0; i < node->children_count; i++) {
            if (i > 0) put(out, node->kind == FILTER_AND ? " AND " : " OR ");
            put_node(out, node->children[i], false, true);
        }
        if (is_inner) put(out, ")");
        break;
    }
}

void filter_print(const filter *printed, byte_writer *out)
{
    put_node(out, printed->root, false, false);
}

/* ---- equality */

static bool operands_equal(column_type type, const filter_operand *a, const filter_operand *b)
{
    if (a->parameter != b->parameter || a->in_list != b->in_list) return false;
    return a->parameter != 0 || column_value_compare(type, &a->value, &b->value) == 0;
}

static bool bounds_equal(column_type type, const filter_bounds *a, const filter_bounds *b)
{
    if (a->has_lower != b->has_lower || a->has_upper != b->has_upper) return false;
    if (a->lower_open != b->lower_open || a->upper_open != b->upper_open) return false;
    if (a->has_lower && !operands_equal(type, &a->lower, &b->lower)) return false;
    return !a->has_upper || operands_equal(type, &a->upper, &b->upper);
}

static bool nodes_equal(const filter_node *a, const filter_node *b)
{
    if (a->kind != b->kind || a->is_bound != b->is_bound || a->field.id != b->field.id ||
        a->field.type != b->field.type || a->children_count != b->children_count ||
        a->values_count != b->values_count || a->operands_count != b->operands_count) {
        return false;
    }
    for (size_t i = 0; i < a->children_count; i++) {
        if (!nodes_equal(a->children[i], b->children[i])) return false;
    }
    for (size_t i = 0; i < a->values_count; i++) {
        if (column_value_compare(a->field.type, &a->values[i], &b->values[i]) != 0) return false;
    }
    for (size_t i = 0; i < a->operands_count; i++) {
        if (!operands_equal(a->field.type, &a->operands[i], &b->operands[i])) return false;
    }
    return bounds_equal(a->field.type, &a->bounds, &b->bounds);
}

bool filter_equal(const filter *a, const filter *b)
{
    return a->parameters == b->parameters && nodes_equal(a->root, b->root);
}
