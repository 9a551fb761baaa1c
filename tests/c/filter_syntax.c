/* The two spellings: what they mean, what they refuse and in which words, and hostile input. */
#include <stdlib.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "filter/filter_tree.h"
#include "filter_model.h"
#include "support/testing.h"

typedef struct refusal {
    const char *text;
    veer_status status;
    const char *message; /* whole, or its beginning where it ends in ... */
} refusal;

static void assert_message(const char *message, const char *expected, const char *text)
{
    size_t bytes = strlen(expected);
    bool begins = bytes > 3 && strcmp(expected + bytes - 3, "...") == 0;
    bool same =
        begins ? strncmp(message, expected, bytes - 3) == 0 : strcmp(message, expected) == 0;
    if (!same) fail_msg("%s\n  gives:    %s\n  expected: %s", text, message, expected);
}

static veer_status try_parse(const char *text, size_t bytes, bool is_object, const char *parameters,
                             veer_error *error)
{
    arena memory;
    const filter *filter = NULL;
    arena_init(&memory, memory_default());
    veer_status status = model_parse(text, bytes, is_object, parameters, &memory, &filter, error);
    assert_true((status == VEER_OK) == (filter != NULL));
    if (status != VEER_OK && error != NULL) assert_int_equal(error->status, status);
    arena_fini(&memory);
    return status;
}

static void assert_refused(const refusal *cases, size_t count, bool is_object)
{
    for (size_t i = 0; i < count; i++) {
        veer_error error = {0};
        veer_status status =
            try_parse(cases[i].text, strlen(cases[i].text), is_object, NULL, &error);
        assert_message(error.message, cases[i].message, cases[i].text);
        assert_int_equal(status, cases[i].status);
        /* A NULL error is allowed. */
        assert_int_equal(try_parse(cases[i].text, strlen(cases[i].text), is_object, NULL, NULL),
                         status);
    }
}

