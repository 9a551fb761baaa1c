/* cli_check.c: `veer check`: every byte of a database is read and verified.
 *
 * The report is the engine's: {"ok", "problems": [...], "streams": [...]}. Problems are printed
 * one a line whatever their form (a text, or an object with members), so that nothing the engine
 * says is lost here.
 */
#include <stdio.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"

typedef struct check_options {
    bool json;
} check_options;

static const cli_option options_table[] = {
    {"json", 0, CLI_FLAG, offsetof(check_options, json), NULL, 0, 0,
     "print the whole report as JSON"},
};

static void print_problem(json_slice problem)
{
    cli_text text = {0};
    cli_text safe = {0};
    if (cli_json_kind_of(problem) == JSON_STRING) {
        cli_json_string(problem, &text);
    } else {
        cli_text_append(&text, problem.text, problem.bytes);
    }
    cli_text_printable(&safe, text.data != NULL ? text.data : "", text.bytes);
    printf("  %s\n", safe.failed || safe.data == NULL ? "?" : safe.data);
    cli_text_free(&text);
    cli_text_free(&safe);
}

static void print_report(const cli_context *cli, const char *path, json_slice report)
{
    json_iterator iterator;
    json_slice problem;
    json_slice problems = cli_json_get(report, "problems");
    size_t count = cli_json_count(problems);
    size_t streams = cli_json_count(cli_json_get(report, "streams"));
    if (count == 0) {
        printf(cli->stdout_colours ? "\033[32m%s: ok\033[0m, %zu streams read\n"
                                   : "%s: ok, %zu streams read\n",
               path, streams);
        return;
    }
    printf(cli->stdout_colours ? "\033[31m%s: %zu problem%s\033[0m in %zu streams\n"
                               : "%s: %zu problem%s in %zu streams\n",
           path, count, count == 1 ? "" : "s", streams);
    cli_json_begin(&iterator, problems.text, problems.bytes);
    while (cli_json_element(&iterator, &problem)) {
        print_problem(problem);
    }
}

static int run(cli_context *cli, int argc, char **argv)
{
    check_options options = {0};
    veer_buffer report = {0};
    cli_progress progress;
    veer_error error = {0};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    cli_catch_interrupts();
    progress_begin(&progress, cli, "check", NULL);
    veer_status status = veer_check(argv[0], NULL, NULL, progress_call, &progress, &report, &error);
    progress_end(&progress);
    if (report.data != NULL && options.json) {
        printf("%s\n", report.data);
    } else if (report.data != NULL) {
        print_report(cli, argv[0], (json_slice){report.data, report.bytes});
    }
    if (status == VEER_E_NOTFOUND) {
        code = cli_fail_text(cli, status, "%s: there is no database here", argv[0]);
    } else {
        code = status == VEER_OK ? CLI_OK : cli_fail(cli, &error);
    }
    veer_buffer_free(&report);
    return cli_finish(cli, code);
}

const cli_command command_check = {
    .name = "check",
    .summary = "read every byte of a database and verify it",
    .usage = "DB [--json]",
    .description =
        "Reads the whole database, a folder or a packed file that nobody is writing, and checks "
        "every checksum and every invariant. Prints what is wrong, one problem a line; the exit "
        "status is 0 only where nothing is. Nothing is changed.",
    .examples = "veer check pages.veer\n"
                "veer check pages.pack --json",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
