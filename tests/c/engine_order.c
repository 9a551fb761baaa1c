/* What is written comes back, on the paths that few others take: collections whose sealed rows lie
 * in the order of a time, transactions over several collections in any order, collections that are
 * dropped and made again, and fields that are added; before and after a reopening. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/io_tables.h"
#include "support/testing.h"
#include "veer.h"

enum { IDS = 300, DIMS = 4, TIMES = 40, TEXT_BYTES = 400 };

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static uint32_t below(rng *random, uint32_t bound)
{
    return (uint32_t)rng_below(random, bound);
}

static veer_database *open_database(const io_table *table)
{
    veer_database *database = NULL;
    veer_error error;
    check(veer_open(NULL, table->io, "{\"create\":true,\"walBytes\":65536,\"segmentBytes\":65536}",
                    NULL, &database, &error),
          &error);
    return database;
}

static veer_collection *open_collection(veer_database *database, const char *name,
                                        const char *schema)
{
    veer_collection *collection = NULL;
    veer_error error;
    check(veer_collection_open(database, name, schema, &collection, &error), &error);
    return collection;
}

static void close_database(veer_database *database)
{
    veer_error error;
    check(veer_close(database, &error), &error);
}

static uint64_t count_of(veer_collection *collection, const char *filter)
{
    uint64_t count = 0;
    veer_error error;
    check(veer_count(collection, NULL, filter, NULL, &count, &error), &error);
    return count;
}

static void expect_sound(const io_table *table)
{
    veer_buffer report = {0};
    veer_error error;
    check(veer_check(NULL, table->io, NULL, NULL, NULL, &report, &error), &error);
    assert_non_null(strstr(report.data, "\"ok\":true"));
    veer_buffer_free(&report);
}

/* ---------------------------------------------------------------- rows in the order of a time */

static const char ordered_schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"metric\":\"l2\"},"
    "\"at\":{\"type\":\"time\"},\"n\":{\"type\":\"number\"}},\"orderBy\":\"at\"}";

/* What the collection holds, by id. */
typedef struct model {
    struct {
        bool is_there;
        int time; /* -1: none */
        unsigned n;
        float v[DIMS];
        char text[TEXT_BYTES]; /* the document without its vector */
    } rows[IDS];
    unsigned writes;
} model;

static void upsert_some(model *m, veer_database *database, veer_collection *collection, rng *random)
{
    enum { SOME = 90, LINE_BYTES = TEXT_BYTES + 128 };
    char *lines = malloc((size_t)SOME * LINE_BYTES);
    assert_non_null(lines);
    size_t bytes = 0;
    for (int i = 0; i < SOME; i++) {
        uint32_t id = below(random, IDS);
        char at[40] = "";
        m->rows[id].is_there = true;
        m->rows[id].time = below(random, 6) == 0 ? -1 : (int)below(random, TIMES);
        m->rows[id].n = ++m->writes;
        for (int j = 0; j < DIMS; j++)
            m->rows[id].v[j] = (float)below(random, 1 << 20) / 1024;
        if (m->rows[id].time >= 0) {
            (void)snprintf(at, sizeof at, "\"at\":\"%d-01-01\",", 1950 + m->rows[id].time);
        }
        (void)snprintf(m->rows[id].text, TEXT_BYTES,
                       "{\"id\":\"d%u\",%s\"n\":%u,\"more\":\"%0*u\"}", id, at, m->rows[id].n,
                       200 + (int)below(random, 100), m->writes);
        const float *v = m->rows[id].v;
        bytes +=
            (size_t)snprintf(lines + bytes, LINE_BYTES, "%.*s,\"v\":[%.10g,%.10g,%.10g,%.10g]}\n",
                             (int)strlen(m->rows[id].text) - 1, m->rows[id].text, (double)v[0],
                             (double)v[1], (double)v[2], (double)v[3]);
    }
    const veer_operation operation = {
        .collection = collection, .documents = lines, .documents_bytes = bytes};
    veer_error error;
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    free(lines);
}

