/* The parser of the text spelling: recursive descent, one token ahead.
 *
 *   filter      := term (OR term)*
 *   term        := factor (AND factor)*
 *   factor      := NOT factor | ( filter ) | TRUE | FALSE | EXISTS field | field predicate
 *   predicate   := = value | != value | < value | <= value | > value | >= value
 *                | [NOT] IN list | [NOT] BETWEEN value AND value
 *                | [NOT] CONTAINS value | [NOT] CONTAINS ANY list | [NOT] CONTAINS ALL list
 *                | [NOT] EXISTS | IS [NOT] NULL
 *   list        := ( [value (, value)*] ) | ?
 *   value       := string | number | TRUE | FALSE | ?
 *   field       := bare name | "name"
 *
 * Only parentheses and NOT nest, and both count against FILTER_DEPTH_MAX before they recurse. Each
 * error names the position of the token that does not fit, what would, and what was found.
 */
#include <yyjson.h>

#include "base/status.h"
#include "filter/filter_lexer.h"

typedef struct text_parser {
    filter_builder *builder;
    filter_lexer lexer;
    filter_token token; /* the next one */
    filter_token last;  /* the one before it */
    unsigned depth;
} text_parser;

static veer_status parse_filter(text_parser *parser, const filter_node **out);

static veer_status advance(text_parser *parser)
{
    parser->last = parser->token;
    return lexer_next(&parser->lexer, &parser->token);
}

static filter_place place_of(const filter_token *token)
{
    return (filter_place){.position = token->position};
}

static veer_status expected(const text_parser *parser, const char *what)
{
    filter_place place = place_of(&parser->token);
    filter_excerpt found = token_excerpt(&parser->token);
    if (parser->last.bytes == 0) {
        return build_fail(parser->builder, &place, VEER_E_SYNTAX, "expected %s, found %s", what,
                          found.text);
    }
    filter_excerpt after = token_excerpt(&parser->last);
    return build_fail(parser->builder, &place, VEER_E_SYNTAX, "expected %s after %s, found %s",
                      what, after.text, found.text);
}

static bool at_word(const text_parser *parser, const char *word)
{
    return token_is_word(&parser->token, word);
}

static veer_status accept(text_parser *parser, filter_token_kind kind, const char *what)
{
    if (parser->token.kind != kind) return expected(parser, what);
    return advance(parser);
}

static veer_status enter(text_parser *parser)
{
    filter_place place = place_of(&parser->token);
    if (parser->depth == FILTER_DEPTH_MAX) {
        return build_fail(parser->builder, &place, VEER_E_LIMIT,
                          "more than %d levels of parentheses and NOT", FILTER_DEPTH_MAX);
    }
    parser->depth++;
    return advance(parser);
}

/* ---- values */

/* yyjson reads the literal: the grammar and the exact rounding of JSON numbers. */
static veer_status number_scalar(text_parser *parser, filter_scalar *scalar)
{
    const filter_token *token = &parser->token;
    filter_place place = place_of(token);
    size_t sign = token->text[0] == '+';
    char *copy = arena_text(parser->builder->arena, token->text + sign, token->bytes - sign);
    if (copy == NULL) return build_nomem(parser->builder);
    size_t bytes = token->bytes - sign;
    yyjson_val value;
    memset(&value, 0, sizeof value);
    const char *end = yyjson_read_number(copy, &value, 0, NULL, NULL);
    bool looks_whole = memchr(copy, '.', bytes) == NULL && memchr(copy, 'e', bytes) == NULL &&
                       memchr(copy, 'E', bytes) == NULL;
    filter_excerpt shown = excerpt_of(token->text, token->bytes, '\'');
    if (end == NULL) {
        /* The one grammatical number that yyjson refuses is too large for a double. */
        yyjson_read_flag raw = YYJSON_READ_NUMBER_AS_RAW;
        end = yyjson_read_number(copy, &value, raw, NULL, NULL);
        if (end == copy + bytes) {
            return build_fail(parser->builder, &place, VEER_E_RANGE, "the number %s is too large",
                              shown.text);
        }
    }
    if (end != copy + bytes) {
        return build_fail(parser->builder, &place, VEER_E_SYNTAX, "%s is not a number", shown.text);
    }
    *scalar = scalar_of_json(&value);
    if (scalar->kind == SCALAR_NUMBER && looks_whole) scalar->kind = SCALAR_HUGE;
    return VEER_OK;
}