static void test_text_errors(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"", VEER_E_SYNTAX, "filter: at 1: expected a field, NOT or (, found the end"},
        {"   ", VEER_E_SYNTAX, "filter: at 4: expected a field, NOT or (, found the end"},
        {"year >= AND", VEER_E_SYNTAX, "filter: at 9: expected a value after '>=', found 'AND'"},
        {"year >=", VEER_E_SYNTAX, "filter: at 8: expected a value after '>=', found the end"},
        {"year", VEER_E_SYNTAX, "filter: at 5: expected an operator (=, !=, <..."},
        {"year 5", VEER_E_SYNTAX, "filter: at 6: expected an operator (=, !=, <..."},
        {"year = 5 6", VEER_E_SYNTAX,
         "filter: at 10: expected AND, OR or the end after '5', found '6'"},
        {"(year = 5", VEER_E_SYNTAX,
         "filter: at 10: expected AND, OR or ) after '5', found the end"},
        {"year = 5)", VEER_E_SYNTAX,
         "filter: at 9: expected AND, OR or the end after '5', found ')'"},
        {"year NOT = 5", VEER_E_SYNTAX,
         "filter: at 10: expected IN, BETWEEN, CONTAINS or EXISTS after 'NOT', found '='"},
        {"year IN 5", VEER_E_SYNTAX, "filter: at 9: expected ( or ? after 'IN', found '5'"},
        {"year IN (5", VEER_E_SYNTAX, "filter: at 11: expected , or ) after '5', found the end"},
        {"year IN (5,)", VEER_E_SYNTAX, "filter: at 12: expected a value after ',', found ')'"},
        {"year BETWEEN 1 OR 2", VEER_E_SYNTAX, "filter: at 16: expected AND after '1', found 'OR'"},
        {"year IS 5", VEER_E_SYNTAX,
         "filter: at 9: expected NULL or NOT NULL after 'IS', found '5'"},
        {"tag = \"x\"", VEER_E_SYNTAX,
         "filter: at 7: expected a value (strings have single quotes) after '=', found '\"x\"'"},
        {"tag = x", VEER_E_SYNTAX,
         "filter: at 7: expected a value (strings have single quotes) after '=', found 'x'"},
        {"tag = 'x", VEER_E_SYNTAX, "filter: at 7: the string that begins here has no closing '"},
        {"\"tag = 'x'", VEER_E_SYNTAX, "filter: at 1: the name that begins here has no closing \""},
        {"'a' = tag", VEER_E_SYNTAX, "filter: at 1: expected a field, NOT or (, found 'a'"},
        {"tag = 'x' && year = 1", VEER_E_SYNTAX,
         "filter: at 11: unexpected character '&'; write AND"},
        {"tag = 'x' || year = 1", VEER_E_SYNTAX,
         "filter: at 11: unexpected character '|'; write OR"},
        {"!tag = 'x'", VEER_E_SYNTAX, "filter: at 1: unexpected character '!'; write NOT or !="},
        {"tag = 'ä' AND year ≥ 5", VEER_E_SYNTAX, "filter: at 20: unexpected character '≥'"},
        {"year = 1.2.3", VEER_E_SYNTAX, "filter: at 8: '1.2.3' is not a number"},
        {"year = 007", VEER_E_SYNTAX, "filter: at 8: '007' is not a number"},
        {"year = .5", VEER_E_SYNTAX, "filter: at 8: '.5' is not a number"},
        {"year = 5years", VEER_E_SYNTAX, "filter: at 8: '5years' is not a number"},
        {"year = 1e999", VEER_E_RANGE, "filter: at 8: the number '1e999' is too large"},
        {"year = -1e999", VEER_E_RANGE, "filter: at 8: the number '-1e999' is too large"},
        {"year = 9007199254740993", VEER_E_RANGE,
         "filter: at 8: field 'year': the integer 9007199254740993 is beyond 2^53 "
         "(9007199254740992), where numbers are no longer exact"},
        {"year = -9007199254740993", VEER_E_RANGE, "filter: at 8: field 'year': the integer..."},
        {"year = 123456789012345678901234567890", VEER_E_RANGE,
         "filter: at 8: field 'year': the integer..."},
        {"yaer >= 2020", VEER_E_FIELD, "filter: at 1: unknown field 'yaer'; did you mean 'year'?"},
        {"Year >= 2020", VEER_E_FIELD, "filter: at 1: unknown field 'Year'; did you mean 'year'?"},
        {"tag = 'a' AND drafts = true", VEER_E_FIELD,
         "filter: at 15: unknown field 'drafts'; did you mean 'draft'?"},
        {"zzzzzz = 1", VEER_E_FIELD,
         "filter: at 1: unknown field 'zzzzzz'; the fields are: tag, "
         "owner.name-x, year, in, draft, at, odd name, ghost"},
        {"year = 'abc'", VEER_E_TYPE,
         "filter: at 8: field 'year' is a number, but 'abc' is a string"},
        {"tag = 5", VEER_E_TYPE, "filter: at 7: field 'tag' is a keyword, but 5 is a number"},
        {"tag IN ('a', true)", VEER_E_TYPE,
         "filter: at 14: field 'tag' is a keyword, but true is a bool"},
        {"draft = 1", VEER_E_TYPE, "filter: at 9: field 'draft' is a bool, but 1 is a number"},
        {"draft > false", VEER_E_TYPE,
         "filter: at 7: field 'draft' is a bool, which has no order for >; use = or !="},
        {"draft BETWEEN false AND true", VEER_E_TYPE,
         "filter: at 7: field 'draft' is a bool, which has no order for BETWEEN; use = or !="},
        {"year CONTAINS 5", VEER_E_TYPE,
         "filter: at 6: field 'year' is a number; CONTAINS is for keywords, use = or IN"},
        {"at > 'yesterday'", VEER_E_TYPE,
         "filter: at 6: field 'at' is a time; 'yesterday' is no ISO 8601 time such as "
         "'2024-05-17T12:30:00Z'"},
        {"at > 1.5", VEER_E_TYPE,
         "filter: at 6: field 'at' is a time; 1.5 is no whole number of milliseconds"},
        {"at > 9000000000000000", VEER_E_RANGE, "filter: at 6: field 'at': 9000000000000000..."},
        {"at > true", VEER_E_TYPE, "filter: at 6: field 'at' is a time, but true is a bool"},
        {"tag = NULL", VEER_E_TYPE,
         "filter: at 7: field 'tag' is a keyword and cannot be compared with null; ask IS NULL "
         "(in an object: {\"$exists\": false})"},
    };
    assert_refused(cases, TEST_COUNT(cases), false);
}

