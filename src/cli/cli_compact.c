/* cli_compact.c: `veer compact`: seal, merge, drop deleted rows. Resumable: a signal stops it
 * where it is, and nothing that was done is lost.
 */
#include <stdio.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"

typedef struct compact_options {
    bool checkpoint;
} compact_options;

static const cli_option options_table[] = {
    {"checkpoint", 0, CLI_FLAG, offsetof(compact_options, checkpoint), NULL, 0, 0,
     "only seal what the log holds; merge nothing"},
};

static int run(cli_context *cli, int argc, char **argv)
{
    compact_options options = {0};
    cli_database database = {0};
    cli_progress progress;
    veer_error error = {0};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = cli_open(cli, argv[0], CLI_WRITE, &database);
    if (code == CLI_OK) {
        cli_catch_interrupts();
        double started = cli_seconds();
        progress_begin(&progress, cli, "compact", NULL);
        veer_status status =
            options.checkpoint
                ? veer_checkpoint(database.database, progress_call, &progress, &error)
                : veer_compact(database.database, progress_call, &progress, &error);
        progress_end(&progress);
        if (status == VEER_OK) {
            printf("%s %s in %.3g s\n", argv[0], options.checkpoint ? "sealed" : "compacted",
                   cli_seconds() - started);
        } else {
            code = cli_fail(cli, &error);
        }
    }
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_compact = {
    .name = "compact",
    .summary = "seal the log, merge segments, give back unused space",
    .usage = "DB [--checkpoint]",
    .description =
        "Seals what the log holds, then merges every collection into as few segments as the "
        "limits allow and drops deleted rows: at most twice the live data stays on disk. It may "
        "be interrupted; the next run goes on.",
    .examples = "veer compact pages.veer",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
