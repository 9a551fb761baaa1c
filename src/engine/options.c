/* Options: the tables of options_table.h, and the one reader that follows them.
 *
 * Guarantees: a target is filled completely or not touched; an unknown key, a key given twice, a
 * wrong type and a value out of its range are errors that name the object, the key, the value and
 * what is allowed. null stands for "not given". A whole number may be written as 10 or 10.0.
 *
 * Threads: tables are constant; nothing is shared.
 */
#include "engine/options.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

#include "base/memory.h"
#include "base/status.h"
#include "engine/engine.h"
#include "engine/options_table.h"

/* ---------------------------------------------------------------- tables */

#define PIPE_TWO(a, b) a "|" b
#define PIPE_THREE(a, b, c) a "|" b "|" c
#define PIPE_NINE(a, b, c, d, e, f, g, h, i) a "|" b "|" c "|" d "|" e "|" f "|" g "|" h "|" i
#define BOOL_false 0
#define BOOL_true 1

#define ENTRY_BOOL(comma, key, field, fallback, doc) \
    {key, OPTION_BOOL, 0, 1, BOOL_##fallback, NULL, offsetof(TARGET, field), doc},
#define ENTRY_INTEGER(comma, key, field, minimum, maximum, fallback, doc) \
    {key,                                                                 \
     OPTION_INTEGER,                                                      \
     (double)(minimum),                                                   \
     (double)(maximum),                                                   \
     (double)(fallback),                                                  \
     NULL,                                                                \
     offsetof(TARGET, field),                                             \
     doc},
#define ENTRY_NUMBER(comma, key, field, minimum, maximum, fallback, doc) \
    {key, OPTION_NUMBER, minimum, maximum, fallback, NULL, offsetof(TARGET, field), doc},
#define ENTRY_CHOICE(comma, key, field, place, fallback, many, choices, doc) \
    {key, OPTION_CHOICE, 0, 0, place, PIPE_##many choices, offsetof(TARGET, field), doc},
#define ENTRY_TEXT(comma, key, field, doc) \
    {key, OPTION_TEXT, 0, 0, 0, NULL, offsetof(TARGET, field), doc},
#define ENTRIES(list) list(ENTRY_BOOL, ENTRY_INTEGER, ENTRY_NUMBER, ENTRY_CHOICE, ENTRY_TEXT)
#define COUNT(table) (sizeof(table) / sizeof *(table))

#define TARGET database_options
const option database_table[] = {ENTRIES(DATABASE_OPTIONS)};
const size_t database_table_count = COUNT(database_table);
#undef TARGET

#define TARGET request_options
const option request_table[] = {ENTRIES(REQUEST_OPTIONS)};
const size_t request_table_count = COUNT(request_table);
#undef TARGET

#define TARGET scan_options
const option scan_table[] = {ENTRIES(SCAN_OPTIONS)};
const size_t scan_table_count = COUNT(scan_table);
#undef TARGET

#define TARGET index_options
const option index_table[] = {ENTRIES(INDEX_OPTIONS)};
const size_t index_table_count = COUNT(index_table);
#undef TARGET

/* ---------------------------------------------------------------- nearest name */

#define NEAREST_BYTES_MAX 64u

static unsigned char lower(char letter)
{
    return (unsigned char)(letter >= 'A' && letter <= 'Z' ? letter + ('a' - 'A') : letter);
}

/* Levenshtein's distance, letters in any case. Both lengths are at most NEAREST_BYTES_MAX. */
static unsigned edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned row[NEAREST_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_bytes; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            unsigned changed = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            unsigned least = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = changed < least ? changed : least;
        }
    }
    return row[b_bytes];
}

const char *options_nearest(const char *name, size_t bytes, const char *const *names, size_t count)
{
    if (bytes > NEAREST_BYTES_MAX) return NULL;
    const char *nearest = NULL;
    /* One slip for every four letters, and one more. */
    unsigned least = 2 + (unsigned)bytes / 4;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (length > NEAREST_BYTES_MAX) continue;
        unsigned distance = edit_distance(name, bytes, names[i], length);
        size_t longer = length > bytes ? length : bytes;
        if (distance < least && distance < longer) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ---------------------------------------------------------------- reading */

typedef struct option_reader {
    const option *table;
    size_t count;
    const char *const *also;
    const char *what;
    arena *texts;
    uint8_t *target;
    veer_status type_status, range_status;
    veer_error *error;
} option_reader;

static const char *type_words(const option *entry)
{
    switch (entry->type) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_INTEGER:
        return "a whole number";
    case OPTION_NUMBER:
        return "a number";
    case OPTION_CHOICE:
    case OPTION_TEXT:
        return "a string";
    }
    return "a value";
}

