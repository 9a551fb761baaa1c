/* Filters in both spellings: parse, bind, print, evaluate.
 *
 * Input: the filter, and behind the first 0xFF byte the parameters as JSON. A filter that begins
 * with { is the object spelling. Whatever parses must print to text that parses to an equal tree,
 * and must mark the same rows over growing and sealed columns.
 */
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "filter/filter_tree.h"

#define ROWS 70u

static const filter_field fields[] = {
    {"tag", 1, COLUMN_KEYWORD, "keyword"}, {"year", 2, COLUMN_NUMBER, "number"},
    {"draft", 3, COLUMN_BOOL, "bool"},     {"at", 4, COLUMN_TIME, "time"},
    {"ghost", 5, COLUMN_NUMBER, "number"}, {"body", 6, COLUMN_NONE, "text"},
};

#define FIELDS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) abort();
}

typedef struct columns {
    column *of[FIELDS];
} columns;

static columns growing, sealed;

static void append(column *to, size_t f, size_t row)
{
    static const char *const texts[] = {"", "a", "ab", "b", "it's", "\xC3\xA4", "zz"};
    column_value values[3];
    size_t count = row % 9 == 8 ? 0 : f == 0 ? row % 4 : 1;
    for (size_t i = 0; i < count; i++) {
        memset(&values[i], 0, sizeof values[i]);
        if (f == 0) {
            const char *text = texts[(row + i * 3) % 7];
            values[i].as.keyword.text = text;
            values[i].as.keyword.bytes = (uint32_t)strlen(text);
        }
        if (f == 1) values[i].as.number = (double)((int)(row * 37 % 50) - 20) / 2;
        if (f == 2) values[i].as.boolean = row % 3 == 0;
        if (f == 3) values[i].as.time = (int64_t)row * 86400000 - 1000000000;
    }
    column_append(to, values, count);
}

/* Once: the same rows in both forms, alive until the process ends. */
static void make_columns(void)
{
    static byte_writer bytes[FIELDS];
    if (growing.of[0] != NULL) return;
    for (size_t f = 0; f < FIELDS; f++) {
        const size_t rows = ROWS;
        expect(column_new(memory_default(), fields[f].type, &growing.of[f]) == VEER_OK);
        expect(column_reserve(growing.of[f], ROWS, 3 * ROWS, 8 * ROWS) == VEER_OK);
        for (size_t row = 0; row < ROWS; row++)
            append(growing.of[f], f, row);
        const column *part = growing.of[f];
        byte_writer_init(&bytes[f], memory_default());
        expect(column_write(fields[f].type, &part, NULL, &rows, 1, ROWS, memory_default(),
                            &bytes[f], NULL) == VEER_OK);
        expect(column_open(memory_default(), fields[f].type, bytes[f].data, bytes[f].bytes, ROWS,
                           &sealed.of[f], NULL) == VEER_OK);
    }
}

static veer_status find(void *context, uint32_t field, const column **found, veer_error *error)
{
    (void)error;
    *found = field <= FIELDS ? ((columns *)context)->of[field - 1] : NULL;
    return VEER_OK;
}

static veer_status parse_text(const char *text, size_t bytes, arena *memory, const filter **out,
                              veer_error *error)
{
    yyjson_val value;
    memset(&value, 0, sizeof value);
    value.tag = ((uint64_t)bytes << YYJSON_TAG_BIT) | YYJSON_TYPE_STR;
    value.uni.str = text;
    return filter_parse(&value, fields, sizeof fields / sizeof *fields, memory, out, error);
}

static void check_print(const filter *parsed, arena *memory)
{
    byte_writer printed;
    const filter *again = NULL;
    byte_writer_init(&printed, memory_default());
    filter_print(parsed, &printed);
    /* Joined lists and ranges may make more levels of parentheses than the original had. */
    veer_status status =
        parse_text((const char *)printed.data, printed.bytes, memory, &again, NULL);
    expect(status == VEER_OK || status == VEER_E_LIMIT);
    if (status == VEER_OK) expect(filter_equal(parsed, again));
    byte_writer_fini(&printed);
}

static void check_rows(const filter *bound)
{
    uint64_t bits[2][(ROWS + 63) / 64];
    size_t matches[2];
    for (size_t i = 0; i < 2; i++) {
        filter_columns asked = {i == 0 ? &growing : &sealed, find, ROWS};
        expect(filter_evaluate(bound, &asked, memory_default(), bits[i], &matches[i], NULL) ==
               VEER_OK);
        expect(bitset_count(bits[i], ROWS) == matches[i]);
    }
    expect(memcmp(bits[0], bits[1], sizeof bits[0]) == 0);
}

static const filter *bind(const filter *parsed, const uint8_t *parameters, size_t size,
                          arena *memory, veer_error *error)
{
    const filter *bound = NULL;
    yyjson_doc *doc = yyjson_read((const char *)parameters, size, 0);
    veer_status status = filter_bind(parsed, yyjson_doc_get_root(doc), memory, &bound, error);
    yyjson_doc_free(doc);
    expect((status == VEER_OK) == (bound != NULL));
    return bound;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_columns();
    const uint8_t *split = size == 0 ? NULL : memchr(data, 0xFF, size);
    size_t bytes = split == NULL ? size : (size_t)(split - data);
    arena memory;
    veer_error error = {0};
    const filter *parsed = NULL;
    veer_status status;
    arena_init(&memory, memory_default());
    if (bytes > 0 && data[0] == '{') {
        yyjson_doc *doc = yyjson_read((const char *)data, bytes, 0);
        status = filter_parse(yyjson_doc_get_root(doc), fields, sizeof fields / sizeof *fields,
                              &memory, &parsed, &error);
        yyjson_doc_free(doc);
    } else {
        status = parse_text((const char *)data, bytes, &memory, &parsed, &error);
    }
    expect((status == VEER_OK) == (parsed != NULL));
    if (status != VEER_OK) {
        expect(error.status == status && strncmp(error.message, "filter: ", 8) == 0);
    } else {
        check_print(parsed, &memory);
        size_t rest = split == NULL ? 0 : size - bytes - 1;
        const filter *bound = bind(parsed, split == NULL ? data : split + 1, rest, &memory, &error);
        if (bound != NULL) {
            check_print(bound, &memory);
            check_rows(bound);
        }
    }
    arena_fini(&memory);
    return 0;
}
