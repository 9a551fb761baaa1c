/* cli_optimize.c: `veer optimize`: finish the background work that is left, so that searches are as
 * fast as they get. A signal stops it where it is; the next run goes on from there.
 *
 * What was done is read off veer_stats, before and after: a graph was built now where the
 * generation that ends its stream's name is newer than the one before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"
#include "cli_threads.h"

typedef struct upkeep_figures {
    uint64_t generation;
    uint64_t in_log; /* rows that are in no sealed segment */
    uint64_t segments;
    uint64_t graphs; /* newer than generation `since` */
} upkeep_figures;

static bool is_text(json_slice value, const char *text)
{
    size_t bytes = strlen(text);
    return value.bytes == bytes + 2 && memcmp(value.text + 1, text, bytes) == 0;
}

/* The digits behind the last dot of a stream's name; 0: there are none. */
static uint64_t generation_of(json_slice name)
{
    size_t at = name.bytes;
    while (at > 0 && name.text[at - 1] != '.') {
        at--;
    }
    return at > 0 ? strtoull(name.text + at, NULL, 10) : 0;
}

static void count_segment(json_slice segment, uint64_t since, upkeep_figures *figures)
{
    json_iterator streams;
    json_slice stream;
    json_slice list = cli_json_get(segment, "streams");
    if (cli_json_kind_of(list) != JSON_ARRAY) {
        figures->in_log += (uint64_t)cli_json_number(cli_json_get(segment, "rows"));
        return;
    }
    figures->segments++;
    cli_json_begin(&streams, list.text, list.bytes);
    while (cli_json_element(&streams, &stream)) {
        figures->graphs += is_text(cli_json_get(stream, "kind"), "graph") &&
                           generation_of(cli_json_get(stream, "name")) > since;
    }
}

/* Over all collections. */
static veer_status look(veer_database *database, uint64_t since, upkeep_figures *figures,
                        veer_error *error)
{
    veer_buffer json = {0};
    json_iterator collections;
    json_iterator segments;
    json_slice collection;
    json_slice segment;
    veer_status status = veer_stats(database, &json, error);
    if (status != VEER_OK) {
        return status;
    }
    json_slice stats = {json.data, json.bytes};
    json_slice list = cli_json_get(stats, "collections");
    figures->generation = (uint64_t)cli_json_number(cli_json_get(stats, "generation"));
    cli_json_begin(&collections, list.text, list.bytes);
    while (cli_json_element(&collections, &collection)) {
        json_slice own = cli_json_get(collection, "segments");
        cli_json_begin(&segments, own.text, own.bytes);
        while (cli_json_element(&segments, &segment)) {
            count_segment(segment, since, figures);
        }
    }
    veer_buffer_free(&json);
    return VEER_OK;
}

/* ", 3 graphs built"; nothing where there are none. */
static void put_count(cli_text *line, uint64_t count, const char *one, const char *many,
                      const char *done)
{
    if (count > 0) {
        cli_text_string(line, line->bytes > 0 ? ", " : ": ");
        cli_text_grouped(line, count);
        cli_text_format(line, " %s %s", count == 1 ? one : many, done);
    }
}

static veer_status print_done(const char *path, double seconds, const upkeep_figures *before,
                              const upkeep_figures *after)
{
    cli_text line = {0};
    if (after->generation == before->generation) {
        printf("%s: nothing was left to do\n", path);
        return VEER_OK;
    }
    put_count(&line, before->in_log > after->in_log ? before->in_log - after->in_log : 0, "row",
              "rows", "of the log sealed");
    if (after->segments != before->segments) {
        cli_text_string(&line, line.bytes > 0 ? ", " : ": ");
        cli_text_format(&line, "%llu sealed segment%s instead of %llu",
                        (unsigned long long)after->segments, after->segments == 1 ? "" : "s",
                        (unsigned long long)before->segments);
    }
    put_count(&line, after->graphs, "graph", "graphs", "built");
    bool failed = line.failed;
    if (!failed) {
        printf("%s optimized in %.3g s%s\n", path, seconds, line.bytes > 0 ? line.data : "");
    }
    cli_text_free(&line);
    return failed ? VEER_E_NOMEM : VEER_OK;
}

typedef struct job_progress {
    cli_progress shown;
    uint64_t done;
} job_progress;

/* Each job counts from 0 in a unit of its own, so the time that is left is the job's. */
static bool show_job(void *context, uint64_t done, uint64_t total)
{
    job_progress *progress = context;
    if (done < progress->done) {
        progress->shown.started = cli_seconds();
    }
    progress->done = done;
    return progress_call(&progress->shown, done, total);
}

typedef struct optimize_options {
    uint64_t threads;
} optimize_options;

static const cli_option optimize_table[] = {
    {"threads", 0, CLI_INTEGER, offsetof(optimize_options, threads), "N", 1, VEER_THREADS_MAX,
     "threads that build graphs (default 1); the result is the same"},
};

static int optimize(const cli_context *cli, const char *path, veer_database *database)
{
    job_progress progress = {0};
    upkeep_figures before = {0};
    upkeep_figures after = {0};
    veer_error error = {0};
    double started = cli_seconds();
    veer_status status = look(database, UINT64_MAX, &before, &error);
    if (status == VEER_OK) {
        progress_begin(&progress.shown, cli, "optimize", NULL);
        status = veer_optimize(database, show_job, &progress, &error);
        progress_end(&progress.shown);
    }
    if (status == VEER_OK) {
        status = look(database, before.generation, &after, &error);
    }
    if (status != VEER_OK) {
        return cli_fail(cli, &error);
    }
    status = print_done(path, cli_seconds() - started, &before, &after);
    return status == VEER_OK ? CLI_OK : cli_fail_text(cli, status, "out of memory");
}

/* Makes the threads and gives them to the database. */
static int start_threads(const cli_context *cli, uint64_t count, veer_database *database,
                         cli_threads **threads)
{
    veer_error error = {0};
    if (count < 2) {
        return CLI_OK;
    }
    *threads = cli_threads_new((size_t)count);
    if (*threads == NULL) {
        return cli_fail_text(cli, VEER_E_NOMEM, "the system has no more threads");
    }
    if (veer_set_pool(database, cli_threads_pool(*threads), &error) != VEER_OK) {
        return cli_fail(cli, &error);
    }
    return CLI_OK;
}

static int run(cli_context *cli, int argc, char **argv)
{
    cli_database database = {0};
    optimize_options options = {.threads = 1};
    cli_threads *threads = NULL;
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = cli_open(cli, argv[0], CLI_WRITE, &database);
    if (code == CLI_OK) {
        code = start_threads(cli, options.threads, database.database, &threads);
    }
    if (code == CLI_OK) {
        cli_catch_interrupts();
        code = optimize(cli, argv[0], database.database);
    }
    code = cli_finish(cli, cli_close(cli, &database, code));
    cli_threads_free(threads);
    return code;
}

const cli_command command_optimize = {
    .name = "optimize",
    .summary = "finish background work: seal, merge what is due, build graphs",
    .usage = "DB",
    .description =
        "Seals what the log holds, merges segments that are due, and builds the graphs of "
        "segments that are large enough for one: after it searches are as fast as they get. "
        "It may be interrupted; the next run goes on. To merge everything into as few segments as "
        "possible and drop deleted rows, use veer compact.",
    .examples = "veer optimize pages.veer --threads 8",
    .options = optimize_table,
    .options_count = sizeof optimize_table / sizeof optimize_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
