#include "fault/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMS 12
#define PENDING_ROUNDS 20000

static const char schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":12,\"metric\":\"l2\"},\"h\":{\"type\":"
    "\"vector\",\"dims\":12,\"metric\":\"l2\",\"storage\":\"f16\"},\"tag\":{\"type\":\"keyword\"},\"year\":{\"type\":\"number\"}}}";

/* Repeats a call while it has to wait. */
#define WAIT(status, call)                                            \
    do {                                                              \
        int rounds_ = 0;                                              \
        do                                                            \
            status = (call);                                          \
        while (status == VEER_PENDING && ++rounds_ < PENDING_ROUNDS); \
    } while (0)

/* What transaction j (from 1) does to id i: 0 nothing, 1 writes it, 2 deletes it. */
static int effect(int j, int i)
{
    uint32_t mix = (uint32_t)j * 2654435761u ^ (uint32_t)i * 40503u;
    mix ^= mix >> 15;
    mix *= 2246822519u;
    mix ^= mix >> 13;
    if (mix % 5 < 2) return 1;
    return mix % 23 == 4 ? 2 : 0;
}

/* serial[i] after j transactions: the transaction that wrote it last, or 0. */
static void state_after(int j, int serial[SCENARIO_IDS])
{
    memset(serial, 0, SCENARIO_IDS * sizeof *serial);
    for (int t = 1; t <= j; t++)
        for (int i = 0; i < SCENARIO_IDS; i++) {
            int what = effect(t, i);
            if (what == 1) serial[i] = t;
            if (what == 2) serial[i] = 0;
        }
}

/* Exact in 16 bits as well. */
static void fill_vector(int j, int i, float *vector)
{
    for (int d = 0; d < DIMS; d++)
        vector[d] = (float)((j * 31 + i * 17 + d * 7) % 64) / 8.0f;
}

static veer_status transact(scenario *scenario, veer_database *database,
                            veer_collection *collection, int j, veer_error *error)
{
    char *documents = malloc(1 << 16), ids[1024];
    float *vectors = malloc(SCENARIO_IDS * DIMS * sizeof *vectors);
    size_t n = 0, d = 0, puts = 0, deletes = 0;
    d += (size_t)sprintf(ids + d, "[");
    for (int i = 0; i < SCENARIO_IDS; i++) {
        int what = effect(j, i);
        if (what == 1) {
            fill_vector(j, i, vectors + puts * DIMS);
            n += (size_t)sprintf(documents + n,
                                 "{\"id\":\"a%d\",\"serial\":%d,\"tag\":\"t%d\",\"year\":%d,"
                                 "\"pad\":\"%0*d\"}\n",
                                 i, j, i % 3, 2000 + i, 20 + (i * j) % 400, 7);
            puts++;
        }
        if (what == 2) d += (size_t)sprintf(ids + d, "%s\"a%d\"", deletes++ ? "," : "", i);
    }
    sprintf(ids + d, "]");
    const veer_vectors with[] = {{.field = "v", .data = vectors, .dims = DIMS},
                                 {.field = "h", .data = vectors, .dims = DIMS}};
    veer_operation operations[2] = {
        {.collection = collection,
         .kind = VEER_WRITE_UPSERT,
         .documents = documents,
         .documents_bytes = n,
         .count = puts,
         .vectors = with,
         .vectors_count = 2},
        {.collection = collection, .kind = VEER_WRITE_DELETE, .documents = ids}};
    veer_status status;
    (void)scenario;
    WAIT(status, veer_write(database, operations, deletes ? 2 : 1, NULL, error));
    free(documents);
    free(vectors);
    return status;
}