static void delete_some(model *m, veer_database *database, veer_collection *collection, rng *random)
{
    int year = 1950 + (int)below(random, TIMES);
    unsigned remainder = below(random, 5);
    char filter[80], ids[80];
    uint32_t first = below(random, IDS), second = below(random, IDS);
    (void)snprintf(filter, sizeof filter, "\"at = '%d-01-01'\"", year);
    (void)snprintf(ids, sizeof ids, "[\"d%u\",\"d%u\",\"nobody\"]", first, second);
    const veer_operation operations[] = {
        {.collection = collection, .kind = VEER_WRITE_DELETE, .filter = filter},
        {.collection = collection,
         .kind = VEER_WRITE_DELETE,
         .documents = ids,
         .documents_bytes = strlen(ids)},
    };
    veer_error error;
    check(veer_write(database, operations, remainder == 0 ? 1 : 2, NULL, &error), &error);
    for (int id = 0; id < IDS; id++)
        if (m->rows[id].time == year - 1950) m->rows[id].is_there = false;
    if (remainder != 0) m->rows[first].is_there = m->rows[second].is_there = false;
}

static void expect_row(const model *m, veer_collection *collection, int id)
{
    char ids[32];
    (void)snprintf(ids, sizeof ids, "[\"d%d\"]", id);
    veer_results *results = NULL;
    veer_error error;
    check(veer_get(collection, NULL, ids, NULL, &results, &error), &error);
    assert_int_equal(veer_results_rows(results), m->rows[id].is_there);
    const uint32_t *ends = NULL;
    const char *text = veer_results_documents(results, &ends);
    if (m->rows[id].is_there) {
        assert_int_equal(ends[1] - ends[0], strlen(m->rows[id].text));
        assert_memory_equal(text + ends[0], m->rows[id].text, ends[1] - ends[0]);
    }
    veer_results_free(results);
    if (!m->rows[id].is_there) return;

    /* The vector is that of this document, and the column of numbers knows it. */
    char request[80];
    (void)snprintf(request, sizeof request, "{\"k\":1,\"exact\":true,\"filter\":\"n = %u\"}",
                   m->rows[id].n);
    check(veer_search(collection, NULL, request, m->rows[id].v, 1, DIMS, NULL, &results, &error),
          &error);
    assert_int_equal(veer_results_rows(results), 1);
    assert_true(veer_results_distances(results)[0] == 0);
    text = veer_results_ids(results, &ends);
    (void)snprintf(request, sizeof request, "d%d", id);
    assert_int_equal(ends[1] - ends[0], strlen(request));
    assert_memory_equal(text, request, strlen(request));
    veer_results_free(results);
}

static void expect_model(const model *m, veer_collection *collection)
{
    uint64_t all = 0, early = 0, timeless = 0;
    for (int id = 0; id < IDS; id++) {
        expect_row(m, collection, id);
        if (!m->rows[id].is_there) continue;
        all++;
        if (m->rows[id].time < 0)
            timeless++;
        else if (m->rows[id].time < TIMES / 2)
            early++;
    }
    assert_int_equal(count_of(collection, NULL), all);
    assert_int_equal(count_of(collection, "\"at < '1970-01-01'\""), early);
    assert_int_equal(count_of(collection, "\"NOT (at EXISTS)\""), timeless);
}

/* One sealed segment has the rows without a time first, then the others by their times. */
static void expect_order(const model *m, veer_collection *collection)
{
    veer_cursor *cursor = NULL;
    veer_error error;
    check(veer_scan(collection, NULL, "{\"select\":[]}", NULL, &cursor, &error), &error);
    int last = -1;
    size_t seen = 0;
    for (;;) {
        veer_results *results = NULL;
        check(veer_cursor_next(cursor, 64, &results, &error), &error);
        size_t rows = veer_results_rows(results);
        const uint32_t *ends = NULL;
        const char *ids = veer_results_ids(results, &ends);
        for (size_t i = 0; i < rows; i++) {
            char id[16] = "";
            memcpy(id, ids + ends[i] + 1, ends[i + 1] - ends[i] - 1);
            int time = m->rows[atoi(id)].time;
            assert_true(time >= last);
            last = time;
        }
        veer_results_free(results);
        seen += rows;
        if (rows == 0) break;
    }
    veer_cursor_close(cursor);
    assert_int_equal(seen, count_of(collection, NULL));
}

