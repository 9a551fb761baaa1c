/* The naive model of filters. See filter_model.h. */
#define _GNU_SOURCE
#include "filter_model.h"

#include <stdlib.h>

#include "base/status.h"
#include "base/timestamp.h"
#include "support/testing.h"

/* "in" and "odd name" need quotes in text; nobody has a "ghost". */
const filter_field model_fields[MODEL_FIELDS] = {
    {"tag", 1, COLUMN_KEYWORD, "keyword"}, {"owner.name-x", 2, COLUMN_KEYWORD, "keyword"},
    {"year", 3, COLUMN_NUMBER, "number"},  {"in", 4, COLUMN_NUMBER, "number"},
    {"draft", 5, COLUMN_BOOL, "bool"},     {"at", 6, COLUMN_TIME, "time"},
    {"odd name", 7, COLUMN_TIME, "time"},  {"ghost", 8, COLUMN_KEYWORD, "keyword"},
};

static char long_word[COLUMN_KEYWORD_BYTES_MAX];

const char *model_word(size_t i, size_t *bytes)
{
    static const char *const words[] = {"",     "a",          "aa",  "ab",      "b",
                                        "it's", "\"quoted\"", "AND", "Ünïcode", "日本語",
                                        "x y",  "%",          "\\",  "null",    "😀"};
    static char numbered[MODEL_WORDS][8];
    if (i < TEST_COUNT(words)) {
        *bytes = strlen(words[i]);
        return words[i];
    }
    if (i == TEST_COUNT(words)) {
        memset(long_word, 'z', sizeof long_word);
        *bytes = sizeof long_word;
        return long_word;
    }
    *bytes = (size_t)snprintf(numbered[i], sizeof numbered[i], "w%zu", i);
    return numbered[i];
}

column_value model_value(rng *random, size_t field)
{
    column_value value = {0};
    size_t bytes;
    switch (model_fields[field].type) {
    case COLUMN_KEYWORD:
        value.as.keyword.text = model_word(rng_below(random, MODEL_WORDS), &bytes);
        value.as.keyword.bytes = (uint32_t)bytes;
        break;
    case COLUMN_NUMBER:
        value.as.number =
            field == 2 ? (double)(1990 + (int)rng_below(random, 40)) : rng_normal(random) * 1e3;
        if (rng_below(random, 50) == 0) value.as.number = rng_below(random, 2) ? 0.0 : 1e300;
        break;
    case COLUMN_TIME:
        value.as.time = field == 5 ? (int64_t)rng_below(random, 100) * 86400000 - 4000000000
                                   : (int64_t)rng_below(random, 2000) - 1000;
        if (rng_below(random, 100) == 0) value.as.time = TIMESTAMP_MIN;
        if (rng_below(random, 100) == 0) value.as.time = TIMESTAMP_MAX;
        break;
    case COLUMN_BOOL:
        value.as.boolean = rng_below(random, 4) == 0;
        break;
    case COLUMN_NONE:
        break;
    }
    return value;
}

model_row *model_rows_new(rng *random, size_t rows)
{
    model_row *made = calloc(rows + MODEL_EMPTY_ROWS, sizeof *made);
    assert_non_null(made);
    for (size_t i = 0; i < rows; i++) {
        for (size_t f = 0; f < MODEL_FIELDS - 1; f++) {
            model_cell *cell = &made[i].cells[f];
            bool several = f == 0 && rng_below(random, 3) == 0;
            cell->count = rng_below(random, 8) == 0 ? 0
                          : several                 ? rng_below(random, MODEL_VALUES_MAX + 1)
                                                    : 1;
            for (size_t v = 0; v < cell->count; v++) {
                cell->values[v] = model_value(random, f);
            }
        }
    }
    return made;
}

void model_append(rng *random, column *growing, const model_row *rows, size_t field, size_t first,
                  size_t end)
{
    bool is_keyword = model_fields[field].type == COLUMN_KEYWORD;
    while (first < end) {
        size_t batch = 1 + rng_below(random, 300), values = 0, text = 0;
        if (batch > end - first) batch = end - first;
        for (size_t i = first; i < first + batch; i++) {
            const model_cell *cell = &rows[i].cells[field];
            values += cell->count;
            for (size_t v = 0; is_keyword && v < cell->count; v++) {
                text += cell->values[v].as.keyword.bytes;
            }
        }
        assert_int_equal(column_reserve(growing, batch, values, text), VEER_OK);
        for (size_t i = first; i < first + batch; i++) {
            column_append(growing, rows[i].cells[field].values, rows[i].cells[field].count);
        }
        first += batch;
    }
}