static veer_status parse_operand(text_parser *parser, const filter_target *field, bool in_list,
                                 filter_operand *out)
{
    filter_place place = place_of(&parser->token);
    filter_scalar scalar = {.kind = SCALAR_NULL};
    memset(out, 0, sizeof *out);
    out->position = parser->token.position;
    VEER_TRY(build_count(parser->builder, &place, 1));
    switch (parser->token.kind) {
    case TOKEN_PARAMETER:
        out->parameter = (uint32_t)++parser->builder->parameters;
        out->in_list = in_list;
        return advance(parser);
    case TOKEN_STRING:
        scalar.kind = SCALAR_STRING;
        VEER_TRY(token_contents(&parser->token, parser->builder, &scalar.text, &scalar.bytes));
        break;
    case TOKEN_NUMBER:
        VEER_TRY(number_scalar(parser, &scalar));
        break;
    case TOKEN_NAME:
        if (at_word(parser, "TRUE") || at_word(parser, "FALSE")) {
            scalar.kind = SCALAR_BOOL;
            scalar.boolean = at_word(parser, "TRUE");
            break;
        }
        if (at_word(parser, "NULL")) break;
        if (is_reserved_word(parser->token.text, parser->token.bytes)) {
            return expected(parser, "a value");
        }
        return expected(parser, "a value (strings have single quotes)");
    case TOKEN_QUOTED_NAME:
        return expected(parser, "a value (strings have single quotes)");
    default:
        return expected(parser, "a value");
    }
    VEER_TRY(build_value(parser->builder, &place, field, &scalar, &out->value));
    return advance(parser);
}

static veer_status push_operand(text_parser *parser, const filter_target *field, bool in_list,
                                filter_list *list)
{
    filter_operand operand;
    VEER_TRY(parse_operand(parser, field, in_list, &operand));
    filter_operand *place = build_push(parser->builder, list);
    if (place == NULL) return build_nomem(parser->builder);
    *place = operand;
    return VEER_OK;
}

static veer_status parse_list(text_parser *parser, const filter_target *field, filter_list *list)
{
    if (parser->token.kind == TOKEN_PARAMETER) return push_operand(parser, field, true, list);
    VEER_TRY(accept(parser, TOKEN_OPEN, "( or ?"));
    if (parser->token.kind == TOKEN_CLOSE) return advance(parser);
    for (;;) {
        VEER_TRY(push_operand(parser, field, true, list));
        if (parser->token.kind == TOKEN_CLOSE) return advance(parser);
        VEER_TRY(accept(parser, TOKEN_COMMA, ", or )"));
    }
}

/* ---- predicates */

static veer_status parse_contains(text_parser *parser, const filter_target *field,
                                  const filter_node **out)
{
    filter_place place = place_of(&parser->token);
    filter_list list = {.item_bytes = sizeof(filter_operand)};
    filter_kind kind = FILTER_IN;
    VEER_TRY(build_check_keyword(parser->builder, &place, field, "CONTAINS"));
    VEER_TRY(advance(parser));
    if (at_word(parser, "ANY") || at_word(parser, "ALL")) {
        if (at_word(parser, "ALL")) kind = FILTER_HAS_ALL;
        VEER_TRY(advance(parser));
        VEER_TRY(parse_list(parser, field, &list));
    } else {
        VEER_TRY(push_operand(parser, field, false, &list));
    }
    return build_listed(parser->builder, kind, field, &list, out);
}