static veer_status wrong_type(const option_reader *reader, const option *entry, yyjson_val *value)
{
    return error_set(reader->error, reader->type_status, "%s: '%s' must be %s, not %s",
                     reader->what, entry->key, type_words(entry), json_kind(value));
}

static veer_status read_number(const option_reader *reader, const option *entry, yyjson_val *value)
{
    if (!yyjson_is_num(value)) return wrong_type(reader, entry, value);
    double number = yyjson_get_num(value);
    bool is_integer = entry->type == OPTION_INTEGER;
    if (is_integer && number != floor(number)) return wrong_type(reader, entry, value);
    if (!(number >= entry->minimum && number <= entry->maximum))
        return error_set(reader->error, reader->range_status,
                         "%s: '%s' is %.16g; it must be from %.16g to %.16g", reader->what,
                         entry->key, number, entry->minimum, entry->maximum);
    uint64_t whole = is_integer ? (uint64_t)number : 0;
    if (is_integer)
        memcpy(reader->target + entry->offset, &whole, sizeof whole);
    else
        memcpy(reader->target + entry->offset, &number, sizeof number);
    return VEER_OK;
}

static veer_status read_choice(const option_reader *reader, const option *entry, yyjson_val *value)
{
    if (!yyjson_is_str(value)) return wrong_type(reader, entry, value);
    const char *text = yyjson_get_str(value);
    size_t bytes = yyjson_get_len(value);
    int place = 0;
    for (const char *choice = entry->choices; choice; place++) {
        const char *end = strchr(choice, '|');
        size_t length = end ? (size_t)(end - choice) : strlen(choice);
        if (length == bytes && memcmp(choice, text, bytes) == 0) {
            memcpy(reader->target + entry->offset, &place, sizeof place);
            return VEER_OK;
        }
        choice = end ? end + 1 : NULL;
    }
    return error_set(reader->error, reader->range_status, "%s: '%s' is '%.64s'; it must be %s",
                     reader->what, entry->key, text, entry->choices);
}

static veer_status read_value(const option_reader *reader, const option *entry, yyjson_val *value)
{
    if (yyjson_is_null(value)) return VEER_OK;
    switch (entry->type) {
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        return read_number(reader, entry, value);
    case OPTION_CHOICE:
        return read_choice(reader, entry, value);
    case OPTION_BOOL: {
        if (!yyjson_is_bool(value)) return wrong_type(reader, entry, value);
        bool is_true = yyjson_get_bool(value);
        memcpy(reader->target + entry->offset, &is_true, sizeof is_true);
        return VEER_OK;
    }
    case OPTION_TEXT: {
        if (!yyjson_is_str(value)) return wrong_type(reader, entry, value);
        const char *text = yyjson_get_str(value);
        if (strlen(text) != yyjson_get_len(value))
            return error_set(reader->error, reader->range_status,
                             "%s: '%s' holds a character of code 0", reader->what, entry->key);
        const char *copy = arena_text(reader->texts, text, yyjson_get_len(value));
        if (!copy) return error_nomem(reader->error, reader->what, yyjson_get_len(value));
        memcpy(reader->target + entry->offset, &copy, sizeof copy);
        return VEER_OK;
    }
    }
    return VEER_E_INTERNAL;
}

static void set_defaults(const option *table, size_t count, uint8_t *target)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *place = target + table[i].offset;
        uint64_t whole = (uint64_t)table[i].fallback;
        int choice = (int)table[i].fallback;
        bool is_true = table[i].fallback != 0;
        const char *text = NULL;
        switch (table[i].type) {
        case OPTION_BOOL:
            memcpy(place, &is_true, sizeof is_true);
            break;
        case OPTION_INTEGER:
            memcpy(place, &whole, sizeof whole);
            break;
        case OPTION_NUMBER:
            memcpy(place, &table[i].fallback, sizeof(double));
            break;
        case OPTION_CHOICE:
            memcpy(place, &choice, sizeof choice);
            break;
        case OPTION_TEXT:
            memcpy(place, &text, sizeof(const char *));
            break;
        }
    }
}

