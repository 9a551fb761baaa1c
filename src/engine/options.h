/* Options: one table per set of parameters drives validation, veer_describe, the command line's help,
 * JavaScript and the documentation. */
#ifndef VEER_ENGINE_OPTIONS_H
#define VEER_ENGINE_OPTIONS_H

#include "base/arena.h"
#include "veer.h"

typedef enum option_type {
    OPTION_BOOL,
    OPTION_INTEGER, /* uint64_t */
    OPTION_NUMBER,  /* double */
    OPTION_CHOICE,  /* one of `choices`: stored as its place, int */
    OPTION_TEXT,    /* const char *, in the arena; NULL when absent */
} option_type;

typedef struct option {
    const char *key;
    option_type type;
    double minimum, maximum; /* integer and number; inclusive */
    double fallback;         /* default: number, 0/1 or the choice's place */
    const char *choices;     /* "full|interval|none" */
    size_t offset;           /* of the field in the options struct */
    const char *doc;         /* one line */
} option;

/* Fills `target` (whose fields the table describes) from a JSON object (NULL: defaults). An unknown key, a wrong type and a value
 * out of its range are errors that name `what`, the key, the value and the bounds. */
struct yyjson_val;
veer_status options_read(const option *table, size_t count, const struct yyjson_val *object,
                         const char *what, arena *texts, void *target, veer_error *error);
/* The same for a request, whose object may also hold the keys `also` (up to a NULL) that the caller reads.
 * A wrong type is VEER_E_TYPE here and a value out of its range VEER_E_RANGE; options_read says
 * VEER_E_OPTION for both. */
veer_status options_read_request(const option *table, size_t count, const char *const *also,
                                 const struct yyjson_val *object, const char *what, arena *texts,
                                 void *target, veer_error *error);
/* Of `count` names the one that `name` was probably meant to be, or NULL. */
const char *options_nearest(const char *name, size_t bytes, const char *const *names, size_t count);

typedef struct database_options {
    bool create;
    int mode; /* 0 readwrite, 1 readonly */
    int sync; /* store_sync */
    uint64_t sync_interval_ms;
    uint64_t memory_limit; /* bytes; 0: none */
    uint64_t cache_bytes;
    uint64_t wal_bytes;
    uint64_t segment_bytes;
    uint64_t graph_rows;
    uint64_t graph_degree;
} database_options;
veer_status database_options_read(const char *json, const veer_allocator *allocator,
                                  database_options *options, veer_error *error);

/* A search request, without its filter and select (they need a schema). */
typedef struct request_options {
    uint64_t k, offset;
    const char *vector;
    double recall;
    uint64_t effort; /* 0: by recall */
    bool exact, explain, verify;
} request_options;
/* The table of search requests, without "filter" and "select". */
extern const option request_table[];
extern const size_t request_table_count;
extern const option database_table[];
extern const size_t database_table_count;

/* A scan's request. */
typedef struct scan_options {
    uint64_t limit;
} scan_options;
extern const option scan_table[];
extern const size_t scan_table_count;

/* veer_index_new's. */
typedef struct index_options {
    uint64_t dims; /* 0: not given */
    int metric;    /* veer_metric */
    uint64_t seed;
    uint64_t graph_rows;
    uint64_t graph_degree;
} index_options;
extern const option index_table[];
extern const size_t index_table_count;

#endif