static void test_object_errors(void **state)
{
    (void)state;
    static const refusal cases[] = {
        {"[]", VEER_E_TYPE, "filter: expected a string or an object, found array"},
        {"5", VEER_E_TYPE, "filter: expected a string or an object, found uint"},
        {"{\"yaer\": 1}", VEER_E_FIELD,
         "filter: at yaer: unknown field 'yaer'; did you mean 'year'?"},
        {"{\"tag\": [\"a\", \"b\"]}", VEER_E_TYPE,
         "filter: at tag: field 'tag' is compared with one value, not with an array or object; "
         "for any of several values use IN (in an object: $in)"},
        {"{\"tag\": {\"$eq\": [\"a\"]}}", VEER_E_TYPE, "filter: at tag.$eq: field 'tag' is..."},
        {"{\"tag\": {}}", VEER_E_SYNTAX,
         "filter: at tag: expected an operator such as $eq in the object"},
        {"{\"tag\": {\"$regex\": \"a\"}}", VEER_E_SYNTAX,
         "filter: at tag.$regex: unknown operator; there are $eq..."},
        {"{\"$xor\": []}", VEER_E_SYNTAX,
         "filter: at $xor: unknown operator; between fields there are $and $or $nor $not"},
        {"{\"$or\": []}", VEER_E_SYNTAX,
         "filter: at $or: expected an array of at least one object"},
        {"{\"$or\": [{\"year\": 1}, 5]}", VEER_E_SYNTAX, "filter: at $or[1]: expected an object"},
        {"{\"$or\": [{\"tag\": \"a\"}, {\"year\": {\"$gte\": \"x\"}}]}", VEER_E_TYPE,
         "filter: at $or[1].year.$gte: field 'year' is a number, but 'x' is a string"},
        {"{\"$not\": 5}", VEER_E_SYNTAX, "filter: at $not: expected an object"},
        {"{\"year\": {\"$not\": 5}}", VEER_E_SYNTAX,
         "filter: at year.$not: expected an object of operators"},
        {"{\"year\": {\"$in\": 5}}", VEER_E_SYNTAX,
         "filter: at year.$in: expected an array of values"},
        {"{\"year\": {\"$in\": [5, null]}}", VEER_E_TYPE,
         "filter: at year.$in[1]: field 'year' is a number and cannot be compared with null..."},
        {"{\"year\": {\"$exists\": 1}}", VEER_E_SYNTAX,
         "filter: at year.$exists: expected true or false"},
        {"{\"year\": {\"$contains\": 1}}", VEER_E_TYPE,
         "filter: at year.$contains: field 'year' is a number; $contains is for keywords, use = "
         "or IN"},
        {"{\"draft\": {\"$lt\": true}}", VEER_E_TYPE, "filter: at draft.$lt: field 'draft' is..."},
        {"{\"year\": 9007199254740993}", VEER_E_RANGE, "filter: at year: field 'year': the..."},
        {"{\"year\": 18446744073709551615}", VEER_E_RANGE, "filter: at year: field 'year': the..."},
    };
    assert_refused(cases, TEST_COUNT(cases), true);
}

static void test_unfilterable_fields(void **state)
{
    (void)state;
    static const filter_field fields[] = {{"embedding", 1, COLUMN_NONE, "vector"},
                                          {"body", 2, COLUMN_NONE, "text"}};
    static const char *const texts[] = {"embedding EXISTS", "body = 'x'"};
    static const char *const messages[] = {
        "filter: at 1: field 'embedding' is of type vector, which filters cannot ask",
        "filter: at 1: field 'body' is of type text, which filters cannot ask"};
    for (size_t i = 0; i < 2; i++) {
        yyjson_val value = {0};
        value.tag = ((uint64_t)strlen(texts[i]) << YYJSON_TAG_BIT) | YYJSON_TYPE_STR;
        value.uni.str = texts[i];
        arena memory;
        const filter *filter;
        veer_error error;
        arena_init(&memory, memory_default());
        assert_int_equal(filter_parse(&value, fields, 2, &memory, &filter, &error), VEER_E_TYPE);
        assert_string_equal(error.message, messages[i]);
        assert_int_equal(filter_parse(&value, NULL, 0, &memory, &filter, &error), VEER_E_FIELD);
        arena_fini(&memory);
    }
}