/* ---- trees */

static model_node *new_node(model_op op)
{
    model_node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    node->op = op;
    return node;
}

static model_node *new_leaf(rng *random)
{
    static const model_op keyword_ops[] = {MODEL_CONTAINS, MODEL_CONTAINS_ANY, MODEL_CONTAINS_ALL};
    model_node *node = new_node(MODEL_EQ);
    node->field = rng_below(random, MODEL_FIELDS);
    node->is_bare = rng_below(random, 2) == 0;
    column_type type = model_fields[node->field].type;
    switch (rng_below(random, 9)) {
    case 0:
        node->op = rng_below(random, 2) ? MODEL_EXISTS : MODEL_NOT_EXISTS;
        return node;
    case 1:
    case 2:
        node->op = rng_below(random, 2) ? MODEL_EQ : MODEL_NE;
        break;
    case 3:
    case 4:
        node->op = rng_below(random, 2) ? MODEL_IN : MODEL_NOT_IN;
        break;
    case 5:
        if (type != COLUMN_BOOL) node->op = MODEL_BETWEEN;
        break;
    case 6:
        if (type == COLUMN_KEYWORD) node->op = keyword_ops[rng_below(random, 3)];
        break;
    default:
        if (type != COLUMN_BOOL) node->op = (model_op)(MODEL_LT + rng_below(random, 4));
        break;
    }
    bool is_list = node->op == MODEL_IN || node->op == MODEL_NOT_IN ||
                   node->op == MODEL_CONTAINS_ANY || node->op == MODEL_CONTAINS_ALL;
    node->count = node->op == MODEL_BETWEEN ? 2 : is_list ? rng_below(random, MODEL_LIST_MAX) : 1;
    for (size_t i = 0; i < node->count; i++)
        node->values[i] = model_value(random, node->field);
    return node;
}

model_node *model_tree_new(rng *random, unsigned depth)
{
    if (depth == 0 || rng_below(random, 4) == 0) {
        return rng_below(random, 60) == 0 ? new_node(MODEL_TRUE) : new_leaf(random);
    }
    model_node *node = new_node((model_op)rng_below(random, 3));
    node->count = node->op == MODEL_NOT ? 1 : 2 + rng_below(random, MODEL_CHILDREN_MAX - 1);
    for (size_t i = 0; i < node->count; i++)
        node->children[i] = model_tree_new(random, depth - 1);
    return node;
}

void model_tree_free(model_node *tree)
{
    for (size_t i = 0; tree->op <= MODEL_NOT && i < tree->count; i++)
        model_tree_free(tree->children[i]);
    free(tree);
}

static int order(size_t field, const column_value *a, const column_value *b)
{
    switch (model_fields[field].type) {
    case COLUMN_NUMBER:
        return a->as.number < b->as.number ? -1 : a->as.number > b->as.number;
    case COLUMN_TIME:
        return a->as.time < b->as.time ? -1 : a->as.time > b->as.time;
    case COLUMN_BOOL:
        return (int)a->as.boolean - (int)b->as.boolean;
    default:
        break;
    }
    for (uint32_t i = 0; i < a->as.keyword.bytes && i < b->as.keyword.bytes; i++) {
        int left = (unsigned char)a->as.keyword.text[i];
        int right = (unsigned char)b->as.keyword.text[i];
        if (left != right) return left - right;
    }
    return (int)a->as.keyword.bytes - (int)b->as.keyword.bytes;
}

static bool value_satisfies(const model_node *node, const column_value *value)
{
    const column_value *given = node->values;
    switch (node->op) {
    case MODEL_EQ:
    case MODEL_NE:
    case MODEL_CONTAINS:
        return order(node->field, value, given) == 0;
    case MODEL_LT:
        return order(node->field, value, given) < 0;
    case MODEL_LE:
        return order(node->field, value, given) <= 0;
    case MODEL_GT:
        return order(node->field, value, given) > 0;
    case MODEL_GE:
        return order(node->field, value, given) >= 0;
    case MODEL_BETWEEN:
        return order(node->field, value, &given[0]) >= 0 &&
               order(node->field, value, &given[1]) <= 0;
    case MODEL_EXISTS:
    case MODEL_NOT_EXISTS:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (order(node->field, value, &given[i]) == 0) return true;
    }
    return false;
}

