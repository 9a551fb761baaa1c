/* A naive model of one collection, and random operations on it: the other half of the model test.
 *
 * Everything is an array that is searched from end to end; distances are double sums. The generator gives the
 * operations of a seed, one after the other, as JSON that the C API and the package both take, so that the same
 * script can be run natively and as WebAssembly.
 */
#ifndef VEER_TESTS_MODEL_H
#define VEER_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "veer.h"

#define MODEL_DIMS 24
#define MODEL_IDS 3000 /* ids are "d0" ... */
#define MODEL_TAGS 12  /* "t0" ... */
#define MODEL_TEXT (1u << 20)

typedef struct model_document {
    bool exists, has_vector, has_year, has_draft, has_at;
    float vector[MODEL_DIMS];
    uint32_t tags; /* bit i: has tag i; 0: no field */
    double year;
    bool draft;
    int64_t at;
    uint32_t serial; /* of the write: what "get" must show */
} model_document;

/* A filter as a tree, for the model; its text is what Veer gets. */
typedef enum model_term_kind {
    TERM_TAG_EQ,
    TERM_TAG_NE,
    TERM_TAG_IN,
    TERM_YEAR,
    TERM_DRAFT,
    TERM_AT,
    TERM_HAS_YEAR,
    TERM_AND,
    TERM_OR,
    TERM_NOT
} model_term_kind;
typedef struct model_term {
    model_term_kind kind;
    int relation; /* 0 = 1 != 2 < 3 <= 4 > 5 >= */
    uint32_t tags;
    double number;
    int left, right; /* places in the filter */
} model_term;
typedef struct model_filter {
    model_term terms[16];
    int count, root;
} model_filter;

typedef enum model_kind {
    MODEL_UPSERT,
    MODEL_DELETE,
    MODEL_DELETE_WHERE,
    MODEL_SEARCH,
    MODEL_GET,
    MODEL_COUNT,
    MODEL_SCAN,
    MODEL_REOPEN,
    MODEL_WORK,
    MODEL_CHECKPOINT,
    MODEL_COMPACT,
    MODEL_BACKUP
} model_kind;

typedef struct model_operation {
    model_kind kind;
    char *documents; /* UPSERT: JSON array; DELETE, GET: array of ids */
    size_t count;
    float vectors
        [32][MODEL_DIMS]; /* UPSERT: beside the documents when `binary`; SEARCH: the query in [0] */
    uint8_t present[4];
    bool binary;
    bool has_filter;
    model_filter filter;
    char filter_text[1024]; /* a JSON string */
    int k;
    bool exact;
    uint32_t ids[32];
} model_operation;

typedef struct model {
    rng rng;
    uint32_t serial;
    model_document documents[MODEL_IDS];
    uint32_t ids; /* how many of them are in play */
    char *text;
} model;

void model_init(model *model, uint64_t seed, uint32_t ids);
void model_fini(model *model);
/* The next operation. `durable`: REOPEN and BACKUP are among them. */
void model_next(model *model, model_operation *operation, bool durable);
/* What the operation does to the documents. Returns how many a deletion deletes. */
uint64_t model_apply(model *model, const model_operation *operation);

extern const char model_schema[];
bool model_matches(const model_filter *filter, const model_document *document);
uint64_t model_count(const model *model, const model_filter *filter); /* NULL: all */
/* Cosine distance in double. */
double model_distance(const model_document *document, const float *query);
/* Distances of the nearest k matching documents with a vector, ascending; returns how many. */
size_t model_nearest(const model *model, const model_operation *operation, double *distances);
/* The number in an id "d17", or MODEL_IDS. */
uint32_t model_id(const char *id, size_t bytes);

#endif