static void test_rows_by_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        io_table table;
        io_table_make(&table, seed == 3 ? TABLE_MEMORY_UNMAPPED : TABLE_MEMORY);
        model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        rng random;
        rng_init(&random, seed);
        veer_database *database = open_database(&table);
        veer_collection *collection = open_collection(database, "c", ordered_schema);
        veer_error error;
        for (int step = 0; step < 24; step++) {
            bool left = true;
            upsert_some(m, database, collection, &random);
            if (step % 3 == 1) delete_some(m, database, collection, &random);
            switch (below(&random, 4)) {
            case 0:
                check(veer_checkpoint(database, NULL, NULL, &error), &error);
                break;
            case 1:
                check(veer_compact(database, NULL, NULL, &error), &error);
                expect_order(m, collection);
                break;
            case 2: /* a few slices, and then writing goes on */
                for (int i = 0; i < 5 && left; i++)
                    check(veer_work(database, 0, &left, &error), &error);
                break;
            default:
                veer_collection_close(collection);
                close_database(database);
                database = open_database(&table);
                collection = open_collection(database, "c", ordered_schema);
            }
            expect_model(m, collection);
        }
        check(veer_compact(database, NULL, NULL, &error), &error);
        expect_order(m, collection);
        veer_collection_close(collection);
        close_database(database);
        expect_sound(&table);
        io_table_end(&table);
        free(m);
    }
}

/* ---------------------------------------------------------------- several collections */

enum { COLLECTIONS = 5 };

static const char plain_schema[] = "{\"fields\":{\"n\":{\"type\":\"number\"}}}";

/* All parts of a transaction or none, in whatever order it names its collections. */
static void test_transactions_over_collections(void **state)
{
    (void)state;
    io_table table;
    io_table_make(&table, TABLE_MEMORY);
    rng random;
    rng_init(&random, 9);
    bool is_there[COLLECTIONS][20] = {{false}};
    veer_database *database = open_database(&table);
    for (int round = 0; round < 60; round++) {
        veer_collection *collections[COLLECTIONS];
        veer_operation operations[COLLECTIONS + 1] = {{0}};
        char texts[COLLECTIONS][80];
        bool after[COLLECTIONS][20];
        memcpy(after, is_there, sizeof after);
        for (int i = 0; i < COLLECTIONS; i++) {
            char name[8];
            (void)snprintf(name, sizeof name, "c%d", i);
            collections[i] = open_collection(database, name, plain_schema);
        }
        int order[COLLECTIONS] = {0, 1, 2, 3, 4};
        for (uint32_t i = COLLECTIONS - 1; i > 0; i--) {
            uint32_t other = below(&random, i + 1);
            int swap = order[i];
            order[i] = order[other];
            order[other] = swap;
        }
        for (int i = 0; i < COLLECTIONS; i++) {
            uint32_t id = below(&random, 20);
            bool is_deleting = below(&random, 3) == 0;
            (void)snprintf(texts[i], sizeof texts[i],
                           is_deleting ? "[\"d%u\"]" : "{\"id\":\"d%u\",\"n\":%d}", id, round);
            operations[i] =
                (veer_operation){.collection = collections[order[i]],
                                 .kind = is_deleting ? VEER_WRITE_DELETE : VEER_WRITE_UPSERT,
                                 .documents = texts[i],
                                 .documents_bytes = strlen(texts[i])};
            after[order[i]][id] = !is_deleting;
        }
        static const char bad[] = "{\"id\":\"\"}";
        operations[COLLECTIONS] = (veer_operation){.collection = collections[order[0]],
                                                   .documents = bad,
                                                   .documents_bytes = sizeof bad - 1};
        bool is_bad = round % 4 == 3;
        veer_error error;
        veer_status status =
            veer_write(database, operations, COLLECTIONS + (is_bad ? 1 : 0), NULL, &error);
        if (is_bad)
            assert_int_equal(status, VEER_E_ID);
        else
            check(status, &error);
        if (!is_bad) memcpy(is_there, after, sizeof after);
        for (int reopened = 0; reopened < 2; reopened++) {
            for (int i = 0; i < COLLECTIONS; i++) {
                uint64_t expected = 0;
                for (int id = 0; id < 20; id++)
                    expected += is_there[i][id];
                assert_int_equal(count_of(collections[i], NULL), expected);
                veer_collection_close(collections[i]);
            }
            if (reopened == 1) break;
            close_database(database);
            database = open_database(&table);
            for (int i = 0; i < COLLECTIONS; i++) {
                char name[8];
                (void)snprintf(name, sizeof name, "c%d", i);
                collections[i] = open_collection(database, name, NULL);
            }
        }
    }
    close_database(database);
    expect_sound(&table);
    io_table_end(&table);
}