/* ---- parameters */

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *parameters, *printed; /* printed: or the error */
        veer_status status;
    } cases[] = {
        {"tag = ?", "[\"x\"]", "tag = 'x'", VEER_OK},
        {"tag = ? AND year IN (?, 3, ?)", "[\"x\", 1, 2]", "tag = 'x' AND year IN (1, 2, 3)",
         VEER_OK},
        {"year IN (?)", "[[3, 1, 3, 2]]", "year IN (1, 2, 3)", VEER_OK},
        {"year IN (9, ?, ?)", "[[], 7]", "year IN (7, 9)", VEER_OK},
        {"year IN ?", "[[5]]", "year = 5", VEER_OK},
        {"year NOT IN ?", "[[]]", "year NOT IN ()", VEER_OK},
        {"tag CONTAINS ALL ?", "[[]]", "TRUE", VEER_OK},
        {"tag CONTAINS ALL (?, 'b')", "[\"a\"]", "tag CONTAINS ALL ('a', 'b')", VEER_OK},
        {"year BETWEEN ? AND ?", "[1, 2]", "year BETWEEN 1 AND 2", VEER_OK},
        {"at >= ?", "[\"2024-05-17\"]", "at >= '2024-05-17T00:00:00.000Z'", VEER_OK},
        {"NOT (tag = ? OR draft = ?)", "[\"a'b\", true]", "NOT (tag = 'a''b' OR draft = true)",
         VEER_OK},
        {"tag = ? OR tag = 'b' OR tag = ?", "[\"c\", \"a\"]", "tag IN ('a', 'b', 'c')", VEER_OK},
        {"tag = 'b' OR tag = ?", "[\"a\"]", "tag IN ('a', 'b')", VEER_OK},
        {"year >= ? AND year <= ?", "[1, 2]", "year BETWEEN 1 AND 2", VEER_OK},
        {"tag = ?", "[]", "filter: it has 1 parameters (?), but 0 are given", VEER_E_INVALID},
        {"tag = 'x'", "[1]", "filter: it has 0 parameters (?), but 1 is given", VEER_E_INVALID},
        {"tag = ?", "{}", "filter: parameters are an array, not object", VEER_E_TYPE},
        {"tag = ?", "[5]", "filter: parameter 1: field 'tag' is a keyword, but 5 is a number",
         VEER_E_TYPE},
        {"tag = ?", "[[\"a\"]]",
         "filter: parameter 1: field 'tag' is compared with one value, not with an array or "
         "object; for any of several values use IN (in an object: $in)",
         VEER_E_TYPE},
        {"year = 5 AND tag = ?", "[null]",
         "filter: parameter 1: field 'tag' is a keyword and cannot be compared with null; ask IS "
         "NULL (in an object: {\"$exists\": false})",
         VEER_E_TYPE},
        {"year IN (?)", "[[1, \"x\"]]",
         "filter: parameter 1: field 'year' is a number, but 'x' is a string", VEER_E_TYPE},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        arena memory;
        const filter *filter;
        veer_error error = {0};
        arena_init(&memory, memory_default());
        veer_status status = model_parse(cases[i].text, strlen(cases[i].text), false,
                                         cases[i].parameters, &memory, &filter, &error);
        if (status == VEER_OK) {
            byte_writer printed;
            byte_writer_init(&printed, memory_default());
            filter_print(filter, &printed);
            byte_writer_u8(&printed, 0);
            assert_message((const char *)printed.data, cases[i].printed, cases[i].text);
            assert_int_equal(filter_parameters(filter), 0);
            byte_writer_fini(&printed);
        } else {
            assert_message(error.message, cases[i].printed, cases[i].text);
        }
        assert_int_equal(status, cases[i].status);
        arena_fini(&memory);
    }
}

/* A filter with `?` prints them, and parses to the same tree. */
static void test_unbound_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {"tag = ?",
                                        "tag != ? OR year IN (1, ?, 2, ?)",
                                        "year BETWEEN ? AND 5",
                                        "year > ? AND year <= ?",
                                        "tag CONTAINS ALL (?, 'b') AND NOT (at < ? OR draft = ?)",
                                        "tag NOT IN (?)",
                                        "(year > 1 AND year <= 5) OR tag = ?"};
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        arena memory;
        const filter *filters[2];
        byte_writer printed;
        arena_init(&memory, memory_default());
        byte_writer_init(&printed, memory_default());
        assert_int_equal(
            model_parse(texts[i], strlen(texts[i]), false, NULL, &memory, &filters[0], NULL),
            VEER_OK);
        filter_print(filters[0], &printed);
        assert_int_equal(model_parse((const char *)printed.data, printed.bytes, false, NULL,
                                     &memory, &filters[1], NULL),
                         VEER_OK);
        if (!filter_equal(filters[0], filters[1])) fail_msg("%s", texts[i]);
        assert_true(filter_parameters(filters[0]) > 0);
        byte_writer_fini(&printed);
        arena_fini(&memory);
    }
}