#define NAMES_MAX 32u /* of one table with what the caller reads itself */

static veer_status unknown_key(const option_reader *reader, const char *key, size_t bytes)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < reader->count && count < NAMES_MAX; i++)
        names[count++] = reader->table[i].key;
    for (size_t i = 0; reader->also && reader->also[i] && count < NAMES_MAX; i++)
        names[count++] = reader->also[i];
    const char *nearest = options_nearest(key, bytes, names, count);
    if (nearest)
        return error_set(reader->error, VEER_E_OPTION,
                         "%s: unknown option '%.64s'; did you mean '%s'?", reader->what, key,
                         nearest);
    error_set(reader->error, VEER_E_OPTION, "%s: unknown option '%.64s'; known are", reader->what,
              key);
    for (size_t i = 0; i < count; i++)
        error_append(reader->error, "%s '%s'", i > 0 ? "," : "", names[i]);
    return VEER_E_OPTION;
}

static bool is_key(const char *name, const char *key, size_t bytes)
{
    return strlen(name) == bytes && memcmp(name, key, bytes) == 0;
}

static veer_status read_key(const option_reader *reader, yyjson_val *key, yyjson_val *value,
                            uint64_t *seen)
{
    const char *name = yyjson_get_str(key);
    size_t bytes = yyjson_get_len(key), place = 0;
    while (place < reader->count && !is_key(reader->table[place].key, name, bytes))
        place++;
    bool is_table = place < reader->count;
    if (!is_table) {
        size_t i = 0;
        while (reader->also && reader->also[i] && !is_key(reader->also[i], name, bytes))
            i++;
        if (!reader->also || !reader->also[i]) return unknown_key(reader, name, bytes);
        place += i;
    }
    if (*seen & (uint64_t)1 << place)
        return error_set(reader->error, VEER_E_OPTION, "%s: '%s' is given twice", reader->what,
                         name);
    *seen |= (uint64_t)1 << place;
    return is_table ? read_value(reader, &reader->table[place], value) : VEER_OK;
}

static veer_status read_all(const option_reader *reader, const struct yyjson_val *given)
{
    /* yyjson's readers take pointers to what they do not change. */
    yyjson_val *object = (yyjson_val *)(uintptr_t)given;
    set_defaults(reader->table, reader->count, reader->target);
    if (!object || yyjson_is_null(object)) return VEER_OK;
    if (!yyjson_is_obj(object))
        return error_set(reader->error, reader->type_status, "%s must be a JSON object, not %s",
                         reader->what, json_kind(object));
    uint64_t seen = 0;
    yyjson_obj_iter each;
    yyjson_obj_iter_init(object, &each);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each)) != NULL;)
        VEER_TRY(read_key(reader, key, yyjson_obj_iter_get_val(key), &seen));
    return VEER_OK;
}

veer_status options_read(const option *table, size_t count, const struct yyjson_val *object,
                         const char *what, arena *texts, void *target, veer_error *error)
{
    const option_reader reader = {table,  count,         NULL,          what, texts,
                                  target, VEER_E_OPTION, VEER_E_OPTION, error};
    return read_all(&reader, object);
}

veer_status options_read_request(const option *table, size_t count, const char *const *also,
                                 const struct yyjson_val *object, const char *what, arena *texts,
                                 void *target, veer_error *error)
{
    const option_reader reader = {table,  count,       also,         what, texts,
                                  target, VEER_E_TYPE, VEER_E_RANGE, error};
    return read_all(&reader, object);
}

veer_status database_options_read(const char *json, const veer_allocator *allocator,
                                  database_options *options, veer_error *error)
{
    arena texts;
    arena_init(&texts, allocator ? allocator : memory_default());
    yyjson_doc *doc = NULL;
    veer_status status = VEER_OK;
    if (json) status = json_parse(json, strlen(json), "options", &texts, &doc, error);
    database_options read;
    memset(&read, 0, sizeof read);
    if (status == VEER_OK)
        status =
            options_read(database_table, database_table_count,
                         doc ? yyjson_doc_get_root(doc) : NULL, "options", &texts, &read, error);
    arena_fini(&texts);
    if (status == VEER_OK) *options = read;
    return status;
}
