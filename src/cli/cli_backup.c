/* cli_backup.c: `veer backup`: the present state as one packed file, complete and synced. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"

static int run(cli_context *cli, int argc, char **argv)
{
    cli_database database = {0};
    cli_progress progress;
    veer_error error = {0};
    int positionals = 0;
    int nothing = 0;
    int code = cli_parse(cli, argc, argv, &nothing, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    if (strcmp(argv[1], "-") == 0) {
        return cli_usage(cli, "a backup is a file that can be read at any place; standard output "
                              "cannot be one");
    }
    code = cli_open(cli, argv[0], CLI_READ, &database);
    if (code == CLI_OK) {
        cli_catch_interrupts();
        progress_begin(&progress, cli, "backup", NULL);
        veer_status status =
            veer_backup(database.database, argv[1], NULL, progress_call, &progress, &error);
        progress_end(&progress);
        struct stat about = {0};
        if (status == VEER_E_EXISTS) {
            code =
                cli_fail_text(cli, status, "%s exists already: a backup replaces nothing", argv[1]);
        } else if (status != VEER_OK) {
            code = cli_fail(cli, &error);
        } else if (stat(argv[1], &about) == 0) {
            cli_text size = {0};
            cli_text_size(&size, (uint64_t)about.st_size);
            printf("%s written, %s\n", argv[1], size.failed ? "?" : size.data);
            cli_text_free(&size);
        }
    }
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_backup = {
    .name = "backup",
    .summary = "write the present state as one file",
    .usage = "DB FILE",
    .description =
        "Writes the database as one packed file, which must not exist yet. The file opens "
        "read-only in place of a folder: veer search FILE, veer export FILE, veer check FILE. It "
        "is complete and on disk when the command ends; an interrupted backup leaves no file "
        "that opens.",
    .examples = "veer backup pages.veer pages-2026-11-21.pack\n"
                "veer search pages-2026-11-21.pack --like intro",
    .options = NULL,
    .options_count = 0,
    .positionals_min = 2,
    .positionals_max = 2,
    .run = run,
};