static veer_status parse_between(text_parser *parser, const filter_target *field,
                                 const filter_node **out)
{
    filter_place place = place_of(&parser->token);
    filter_bounds bounds = {.has_lower = true, .has_upper = true};
    VEER_TRY(build_check_order(parser->builder, &place, field, "BETWEEN"));
    VEER_TRY(advance(parser));
    VEER_TRY(parse_operand(parser, field, false, &bounds.lower));
    if (!at_word(parser, "AND")) return expected(parser, "AND");
    VEER_TRY(advance(parser));
    VEER_TRY(parse_operand(parser, field, false, &bounds.upper));
    return build_between(parser->builder, field, &bounds, out);
}

/* What may follow NOT as well: IN, BETWEEN, CONTAINS, EXISTS. */
static veer_status parse_word_predicate(text_parser *parser, const filter_target *field,
                                        const char *otherwise, const filter_node **out)
{
    if (at_word(parser, "IN")) {
        filter_list list = {.item_bytes = sizeof(filter_operand)};
        VEER_TRY(advance(parser));
        VEER_TRY(parse_list(parser, field, &list));
        return build_listed(parser->builder, FILTER_IN, field, &list, out);
    }
    if (at_word(parser, "BETWEEN")) return parse_between(parser, field, out);
    if (at_word(parser, "CONTAINS")) return parse_contains(parser, field, out);
    if (at_word(parser, "EXISTS")) {
        VEER_TRY(advance(parser));
        return build_exists(parser->builder, field, out);
    }
    return expected(parser, otherwise);
}

static veer_status parse_is_null(text_parser *parser, const filter_target *field,
                                 const filter_node **out)
{
    const filter_node *exists = NULL;
    VEER_TRY(advance(parser));
    bool is_not = at_word(parser, "NOT");
    if (is_not) VEER_TRY(advance(parser));
    if (!at_word(parser, "NULL")) return expected(parser, is_not ? "NULL" : "NULL or NOT NULL");
    VEER_TRY(advance(parser));
    VEER_TRY(build_exists(parser->builder, field, &exists));
    if (is_not) {
        *out = exists;
        return VEER_OK;
    }
    return build_not(parser->builder, exists, out);
}

static veer_status parse_equal(text_parser *parser, const filter_target *field, bool is_not,
                               const filter_node **out)
{
    filter_list list = {.item_bytes = sizeof(filter_operand)};
    const filter_node *equal = NULL;
    VEER_TRY(advance(parser));
    VEER_TRY(push_operand(parser, field, false, &list));
    VEER_TRY(build_listed(parser->builder, FILTER_IN, field, &list, &equal));
    if (is_not) return build_not(parser->builder, equal, out);
    *out = equal;
    return VEER_OK;
}

static veer_status parse_ordered(text_parser *parser, const filter_target *field,
                                 filter_compare compare, const filter_node **out)
{
    filter_place place = place_of(&parser->token);
    filter_operand operand;
    VEER_TRY(advance(parser));
    VEER_TRY(parse_operand(parser, field, false, &operand));
    return build_compare(parser->builder, &place, field, compare, &operand, out);
}

static veer_status parse_predicate(text_parser *parser, const filter_target *field,
                                   const filter_node **out)
{
    static const char operators[] = "an operator (=, !=, <, <=, >, >=, IN, NOT IN, BETWEEN, "
                                    "CONTAINS, EXISTS, IS NULL)";
    switch (parser->token.kind) {
    case TOKEN_EQUAL:
        return parse_equal(parser, field, false, out);
    case TOKEN_NOT_EQUAL:
        return parse_equal(parser, field, true, out);
    case TOKEN_LESS:
        return parse_ordered(parser, field, COMPARE_LESS, out);
    case TOKEN_LESS_EQUAL:
        return parse_ordered(parser, field, COMPARE_LESS_EQUAL, out);
    case TOKEN_GREATER:
        return parse_ordered(parser, field, COMPARE_GREATER, out);
    case TOKEN_GREATER_EQUAL:
        return parse_ordered(parser, field, COMPARE_GREATER_EQUAL, out);
    default:
        break;
    }
    if (at_word(parser, "IS")) return parse_is_null(parser, field, out);
    if (!at_word(parser, "NOT")) return parse_word_predicate(parser, field, operators, out);
    const filter_node *positive = NULL;
    VEER_TRY(advance(parser));
    VEER_TRY(parse_word_predicate(parser, field, "IN, BETWEEN, CONTAINS or EXISTS", &positive));
    return build_not(parser->builder, positive, out);
}