static veer_status open_both(scenario *scenario, veer_database **database,
                             veer_collection **collection, veer_error *error)
{
    char options[200];
    veer_status status;
    snprintf(
        options, sizeof options,
        "{\"create\":true,\"sync\":\"%s\",\"walBytes\":65536,\"segmentBytes\":262144,\"graphRows\":16,"
        "\"cacheBytes\":65536}",
        scenario->sync);
    WAIT(status, veer_open(NULL, scenario->io, options, scenario->allocator, database, error));
    if (status != VEER_OK) return status;
    WAIT(status, veer_collection_open(*database, "docs", schema, collection, error));
    if (status != VEER_OK) {
        veer_error ignored;
        veer_close(*database, &ignored);
        *database = NULL;
    }
    return status;
}

void scenario_run(scenario *scenario)
{
    veer_error error;
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_status status = VEER_OK;
    bool left;
    for (int j = 1; j <= SCENARIO_TRANSACTIONS; j++) {
        for (int try = 0; try < 2 && !database; try++)
            status = open_both(scenario, &database, &collection, &error);
        if (!database) {
            scenario->failed = status;
            return;
        }
        scenario->opened = true;
        scenario->begun_count = j;
        if (scenario->begun) scenario->begun(scenario->context, j);
        status = transact(scenario, database, collection, j, &error);
        if (status != VEER_OK && scenario->retry)
            status = transact(scenario, database, collection, j, &error);
        if (status != VEER_OK) {
            scenario->failed = status;
            break;
        }
        scenario->acknowledged_count = j;
        if (scenario->acknowledged) scenario->acknowledged(scenario->context, j);
        /* What goes wrong in here must not matter to what was acknowledged. */
        WAIT(status, veer_work(database, 0, &left, &error));
        if (j % 4 == 0 && j < SCENARIO_TRANSACTIONS)
            WAIT(status, veer_checkpoint(database, NULL, NULL, &error));
        if (j % 9 == 0) WAIT(status, veer_work(database, -1, &left, &error));
        if (j == 14 || j == 20) WAIT(status, veer_compact(database, NULL, NULL, &error));
        if (j == 6 || j == 17) {
            veer_collection_close(collection);
            status = veer_close(database, &error);
            database = NULL;
            if (status != VEER_OK) {
                scenario->failed = status;
                return;
            }
        }
    }
    veer_collection_close(collection);
    (void)veer_close(database, &error);
}

/* ---------------------------------------------------------------- which state */

static bool read_state(veer_collection *collection, int serial[SCENARIO_IDS], veer_error *error)
{
    veer_cursor *cursor = NULL;
    veer_results *results = NULL;
    memset(serial, 0, SCENARIO_IDS * sizeof *serial);
    if (veer_scan(collection, NULL, "{}", NULL, &cursor, error) != VEER_OK) return false;
    bool good = true;
    for (size_t rows = 1; good && rows > 0;) {
        if (veer_cursor_next(cursor, 16, &results, error) != VEER_OK) {
            good = false;
            break;
        }
        const uint32_t *at;
        const char *documents = veer_results_documents(results, &at);
        rows = veer_results_rows(results);
        for (size_t i = 0; good && i < rows; i++) {
            int id = -1, j = -1;
            good = sscanf(documents + at[i], "{\"id\":\"a%d\",\"serial\":%d,", &id, &j) == 2 &&
                   id >= 0 && id < SCENARIO_IDS && serial[id] == 0;
            if (good)
                serial[id] = j;
            else
                snprintf(error->message, sizeof error->message, "a strange document: %.*s",
                         (int)(at[i + 1] - at[i]), documents + at[i]);
        }
        veer_results_free(results);
    }
    veer_cursor_close(cursor);
    return good;
}

