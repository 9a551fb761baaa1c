/* veer_describe: everything that other languages need to know about Veer, as one JSON text that
 * the compiler puts together from the same lists as the code uses (VEER_STATUS_MAP in veer.h,
 * options_table.h). There is nothing to keep fresh and nothing computed at run time. */
#include "engine/options_table.h"
#include "veer.h"

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

/* The comma before a status, which all but OK have: PROBE_OK is two arguments, any other PROBE_
 * is one. */
#define PROBE_OK ~, ""
#define SECOND_OF(first, second, ...) second
#define SECOND(...) SECOND_OF(__VA_ARGS__)
#define STATUS(name, number, code, text)                                                         \
    SECOND(PROBE_##name, ",", ~)                                                                 \
    "{\"name\":\"VEER_" #name "\",\"number\":" #number ",\"code\":\"" code "\",\"text\":\"" text \
    "\"}"

#define LIST_TWO(a, b) "[\"" a "\",\"" b "\"]"
#define LIST_THREE(a, b, c) "[\"" a "\",\"" b "\",\"" c "\"]"
#define LIST_NINE(a, b, c, d, e, f, g, h, i) \
    "[\"" a "\",\"" b "\",\"" c "\",\"" d "\",\"" e "\",\"" f "\",\"" g "\",\"" h "\",\"" i "\"]"
#define HEAD(comma, key, type) comma "\"" key "\":{\"type\":\"" type "\","
#define TAIL(doc) "\"doc\":\"" doc "\"}"

#define ENTRY_BOOL(comma, key, field, fallback, doc) \
    HEAD(comma, key, "bool") "\"default\":" #fallback "," TAIL(doc)
#define BOUNDS(minimum, maximum, fallback) \
    "\"min\":" TEXT(minimum) ",\"max\":" TEXT(maximum) ",\"default\":" TEXT(fallback) ","
#define ENTRY_INTEGER(comma, key, field, minimum, maximum, fallback, doc) \
    HEAD(comma, key, "integer") BOUNDS(minimum, maximum, fallback) TAIL(doc)
#define ENTRY_NUMBER(comma, key, field, minimum, maximum, fallback, doc) \
    HEAD(comma, key, "number") BOUNDS(minimum, maximum, fallback) TAIL(doc)
#define ENTRY_CHOICE(comma, key, field, place, fallback, many, choices, doc) \
    HEAD(comma, key, "choice")                                               \
    "\"choices\":" LIST_##many choices ",\"default\":\"" fallback "\"," TAIL(doc)
#define ENTRY_TEXT(comma, key, field, doc) HEAD(comma, key, "string") "\"default\":null," TAIL(doc)
#define ENTRIES(list) list(ENTRY_BOOL, ENTRY_INTEGER, ENTRY_NUMBER, ENTRY_CHOICE, ENTRY_TEXT)

/* What a request holds besides its options. */
#define FILTER_AND_SELECT                               \
    HEAD(",", "filter", "filter")                       \
    TAIL("text or object that documents have to match") \
    HEAD(",", "select", "select")                       \
    TAIL("keys to return in documents; true: whole documents; false: none")

#define BATCH_BYTES 67108864
#define DOCUMENT_BYTES 16777216
#define LIMIT(comma, key, value) comma "\"" key "\":" TEXT(value)
_Static_assert(VEER_DIMS_MAX == 8192 && VEER_ID_BYTES_MAX == 512 && VEER_K_MAX == 10000 &&
                   VEER_BATCH_BYTES_MAX == BATCH_BYTES && VEER_NAME_BYTES_MAX == 64 &&
                   VEER_FIELDS_MAX == 256 && VEER_DOCUMENT_BYTES_MAX == DOCUMENT_BYTES,
               "the limits below and in options_table.h are those of veer.h");

/* Longer than the 4095 bytes that every C99 compiler has to take; gcc and clang take more. */
#pragma GCC diagnostic ignored "-Woverlength-strings"
/* clang-format off */
static const char description[] =
    "{\"version\":\"" TEXT(VEER_VERSION_MAJOR) "." TEXT(VEER_VERSION_MINOR) "."
    TEXT(VEER_VERSION_PATCH) "\","
    "\"statuses\":[" VEER_STATUS_MAP(STATUS)
    "],"
    "\"options\":{"
    "\"database\":{" ENTRIES(DATABASE_OPTIONS) "},"
    "\"request\":{" ENTRIES(REQUEST_OPTIONS) FILTER_AND_SELECT "},"
    "\"scan\":{" ENTRIES(SCAN_OPTIONS) FILTER_AND_SELECT "},"
    "\"index\":{" ENTRIES(INDEX_OPTIONS) "}},"
    "\"fieldTypes\":[\"vector\",\"text\",\"keyword\",\"number\",\"bool\",\"time\"],"
    "\"metrics\":" WITH(LIST_NINE, METRIC_NAMES) ","
    "\"storages\":" WITH(LIST_THREE, STORAGE_NAMES) ","
    "\"limits\":{"
    LIMIT("", "dims", 8192) LIMIT(",", "idBytes", 512) LIMIT(",", "k", 10000)
    LIMIT(",", "batchBytes", BATCH_BYTES) LIMIT(",", "nameBytes", 64) LIMIT(",", "fields", 256)
    LIMIT(",", "documentBytes", DOCUMENT_BYTES) LIMIT(",", "keywordBytes", 1024)
    LIMIT(",", "keywordValues", 1024) "}}";
/* clang-format on */

const char *veer_describe(void)
{
    return description;
}
