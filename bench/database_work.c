/* How long the background work of a database takes, one thread:
 *
 *   database_work DATABASE OPTIONS merge|work
 *
 * Opens DATABASE with OPTIONS (JSON, as veer_open takes it) and does all that is left; "merge"
 * compacts it first. Prints one JSON object: wall and process CPU seconds without opening and
 * closing, and what veer_stats says afterwards.
 */
#define _GNU_SOURCE
#include "vecs_truth.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "database_work DATABASE OPTIONS merge|work\n");
        return 2;
    }
    veer_database *database;
    veer_buffer stats;
    veer_error error;
    bench_must(veer_open(argv[1], NULL, argv[2], NULL, &database, &error), &error, argv[1]);
    double wall = bench_seconds(CLOCK_MONOTONIC);
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (strcmp(argv[3], "merge") == 0) {
        bench_must(veer_compact(database, NULL, NULL, &error), &error, "veer_compact");
    }
    bool left = true;
    while (left)
        bench_must(veer_work(database, -1, &left, &error), &error, "veer_work");
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = bench_seconds(CLOCK_MONOTONIC) - wall;
    bench_must(veer_stats(database, &stats, &error), &error, "veer_stats");
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"stats\": %s}\n", wall, cpu, stats.data);
    veer_buffer_free(&stats);
    bench_must(veer_close(database, &error), &error, "veer_close");
    return 0;
}