static veer_status parse_field(text_parser *parser, const char *what, filter_target *out)
{
    const filter_token token = parser->token;
    filter_place place = place_of(&token);
    const char *name = token.text;
    size_t bytes = token.bytes;
    if (token.kind == TOKEN_QUOTED_NAME) {
        VEER_TRY(token_contents(&token, parser->builder, &name, &bytes));
    } else if (token.kind != TOKEN_NAME || is_reserved_word(name, bytes)) {
        return expected(parser, what);
    }
    VEER_TRY(build_field(parser->builder, &place, name, bytes, out));
    return advance(parser);
}

/* ---- structure */

static veer_status parse_constant(text_parser *parser, const filter_node **out)
{
    bool is_true = at_word(parser, "TRUE");
    const filter_node *all = NULL;
    VEER_TRY(advance(parser));
    VEER_TRY(build_all(parser->builder, &all));
    if (!is_true) return build_not(parser->builder, all, out);
    *out = all;
    return VEER_OK;
}

static veer_status parse_factor(text_parser *parser, const filter_node **out)
{
    filter_place place = place_of(&parser->token);
    filter_target field;
    VEER_TRY(build_count(parser->builder, &place, 1));
    if (at_word(parser, "NOT")) {
        const filter_node *child = NULL;
        VEER_TRY(enter(parser));
        VEER_TRY(parse_factor(parser, &child));
        parser->depth--;
        return build_not(parser->builder, child, out);
    }
    if (parser->token.kind == TOKEN_OPEN) {
        VEER_TRY(enter(parser));
        VEER_TRY(parse_filter(parser, out));
        VEER_TRY(accept(parser, TOKEN_CLOSE, "AND, OR or )"));
        parser->depth--;
        return VEER_OK;
    }
    if (at_word(parser, "TRUE") || at_word(parser, "FALSE")) return parse_constant(parser, out);
    if (at_word(parser, "EXISTS")) {
        VEER_TRY(advance(parser));
        bool is_open = parser->token.kind == TOKEN_OPEN;
        if (is_open) VEER_TRY(advance(parser));
        VEER_TRY(parse_field(parser, "a field", &field));
        if (is_open) VEER_TRY(accept(parser, TOKEN_CLOSE, ")"));
        return build_exists(parser->builder, &field, out);
    }
    VEER_TRY(parse_field(parser, "a field, NOT or (", &field));
    return parse_predicate(parser, &field, out);
}

/* factor (AND factor)*, or term (OR term)*. */
static veer_status parse_group(text_parser *parser, filter_kind kind, const filter_node **out)
{
    const char *word = kind == FILTER_AND ? "AND" : "OR";
    filter_list children = {.item_bytes = sizeof(const filter_node *)};
    for (;;) {
        const filter_node *child = NULL;
        if (kind == FILTER_AND) {
            VEER_TRY(parse_factor(parser, &child));
        } else {
            VEER_TRY(parse_group(parser, FILTER_AND, &child));
        }
        const filter_node **place = build_push(parser->builder, &children);
        if (place == NULL) return build_nomem(parser->builder);
        *place = child;
        if (!at_word(parser, word)) break;
        VEER_TRY(advance(parser));
    }
    return build_group(parser->builder, kind, &children, out);
}

static veer_status parse_filter(text_parser *parser, const filter_node **out)
{
    return parse_group(parser, FILTER_OR, out);
}

veer_status filter_parse_text(filter_builder *builder, const char *text, size_t bytes,
                              const filter_node **out)
{
    text_parser parser = {.builder = builder};
    lexer_init(&parser.lexer, builder, text, bytes);
    VEER_TRY(advance(&parser));
    VEER_TRY(parse_filter(&parser, out));
    if (parser.token.kind != TOKEN_END) return expected(&parser, "AND, OR or the end");
    return VEER_OK;
}