/* Searches with and without the codes: every live row must be found at the distance that its serial says. */
static bool search_state(veer_collection *collection, const int serial[SCENARIO_IDS],
                         veer_error *error)
{
    static const char *const requests[] = {
        "{\"vector\":\"v\",\"k\":40,\"exact\":true,\"select\":false}",
        "{\"vector\":\"v\",\"k\":40,\"recall\":1,\"select\":false}",
        "{\"vector\":\"h\",\"k\":40,\"exact\":true,\"select\":false}",
        "{\"vector\":\"h\",\"k\":40,\"recall\":1,\"select\":false}"};
    float query[DIMS], vector[DIMS];
    int live = 0;
    fill_vector(5, 5, query);
    for (int i = 0; i < SCENARIO_IDS; i++)
        live += serial[i] != 0;
    for (int r = 0; r < 4; r++) {
        veer_results *results = NULL;
        if (veer_search(collection, NULL, requests[r], query, 1, DIMS, NULL, &results, error) !=
            VEER_OK)
            return false;
        const uint32_t *at;
        const char *ids = veer_results_ids(results, &at);
        bool good = veer_results_rows(results) == (size_t)live;
        if (!good)
            snprintf(error->message, sizeof error->message, "search finds %zu of %d",
                     veer_results_rows(results), live);
        for (size_t i = 0; good && i < veer_results_rows(results); i++) {
            char id[16] = {0};
            memcpy(id, ids + at[i], at[i + 1] - at[i] < 15 ? at[i + 1] - at[i] : 15);
            int number = atoi(id + 1);
            float wanted = 0;
            fill_vector(serial[number], number, vector);
            for (int d = 0; d < DIMS; d++)
                wanted += (query[d] - vector[d]) * (query[d] - vector[d]);
            good = fabsf(wanted - veer_results_distances(results)[i]) < 1e-3f;
            if (!good)
                snprintf(error->message, sizeof error->message, "%s is at a wrong distance", id);
        }
        veer_results_free(results);
        if (!good) return false;
    }
    return true;
}

static bool filter_state(veer_collection *collection, const int serial[SCENARIO_IDS],
                         veer_error *error)
{
    uint64_t count = 0, wanted = 0;
    for (int i = 0; i < SCENARIO_IDS; i++)
        wanted += serial[i] != 0 && i % 3 == 1 && i >= 10;
    if (veer_count(collection, NULL, "\"tag = 't1' AND year >= 2010\"", NULL, &count, error) !=
        VEER_OK)
        return false;
    if (count == wanted) return true;
    snprintf(error->message, sizeof error->message, "a filter counts %d instead of %d", (int)count,
             (int)wanted);
    return false;
}

int scenario_state(const veer_io *io, veer_error *error)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    int serial[SCENARIO_IDS], wanted[SCENARIO_IDS], found = -2;
    memset(error, 0, sizeof *error);
    veer_status status = veer_open(NULL, io, "{\"sync\":\"none\"}", NULL, &database, error);
    if (status != VEER_OK) return -1;
    status = veer_collection_open(database, "docs", NULL, &collection, error);
    if (status == VEER_E_NOTFOUND) {
        found = 0; /* the cut came before the collection was made */
    } else if (status == VEER_OK && read_state(collection, serial, error) &&
               search_state(collection, serial, error) && filter_state(collection, serial, error)) {
        snprintf(error->message, sizeof error->message, "it shows no state of the list");
        for (int j = SCENARIO_TRANSACTIONS; j >= 0 && found < 0; j--) {
            state_after(j, wanted);
            if (memcmp(serial, wanted, sizeof wanted) == 0) found = j;
        }
    }
    if (found == -2 && error->status != VEER_OK) found = -3;
    veer_collection_close(collection);
    veer_error ignored;
    veer_close(database, &ignored);
    return found;
}

veer_status scenario_settle(const veer_io *io, veer_error *error)
{
    veer_database *database = NULL;
    veer_status status = veer_open(NULL, io, "{\"sync\":\"full\"}", NULL, &database, error);
    if (status != VEER_OK) return status;
    status = veer_checkpoint(database, NULL, NULL, error);
    if (status == VEER_OK) status = veer_compact(database, NULL, NULL, error);
    veer_error ignored;
    veer_status closed = veer_close(database, &ignored);
    return status != VEER_OK ? status : closed;
}