static veer_status find_nothing(void *context, uint32_t field, const column **found,
                                veer_error *error)
{
    (void)context, (void)field, (void)error;
    *found = NULL;
    return VEER_OK;
}

static void test_unbound_is_refused(void **state)
{
    (void)state;
    arena memory;
    const filter *filter;
    veer_error error;
    uint64_t bits[1] = {42};
    size_t matches;
    filter_columns columns = {NULL, find_nothing, 10};
    arena_init(&memory, memory_default());
    const char *text = "tag = ? OR year IN (1, ?)";
    assert_int_equal(model_parse(text, strlen(text), false, NULL, &memory, &filter, &error),
                     VEER_OK);
    assert_int_equal(filter_parameters(filter), 2);
    assert_int_equal(filter_evaluate(filter, &columns, memory_default(), bits, &matches, &error),
                     VEER_E_INVALID);
    assert_string_equal(error.message, "filter: its 2 parameters (?) have no values yet");
    assert_true(bits[0] == 42);
    arena_fini(&memory);
}

/* ---- canonical forms */

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
        bool is_object;
    } cases[] = {
        {"((tag='a'))", "tag = 'a'", false},
        {"NOT NOT tag = 'a'", "tag = 'a'", false},
        {"tag <> 'a'", "tag != 'a'", false},
        {"tag = 'b' OR tag = 'a' OR tag IN ('c', 'b')", "tag IN ('a', 'b', 'c')", false},
        {"year >= 2000 AND year < 2010 AND year <= 2015", "year >= 2000 AND year < 2010", false},
        {"year >= 1 and (year <= 5 and (year >= 2))", "year BETWEEN 2 AND 5", false},
        {"year > 1 AND year >= 1", "year > 1", false},
        {"tag >= 'a' AND tag <= 'b'", "tag >= 'a' AND tag <= 'b'", false},
        {"tag is not null", "tag EXISTS", false},
        {"NOT tag EXISTS", "tag IS NULL", false},
        {"tag CONTAINS ALL ('a', 'a')", "tag = 'a'", false},
        {"EXISTS(tag)", "tag EXISTS", false},
        {"\"in\" = 1e3", "\"in\" = 1000", false},
        {"year = 0.1", "year = 0.1", false},
        {"year = +5", "year = 5", false},
        {"year = -0", "year = 0", false},
        {"year = 1e300", "year = 1e+300", false},
        {"at = 0", "at = '1970-01-01T00:00:00.000Z'", false},
        {"owner.name-x='y'", "owner.name-x = 'y'", false},
        {"NOT (year > 1)", "NOT (year > 1)", false},
        {"year NOT BETWEEN 1 AND 2", "year NOT BETWEEN 1 AND 2", false},
        {"{}", "TRUE", true},
        {"{\"$not\": {}}", "FALSE", true},
        {"{\"tag\": \"x\", \"year\": {\"$gte\": 2020}}", "tag = 'x' AND year >= 2020", true},
        {"{\"tag\": null}", "tag IS NULL", true},
        {"{\"tag\": {\"$ne\": null}}", "tag EXISTS", true},
        {"{\"tag\": {\"$nin\": [\"a\"]}}", "tag != 'a'", true},
        {"{\"$nor\": [{\"tag\": \"a\"}, {\"year\": 1}]}", "NOT (tag = 'a' OR year = 1)", true},
        {"{\"year\": {\"$not\": {\"$gt\": 1, \"$lt\": 5}}}", "NOT (year > 1 AND year < 5)", true},
        {"{\"tag\": {\"$containsAll\": [\"b\", \"a\"]}}", "tag CONTAINS ALL ('a', 'b')", true},
        {"{\"tag\": {\"$containsAny\": [\"b\", \"a\"]}}", "tag IN ('a', 'b')", true},
        {"{\"at\": {\"$gte\": \"2024\", \"$lt\": \"2025\"}}",
         "at >= '2024-01-01T00:00:00.000Z' AND at < '2025-01-01T00:00:00.000Z'", true},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        arena memory;
        const filter *filter;
        veer_error error = {0};
        byte_writer printed;
        arena_init(&memory, memory_default());
        byte_writer_init(&printed, memory_default());
        if (model_parse(cases[i].text, strlen(cases[i].text), cases[i].is_object, NULL, &memory,
                        &filter, &error) != VEER_OK) {
            fail_msg("%s: %s", cases[i].text, error.message);
        }
        filter_print(filter, &printed);
        byte_writer_u8(&printed, 0);
        assert_message((const char *)printed.data, cases[i].printed, cases[i].text);
        byte_writer_fini(&printed);
        arena_fini(&memory);
    }
}

