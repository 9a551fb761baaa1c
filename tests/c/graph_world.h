/* A collection and what must be in it, for tests of graphs over sealed segments: two vector fields,
 * of which "w" is missing from a third of the documents, and numbers to filter by. Every search is
 * compared with the model: how many results, that they are alive, match and are as far as they say. */
#ifndef VEER_TESTS_GRAPH_WORLD_H
#define VEER_TESTS_GRAPH_WORLD_H

#include "base/rng.h"
#include "support/testing.h"
#include "veer.h"

#define WORLD_V 16u
#define WORLD_W 8u

typedef struct world_row {
    float v[WORLD_V], w[WORLD_W];
    int chance; /* 0 to 999, at random: "chance" */
    int first;  /* v[0] in thousandths: "first"; a filter by it is one by place */
    bool is_alive, has_w;
} world_row;

typedef struct world {
    const veer_io *io;    /* NULL: by location */
    const char *location; /* NULL: "memory:" */
    const char *options;
    veer_database *database;
    veer_collection *collection;
    rng random;
    veer_metric metric; /* of v; w has l2 */
    uint32_t ids;
    world_row *rows;
} world;

void check_status(veer_status status, const veer_error *error);
/* Makes the database; `io` NULL: "memory:". `options` is kept. */
void world_new(world *w, const veer_io *io, const char *options, veer_metric metric, uint32_t ids);
/* Opens it, the model being what it was. */
veer_status world_open(world *w, const char *options, veer_error *error);
void world_close(world *w);
void world_free(world *w);

/* A vector of the distribution that documents come from. */
void world_vector(world *w, float *vector);
/* Upserts documents [first, end) with new content; every `twins`-th vector (0: none) is the same. */
void world_put(world *w, uint32_t first, uint32_t end, uint32_t twins);
void world_delete(world *w, uint32_t first, uint32_t end, uint32_t step);
/* Background work until nothing is left, VEER_PENDING included. */
veer_status world_work(world *w, veer_error *error);
/* Checkpoint and background work. */
void world_settle(world *w);

typedef struct world_query {
    uint32_t k;
    double recall;   /* 0: the default */
    uint32_t effort; /* of walks, in place of the recall */
    const char *by;  /* NULL: no filter; else "chance" or "first" */
    int below;       /* of the filter */
    bool on_w;       /* searches w, else v */
    bool is_exact;
    const world_row *rows; /* NULL: the present ones; those of a snapshot */
    veer_snapshot *snapshot;
} world_query;

typedef struct world_answer {
    double recall;
    char method[8];
    uint64_t walked; /* by graphs */
    uint32_t count;
    uint32_t ids[200];
    float distances[200];
} world_answer;

/* Searches and compares with the model. */
void world_search(world *w, const world_query *query, const float *vector, world_answer *answer);
/* Mean recall of many random queries; at least *graphs of them by a graph. */
double world_recall(world *w, const world_query *query, uint32_t queries, uint32_t *graphs);
/* The sealed segments' graph streams there are. */
uint32_t world_graphs(const veer_io *io);

#endif