/* ---------------------------------------------------------------- collections that change */

static void put(veer_database *database, veer_collection *collection, const char *text)
{
    const veer_operation operation = {
        .collection = collection, .documents = text, .documents_bytes = strlen(text)};
    veer_error error;
    check(veer_write(database, &operation, 1, NULL, &error), &error);
}

/* Dropped is dropped, by the log alone as well; the name is free for another schema, and what lies
 * in other collections stays. */
static void test_dropped_collections(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool is_sealed = kind & 1, is_checkpointed = kind & 2;
        io_table table;
        io_table_make(&table, TABLE_MEMORY);
        veer_error error;
        veer_database *database = open_database(&table);
        veer_collection *gone = open_collection(database, "gone", plain_schema);
        veer_collection *kept = open_collection(database, "kept", plain_schema);
        put(database, gone, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}");
        put(database, kept, "{\"id\":\"a\",\"n\":3}");
        if (is_sealed) check(veer_compact(database, NULL, NULL, &error), &error);
        veer_collection_close(gone);
        check(veer_collection_drop(database, "gone", &error), &error);
        if (is_checkpointed) check(veer_checkpoint(database, NULL, NULL, &error), &error);
        veer_collection_close(kept);
        close_database(database);
        expect_sound(&table);

        database = open_database(&table);
        assert_int_equal(veer_collection_open(database, "gone", NULL, &gone, &error),
                         VEER_E_NOTFOUND);
        gone = open_collection(database, "gone", "{\"fields\":{\"n\":{\"type\":\"keyword\"}}}");
        put(database, gone, "{\"id\":\"a\",\"n\":\"one\"}");
        veer_collection_close(gone);
        close_database(database);

        database = open_database(&table);
        gone = open_collection(database, "gone", NULL);
        kept = open_collection(database, "kept", NULL);
        assert_int_equal(count_of(gone, NULL), 1);
        assert_int_equal(count_of(gone, "\"n = 'one'\""), 1);
        assert_int_equal(count_of(kept, "\"n = 3\""), 1);
        veer_collection_close(gone);
        veer_collection_close(kept);
        close_database(database);
        expect_sound(&table);
        io_table_end(&table);
    }
}

/* A field that is added holds for later documents, and after a replay; one that is not in the
 * catalogue cannot be added read-only. */
static void test_added_fields(void **state)
{
    static const char wider[] =
        "{\"fields\":{\"n\":{\"type\":\"number\"},\"tag\":{\"type\":\"keyword\"}}}";
    (void)state;
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        io_table table;
        io_table_make(&table, TABLE_MEMORY);
        veer_error error;
        veer_database *database = open_database(&table);
        veer_collection *collection = open_collection(database, "c", plain_schema);
        put(database, collection, "{\"id\":\"a\",\"n\":1}");
        if (is_sealed) check(veer_compact(database, NULL, NULL, &error), &error);
        veer_collection_close(collection);
        close_database(database);

        check(veer_open(NULL, table.io, "{\"mode\":\"readonly\"}", NULL, &database, &error),
              &error);
        assert_int_equal(veer_collection_open(database, "c", wider, &collection, &error),
                         VEER_E_READONLY);
        close_database(database);

        database = open_database(&table);
        collection = open_collection(database, "c", wider);
        put(database, collection, "{\"id\":\"b\",\"n\":2,\"tag\":\"x\"}");
        veer_collection_close(collection);
        close_database(database);
        for (int i = 0; i < 2; i++) {
            database = open_database(&table);
            collection = open_collection(database, "c", NULL);
            assert_int_equal(count_of(collection, "\"tag = 'x'\""), 1);
            assert_int_equal(count_of(collection, "\"NOT (tag EXISTS) AND n = 1\""), 1);
            if (i == 0) check(veer_compact(database, NULL, NULL, &error), &error);
            veer_collection_close(collection);
            close_database(database);
        }
        expect_sound(&table);
        io_table_end(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_by_time),
        cmocka_unit_test(test_transactions_over_collections),
        cmocka_unit_test(test_dropped_collections),
        cmocka_unit_test(test_added_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