/* ---- hostile input */

static char *repeated(const char *head, const char *piece, size_t times, const char *tail,
                      size_t *bytes)
{
    size_t piece_bytes = strlen(piece);
    char *text = malloc(strlen(head) + times * piece_bytes + strlen(tail) + 1);
    assert_non_null(text);
    char *at = text + strlen(strcpy(text, head));
    for (size_t i = 0; i < times; i++, at += piece_bytes)
        memcpy(at, piece, piece_bytes);
    strcpy(at, tail);
    *bytes = strlen(text);
    return text;
}

static void assert_repeated(const char *head, const char *piece, size_t times, const char *tail,
                            bool is_object, veer_status expected)
{
    size_t bytes;
    veer_error error = {0};
    char *text = repeated(head, piece, times, tail, &bytes);
    veer_status status = try_parse(text, bytes, is_object, NULL, &error);
    if (status != expected) fail_msg("%s x %zu: %d %s", piece, times, (int)status, error.message);
    free(text);
}

static void test_hostile(void **state)
{
    (void)state;
    const bool text = false, object = true;
    assert_repeated("", "(", 1 << 20, "", text, VEER_E_LIMIT);
    assert_repeated("", "(", 65536, "tag = 'a'", text, VEER_E_LIMIT);
    assert_repeated("", "(", 64, "tag = 'a'", text, VEER_E_SYNTAX);
    assert_repeated("", "(", 65, "tag = 'a'", text, VEER_E_LIMIT);
    assert_repeated("", "NOT ", 64, "tag = 'a'", text, VEER_OK);
    assert_repeated("", "NOT ", 65, "tag = 'a'", text, VEER_E_LIMIT);
    assert_repeated("", "not(", 1 << 18, "", text, VEER_E_LIMIT);
    assert_repeated("year IN (1", ",2", 65000, ")", text, VEER_OK);
    assert_repeated("year IN (1", ",2", 70000, ")", text, VEER_E_LIMIT);
    assert_repeated("year = 1", " OR year = 1", 32000, "", text, VEER_OK);
    assert_repeated("year = 1", " OR year = 1", 33000, "", text, VEER_E_LIMIT);
    assert_repeated("year = 1", " AND tag = 'a'", 32000, "", text, VEER_OK);
    assert_repeated("year IN (?", ",?", 60000, ")", text, VEER_OK);
    assert_repeated("year = 1", "1", 1 << 20, "", text, VEER_E_RANGE);
    assert_repeated("year = 0.", "1", 1 << 20, "", text, VEER_OK);
    assert_repeated("year = 1e", "9", 1 << 20, "", text, VEER_E_RANGE);
    assert_repeated("tag = '", "a", 1 << 20, "'", text, VEER_E_LIMIT);
    assert_repeated("tag = '", "''", 1024, "'", text, VEER_OK);
    assert_repeated("tag = '", "''", 1 << 20, "", text, VEER_E_SYNTAX);
    assert_repeated("", "a", 1 << 20, " = 1", text, VEER_E_FIELD);
    assert_repeated("\"", "\"\"", 1 << 20, "\" = 1", text, VEER_E_FIELD);
    assert_repeated("", " ", 1 << 20, "", text, VEER_E_SYNTAX);
    assert_repeated("{\"year\": {\"$in\": [1", ",2", 70000, "]}}", object, VEER_E_LIMIT);
    assert_repeated("", "{\"$not\":", 63, "{}", object, VEER_E_SYNTAX); /* not closed: not JSON */
    size_t bytes;
    for (size_t depth = 60; depth < 70; depth++) {
        char *open = repeated("", "{\"$not\":", depth, "{}", &bytes);
        char *whole = repeated(open, "}", depth, "", &bytes);
        assert_int_equal(try_parse(whole, bytes, true, NULL, NULL),
                         depth < 64 ? VEER_OK : VEER_E_LIMIT);
        free(open);
        free(whole);
        open = repeated("", "{\"$or\":[", depth, "{\"tag\":\"a\"", &bytes);
        whole = repeated(open, "}]", depth, "}", &bytes);
        assert_int_equal(try_parse(whole, bytes, true, NULL, NULL),
                         depth < 64 ? VEER_OK : VEER_E_LIMIT);
        free(open);
        free(whole);
    }
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    veer_error error = {0};
    assert_int_equal(try_parse("tag = 'a\0b'", 11, false, NULL, &error), VEER_OK);
    assert_int_equal(try_parse("tag\0 = 'a'", 10, false, NULL, &error), VEER_E_SYNTAX);
    assert_string_equal(error.message, "filter: at 4: unexpected character '\\x00'");
    assert_int_equal(try_parse("\"ta\0g\" = 'a'", 12, false, NULL, &error), VEER_E_FIELD);
    assert_string_equal(error.message,
                        "filter: at 1: unknown field 'ta\\x00g'; did you mean 'tag'?");
    assert_int_equal(try_parse("tag = '\xFF'", 9, false, NULL, &error), VEER_E_SYNTAX);
    assert_string_equal(error.message, "filter: at 8: the text is not UTF-8");
    assert_int_equal(try_parse("\xC3", 1, false, NULL, &error), VEER_E_SYNTAX);
    assert_string_equal(error.message, "filter: at 1: the text is not UTF-8");
    assert_int_equal(try_parse("tag = 'ä\xED\xA0\x80'", 13, false, NULL, &error), VEER_E_SYNTAX);
    assert_string_equal(error.message, "filter: at 9: the text is not UTF-8");
    assert_int_equal(try_parse("{\"tag\": \"\xFF\"}", 12, true, NULL, &error), VEER_E_SYNTAX);
    /* Every truncation of a filter with everything in it is refused or parses, never more. */
    const char *whole = "NOT (tag = 'ä''b' OR \"in\" >= -1.5e3) AND at BETWEEN '2024' AND ? OR "
                        "owner.name-x NOT IN (?, 'x') AND tag CONTAINS ALL ('日', '本') OR "
                        "draft <> true AND ghost IS NOT NULL";
    for (size_t cut = 0; cut <= strlen(whole); cut++) {
        char *exact = malloc(cut + (cut == 0));
        assert_non_null(exact);
        memcpy(exact, whole, cut);
        try_parse(exact, cut, false, NULL, &error);
        for (size_t i = 0; i < cut; i++) { /* and every byte of it replaced */
            char kept = exact[i];
            exact[i] = (char)(kept ^ (1 << (cut + i) % 8));
            if (cut % 8 == 7) try_parse(exact, cut, false, NULL, &error);
            exact[i] = kept;
        }
        free(exact);
    }
    assert_int_equal(try_parse(whole, strlen(whole), false, NULL, &error), VEER_OK);
}

/* Errors fit their text and say where, however long what they show is. */
static void test_long_errors(void **state)
{
    (void)state;
    size_t bytes;
    veer_error error = {0};
    char *text = repeated("year = 1 AND ", "ü", 5000, " = 1", &bytes);
    assert_int_equal(try_parse(text, bytes, false, NULL, &error), VEER_E_SYNTAX);
    assert_string_equal(error.message, "filter: at 14: unexpected character 'ü'");
    free(text);
    text = repeated("\"", "日", 5000, "\" = 1", &bytes);
    assert_int_equal(try_parse(text, bytes, false, NULL, &error), VEER_E_FIELD);
    assert_non_null(strstr(error.message, "日日...'; the fields are: tag"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_errors),
        cmocka_unit_test(test_object_errors),
        cmocka_unit_test(test_unfilterable_fields),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_unbound_round_trip),
        cmocka_unit_test(test_unbound_is_refused),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_long_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
