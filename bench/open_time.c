/* How long a database takes to open, in a process of its own:
 *
 *   open_time DATABASE [QUERIES]
 *
 * Prints one JSON object: milliseconds of veer_open and of veer_collection_open, of the first search where
 * QUERIES are given (it maps pages and verifies the blocks that it touches), private and mapped memory
 * of the process after opening and after 200 searches (mapped: in all, and by stream), and what veer_stats says then.
 */
#define _GNU_SOURCE
#include "vecs_truth.h"

static double milliseconds(void)
{
    return 1e3 * bench_seconds(CLOCK_MONOTONIC);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "open_time DATABASE [QUERIES]\n");
        return 2;
    }
    vecs queries = {0, 0, NULL, NULL};
    if (argc > 2) queries = vecs_read(argv[2]);
    veer_error error;
    veer_database *database;
    veer_collection *collection;
    long anonymous = bench_process_kib("RssAnon:");
    long mapped = bench_process_kib("RssFile:");
    double start = milliseconds();
    bench_must(veer_open(argv[1], NULL, "{}", NULL, &database, &error), &error, argv[1]);
    double opened = milliseconds();
    bench_must(veer_collection_open(database, "documents", NULL, &collection, &error), &error,
               argv[1]);
    double collected = milliseconds();
    long after_open = bench_process_kib("RssAnon:");
    double searched = collected;
    veer_results *results = NULL;
    if (queries.rows > 0) {
        bench_must(veer_search(collection, NULL, "{\"select\": false}", queries.values, 1,
                               queries.dims, NULL, &results, &error),
                   &error, "veer_search");
        searched = milliseconds();
        veer_results_free(results);
        if (queries.rows > 200) queries.rows = 200;
        bench_must(veer_search(collection, NULL, "{\"select\": false}", queries.values,
                               queries.rows, queries.dims, NULL, &results, &error),
                   &error, "veer_search");
        veer_results_free(results);
    }
    long after_search = bench_process_kib("RssAnon:");
    veer_buffer stats;
    bench_must(veer_stats(database, &stats, &error), &error, "veer_stats");
    printf(
        "{\"open_ms\": %.4f, \"collection_ms\": %.4f, \"first_search_ms\": %.4f, "
        "\"private_kib_before\": %ld, \"private_kib_open\": %ld, \"private_kib_search\": %ld, "
        "\"file_kib_before\": %ld, \"file_kib\": %ld, "
        "\"graph_kib\": %ld, \"codes_kib\": %ld, \"segments_kib\": %ld, \"tier\": \"%s\", \"stats\": %s}\n",
        opened - start, collected - opened, searched - collected, anonymous, after_open,
        after_search, mapped, bench_process_kib("RssFile:"), bench_mapped_kib(".graph."),
        bench_mapped_kib(".codes."), bench_mapped_kib("/seg."), veer_tier(), stats.data);
    veer_buffer_free(&stats);
    veer_collection_close(collection);
    bench_must(veer_close(database, &error), &error, "veer_close");
    free(queries.values);
    return 0;
}