static bool has_all(const model_node *node, const model_cell *cell)
{
    for (size_t i = 0; i < node->count; i++) {
        bool found = false;
        for (size_t v = 0; v < cell->count; v++) {
            found = found || order(node->field, &cell->values[v], &node->values[i]) == 0;
        }
        if (!found) return false;
    }
    return true;
}

bool model_matches(const model_node *tree, const model_row *row)
{
    bool any = false, all = true;
    if (tree->op == MODEL_TRUE) return true;
    if (tree->op <= MODEL_NOT) {
        for (size_t i = 0; i < tree->count; i++) {
            bool matches = model_matches(tree->children[i], row);
            any = any || matches;
            all = all && matches;
        }
        return tree->op == MODEL_AND ? all : tree->op == MODEL_OR ? any : !any;
    }
    const model_cell *cell = &row->cells[tree->field];
    if (tree->op == MODEL_CONTAINS_ALL) return has_all(tree, cell);
    for (size_t v = 0; v < cell->count; v++)
        any = any || value_satisfies(tree, &cell->values[v]);
    bool is_negation =
        tree->op == MODEL_NE || tree->op == MODEL_NOT_IN || tree->op == MODEL_NOT_EXISTS;
    return is_negation ? !any : any;
}

/* ---- printing */

typedef struct printer {
    FILE *text;
    FILE *parameters; /* NULL: literals only */
    size_t parameters_count;
    rng *random;
} printer;

static void print_json_value(FILE *to, size_t field, const column_value *value, bool as_number)
{
    char text[40];
    switch (model_fields[field].type) {
    case COLUMN_NUMBER:
        fprintf(to, "%.17g", value->as.number);
        break;
    case COLUMN_TIME:
        if (as_number) {
            fprintf(to, "%lld", (long long)value->as.time);
        } else {
            size_t bytes = timestamp_format(value->as.time, text);
            fprintf(to, "\"%.*s\"", (int)bytes, text);
        }
        break;
    case COLUMN_BOOL:
        fputs(value->as.boolean ? "true" : "false", to);
        break;
    default:
        fputc('"', to);
        for (uint32_t i = 0; i < value->as.keyword.bytes; i++) {
            char c = value->as.keyword.text[i];
            if (c == '"' || c == '\\') fputc('\\', to);
            fputc(c, to);
        }
        fputc('"', to);
        break;
    }
}

static void print_literal(FILE *to, size_t field, const column_value *value, bool as_number)
{
    column_type type = model_fields[field].type;
    if (type == COLUMN_KEYWORD) {
        fputc('\'', to);
        for (uint32_t i = 0; i < value->as.keyword.bytes; i++) {
            if (value->as.keyword.text[i] == '\'') fputc('\'', to);
            fputc(value->as.keyword.text[i], to);
        }
        fputc('\'', to);
    } else if (type == COLUMN_TIME && !as_number) {
        char text[40];
        size_t bytes = timestamp_format(value->as.time, text);
        fprintf(to, "'%.*s'", (int)bytes, text);
    } else {
        print_json_value(to, field, value, as_number);
    }
}

static bool chance(printer *p, uint64_t in)
{
    return rng_below(p->random, in) == 0;
}

static void print_word(printer *p, const char *word)
{
    bool lower = chance(p, 2);
    fputs(chance(p, 9) ? "\n\t" : " ", p->text);
    for (; *word != 0; word++)
        fputc(lower && *word >= 'A' && *word <= 'Z' ? *word + 32 : *word, p->text);
    fputs(" ", p->text);
}

static void begin_parameter(printer *p)
{
    fputs("?", p->text);
    fputs(p->parameters_count++ == 0 ? "" : ",", p->parameters);
}

static void print_value(printer *p, const model_node *node, size_t i)
{
    bool as_number = chance(p, 2);
    if (p->parameters == NULL || !chance(p, 3)) {
        print_literal(p->text, node->field, &node->values[i], as_number);
        return;
    }
    begin_parameter(p);
    print_json_value(p->parameters, node->field, &node->values[i], as_number);
}

static void print_list(printer *p, const model_node *node)
{
    if (p->parameters != NULL && chance(p, 3)) { /* one array for all, or for a part */
        bool bare = chance(p, 2);
        if (!bare) fputs("(", p->text);
        begin_parameter(p);
        fputs("[", p->parameters);
        for (size_t i = 0; i < node->count; i++) {
            fputs(i == 0 ? "" : ",", p->parameters);
            print_json_value(p->parameters, node->field, &node->values[i], chance(p, 2));
        }
        fputs("]", p->parameters);
        if (!bare) fputs(")", p->text);
        return;
    }
    fputs("(", p->text);
    for (size_t i = 0; i < node->count; i++) {
        fputs(i == 0 ? "" : ",", p->text);
        print_value(p, node, i);
    }
    fputs(")", p->text);
}

