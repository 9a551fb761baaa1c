#define _GNU_SOURCE
/* A writing process is killed again and again: what it had acknowledged is there each time.
 *
 *   kill_writer [cycles]
 *
 * The child writes transaction after transaction (with checkpoints and background work between them), and says in a pipe when one is
 * acknowledged. Transaction t writes "last" and "n<t % 100>" with serial t: whatever transaction the database shows last, all
 * others can be computed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "support/testing.h"
#include "veer.h"

#define SLOTS 100
#define DIMS 8

static const char schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":8,\"metric\":\"l2\"},\"slot\":{\"type\":"
    "\"number\"}}}";
static const char options[] =
    "{\"create\":true,\"sync\":\"full\",\"walBytes\":65536,\"segmentBytes\":65536,\"graphRows\":64}";
static char directory[64];
static int cycles = 50;

static veer_status open_both(veer_database **database, veer_collection **collection,
                             veer_error *error)
{
    veer_status status = veer_open(directory, NULL, options, NULL, database, error);
    if (status != VEER_OK) return status;
    return veer_collection_open(*database, "docs", schema, collection, error);
}

/* The child: never returns. */
static void write_until_killed(uint64_t serial, int pipe_end)
{
    veer_database *database;
    veer_collection *collection;
    veer_error error;
    if (open_both(&database, &collection, &error) != VEER_OK) _exit(2);
    for (uint64_t t = serial + 1;; t++) {
        char documents[1200];
        float vectors[2 * DIMS];
        for (int i = 0; i < 2 * DIMS; i++)
            vectors[i] = (float)(t + (uint64_t)i);
        int n =
            snprintf(documents, sizeof documents,
                     "{\"id\":\"last\",\"serial\":%llu}\n{\"id\":\"n%llu\",\"serial\":%llu,"
                     "\"slot\":%llu,\"pad\":\"%0*d\"}",
                     (unsigned long long)t, (unsigned long long)(t % SLOTS), (unsigned long long)t,
                     (unsigned long long)(t % SLOTS), (int)(t * 37 % 800) + 1, 0);
        veer_vectors with = {.data = vectors, .dims = DIMS};
        veer_operation operation = {.collection = collection,
                                    .documents = documents,
                                    .documents_bytes = (size_t)n,
                                    .count = 2,
                                    .vectors = &with,
                                    .vectors_count = 1};
        if (veer_write(database, &operation, 1, NULL, &error) != VEER_OK) _exit(3);
        if (write(pipe_end, &t, sizeof t) != sizeof t) _exit(4);
        if (t % 3 == 0 && veer_work(database, 0.5, NULL, &error) != VEER_OK) _exit(5);
        if (t % 50 == 0 && veer_checkpoint(database, NULL, NULL, &error) != VEER_OK) _exit(6);
    }
}

static uint64_t serial_of(veer_collection *collection, const char *id)
{
    char ids[40];
    veer_error error;
    veer_results *results = NULL;
    unsigned long long serial = 0;
    snprintf(ids, sizeof ids, "[\"%s\"]", id);
    assert_int_equal(veer_get(collection, NULL, ids, NULL, &results, &error), VEER_OK);
    if (veer_results_rows(results) == 1) {
        const uint32_t *at;
        const char *found = strstr(veer_results_documents(results, &at), "\"serial\":");
        assert_non_null(found);
        serial = strtoull(found + 9, NULL, 10);
    }
    veer_results_free(results);
    return serial;
}

/* Opens what the killed process left; returns the last transaction it shows, after checking all others. */
static uint64_t check(uint64_t acknowledged)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_error error;
    if (open_both(&database, &collection, &error) != VEER_OK)
        fail_msg("after transaction %llu: %s", (unsigned long long)acknowledged, error.message);
    uint64_t last = serial_of(collection, "last");
    if (last < acknowledged || last > acknowledged + 1)
        fail_msg("transaction %llu was acknowledged, %llu is the last",
                 (unsigned long long)acknowledged, (unsigned long long)last);
    for (uint64_t i = 0; i < SLOTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "n%llu", (unsigned long long)i);
        uint64_t wanted = last >= i ? last - (last - i) % SLOTS : 0;
        uint64_t shown = serial_of(collection, id);
        if (shown != wanted)
            fail_msg("last is %llu; %s shows %llu instead of %llu", (unsigned long long)last, id,
                     (unsigned long long)shown, (unsigned long long)wanted);
    }
    veer_collection_close(collection);
    assert_int_equal(veer_close(database, &error), VEER_OK);
    return last;
}

static void test_kill(void **state)
{
    (void)state;
    rng rng;
    uint64_t last = 0, first_cycles = 0;
    rng_init(&rng, 9);
    for (int cycle = 0; cycle < cycles; cycle++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(last, ends[1]);
        }
        close(ends[1]);
        struct timespec wait = {0, (long)(2000000 + rng_below(&rng, 60000000))};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        if (!WIFSIGNALED(how)) fail_msg("the writer ended by itself with %d", WEXITSTATUS(how));
        uint64_t acknowledged = last, t;
        while (read(ends[0], &t, sizeof t) == sizeof t)
            acknowledged = t;
        close(ends[0]);
        last = check(acknowledged);
        if (last > 0) first_cycles++;
    }
    print_message("%d kills, %llu transactions survived\n", cycles, (unsigned long long)last);
    assert_true(first_cycles > 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) cycles = atoi(argv[1]);
    snprintf(directory, sizeof directory, "kill_writer.%ld", (long)getpid());
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (failed == 0 && system(command) != 0) return 2;
    return failed;
}