static void print_field(printer *p, size_t field)
{
    bool must = field == 3 || field == 6;
    fprintf(p->text, must || chance(p, 6) ? "\"%s\"" : "%s", model_fields[field].name);
}

static void print_leaf(printer *p, const model_node *node)
{
    static const char *const compares[] = {"<", "<=", ">", ">="};
    if (node->op == MODEL_EXISTS && chance(p, 3)) {
        print_word(p, "EXISTS");
        if (chance(p, 2)) {
            print_field(p, node->field);
        } else {
            fputs("(", p->text);
            print_field(p, node->field);
            fputs(")", p->text);
        }
        return;
    }
    print_field(p, node->field);
    switch (node->op) {
    case MODEL_EQ:
        fputs(chance(p, 2) ? "=" : " == ", p->text);
        print_value(p, node, 0);
        break;
    case MODEL_NE:
        fputs(chance(p, 2) ? "!=" : " <> ", p->text);
        print_value(p, node, 0);
        break;
    case MODEL_LT:
    case MODEL_LE:
    case MODEL_GT:
    case MODEL_GE:
        fputs(compares[node->op - MODEL_LT], p->text);
        print_value(p, node, 0);
        break;
    case MODEL_BETWEEN:
        print_word(p, "BETWEEN");
        print_value(p, node, 0);
        print_word(p, "AND");
        print_value(p, node, 1);
        break;
    case MODEL_CONTAINS:
        print_word(p, "CONTAINS");
        print_value(p, node, 0);
        break;
    case MODEL_EXISTS:
        print_word(p, chance(p, 2) ? "EXISTS" : "IS NOT NULL");
        break;
    case MODEL_NOT_EXISTS:
        print_word(p, chance(p, 2) ? "NOT EXISTS" : "IS NULL");
        break;
    default:
        print_word(p, node->op == MODEL_IN             ? "IN"
                      : node->op == MODEL_NOT_IN       ? "NOT IN"
                      : node->op == MODEL_CONTAINS_ANY ? "CONTAINS ANY"
                                                       : "CONTAINS ALL");
        print_list(p, node);
        break;
    }
}

static void print_node(printer *p, const model_node *node, bool is_inner)
{
    if (node->op == MODEL_TRUE) {
        print_word(p, "TRUE");
        return;
    }
    if (node->op > MODEL_TRUE) {
        bool parenthesis = chance(p, 5);
        fputs(parenthesis ? "(" : "", p->text);
        print_leaf(p, node);
        fputs(parenthesis ? ")" : "", p->text);
        return;
    }
    /* AND binds closer than OR: an AND within an OR may stand bare. */
    bool parenthesis = node->op == MODEL_NOT ? false : is_inner;
    if (node->op == MODEL_NOT) print_word(p, "NOT");
    fputs(parenthesis ? "(" : "", p->text);
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0) print_word(p, node->op == MODEL_AND ? "AND" : "OR");
        bool bare = node->op == MODEL_OR && node->children[i]->op == MODEL_AND && chance(p, 2);
        print_node(p, node->children[i], !bare);
    }
    fputs(parenthesis ? ")" : "", p->text);
}

model_text model_print_text(rng *random, const model_node *tree, bool with_parameters)
{
    model_text made = {0};
    size_t parameters_bytes;
    printer p = {.random = random};
    p.text = open_memstream(&made.text, &made.bytes);
    FILE *parameters = open_memstream(&made.parameters, &parameters_bytes);
    assert_non_null(p.text);
    assert_non_null(parameters);
    if (with_parameters) p.parameters = parameters;
    fputs("[", parameters);
    print_node(&p, tree, false);
    fputs("]", parameters);
    fclose(p.text);
    fclose(parameters);
    return made;
}

static bool print_object_leaf(FILE *to, const model_node *node)
{
    static const char *const keys[] = {"$eq", "$ne",       "$lt",          "$lte",
                                       "$gt", "$gte",      "$in",          "$nin",
                                       "",    "$contains", "$containsAny", "$containsAll"};
    fprintf(to, "{\"%s\":", model_fields[node->field].name);
    if (node->op == MODEL_EXISTS || node->op == MODEL_NOT_EXISTS) {
        bool bare = node->op == MODEL_NOT_EXISTS && node->is_bare;
        fputs(bare                       ? "null}"
              : node->op == MODEL_EXISTS ? "{\"$exists\":true}}"
                                         : "{\"$exists\":false}}",
              to);
        return true;
    }
    if (node->op == MODEL_BETWEEN) {
        if (model_fields[node->field].type == COLUMN_KEYWORD) return false;
        fputs("{\"$gte\":", to);
        print_json_value(to, node->field, &node->values[0], true);
        fputs(",\"$lte\":", to);
        print_json_value(to, node->field, &node->values[1], false);
        fputs("}}", to);
        return true;
    }
    bool bare = node->op == MODEL_EQ && node->is_bare;
    bool is_list = node->op == MODEL_IN || node->op == MODEL_NOT_IN ||
                   node->op == MODEL_CONTAINS_ANY || node->op == MODEL_CONTAINS_ALL;
    if (!bare) fprintf(to, "{\"%s\":", keys[node->op - MODEL_EQ]);
    fputs(is_list ? "[" : "", to);
    for (size_t i = 0; i < node->count; i++) {
        fputs(i == 0 ? "" : ",", to);
        print_json_value(to, node->field, &node->values[i], i % 2 == 0);
    }
    fputs(is_list ? "]" : "", to);
    fputs(bare ? "}" : "}}", to);
    return true;
}

static bool print_object_node(FILE *to, const model_node *node)
{
    if (node->op == MODEL_TRUE) {
        fputs("{}", to);
        return true;
    }
    if (node->op > MODEL_TRUE) return print_object_leaf(to, node);
    if (node->op == MODEL_NOT) {
        fputs("{\"$not\":", to);
        bool printed = print_object_node(to, node->children[0]);
        fputs("}", to);
        return printed;
    }
    bool printed = true;
    fputs(node->op == MODEL_AND ? "{\"$and\":[" : "{\"$or\":[", to);
    for (size_t i = 0; i < node->count; i++) {
        fputs(i == 0 ? "" : ",", to);
        printed = print_object_node(to, node->children[i]) && printed;
    }
    fputs("]}", to);
    return printed;
}

bool model_print_object(const model_node *tree, model_text *out)
{
    memset(out, 0, sizeof *out);
    FILE *to = open_memstream(&out->text, &out->bytes);
    assert_non_null(to);
    bool printed = print_object_node(to, tree);
    fclose(to);
    return printed;
}

void model_text_free(model_text *text)
{
    free(text->text);
    free(text->parameters);
    memset(text, 0, sizeof *text);
}

/* ---- parsing */

static void *give(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *regive(void *context, void *memory, size_t old, size_t size)
{
    (void)context;
    (void)old;
    return realloc(memory, size);
}

static void take_back(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static yyjson_doc *read_json(const char *text, size_t bytes)
{
    yyjson_alc allocator = {give, regive, take_back, NULL};
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, bytes,
                                       YYJSON_READ_ALLOW_INVALID_UNICODE, &allocator, NULL);
    return doc;
}

veer_status model_parse(const char *text, size_t bytes, bool is_object, const char *parameters,
                        arena *memory, const filter **out, veer_error *error)
{
    /* A JSON string of any bytes, invalid UTF-8 and NUL included: through a mutable document. */
    yyjson_doc *doc = NULL;
    yyjson_val string = {0};
    const yyjson_val *value = &string;
    *out = NULL;
    if (is_object) {
        doc = read_json(text, bytes);
        if (doc == NULL) return error_set(error, VEER_E_SYNTAX, "not JSON");
        value = yyjson_doc_get_root(doc);
    } else {
        string.tag = ((uint64_t)bytes << YYJSON_TAG_BIT) | YYJSON_TYPE_STR;
        string.uni.str = text;
    }
    const filter *parsed = NULL;
    veer_status status = filter_parse(value, model_fields, MODEL_FIELDS, memory, &parsed, error);
    yyjson_doc_free(doc);
    if (status != VEER_OK) return status;
    if (parameters == NULL) {
        *out = parsed;
        return VEER_OK;
    }
    yyjson_doc *given = read_json(parameters, strlen(parameters));
    assert_non_null(given);
    status = filter_bind(parsed, yyjson_doc_get_root(given), memory, out, error);
    yyjson_doc_free(given);
    return status;
}
