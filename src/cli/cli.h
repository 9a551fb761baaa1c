/* cli.h: what every file of the `veer` command shares: exit codes, the command descriptor and
 * the context that a running command is given.
 *
 * The command line is a client of veer.h like any other and includes no other header of the
 * engine. A command is one file with one `const cli_command`; cli_main.c holds the table of them,
 * from which dispatch, help and suggestions are made.
 *
 * Threads: one. The only asynchronous thing is the interrupt flag that SIGINT and SIGTERM set.
 */
#ifndef VEER_CLI_H
#define VEER_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "veer.h"

/* Values of --metric, as --help and errors show them. */
#define CLI_METRICS "cosine|dot|l2|manhattan|chebyshev|canberra|braycurtis|hamming|jaccard"
/* Values of --storage. */
#define CLI_STORAGES "f32|f16|bits"

enum {
    CLI_OK = 0,            /* it is done */
    CLI_FAILED = 1,        /* the operation failed; the reason is on standard error */
    CLI_USAGE = 2,         /* the command line does not make sense */
    CLI_INTERRUPTED = 130, /* stopped by a signal (128 + SIGINT), everything reported is done */
};

typedef struct cli_command cli_command;
typedef struct cli_option cli_option;

/* A running command: who it is and where it writes. */
typedef struct cli_context {
    const cli_command *command;
    bool stdout_terminal;
    bool stderr_terminal;
    bool stdout_colours; /* a terminal, and NO_COLOR and TERM=dumb do not forbid it */
    bool stderr_colours;
    unsigned columns; /* width of the terminal, 80 where unknown */
} cli_context;

struct cli_command {
    const char *name;
    const char *summary;     /* one line, in `veer help` */
    const char *usage;       /* what follows "veer NAME", one form a line */
    const char *description; /* paragraphs separated by an empty line; wrapped when printed */
    const char *examples;    /* lines printed as they are */
    const cli_option *options;
    size_t options_count;
    int positionals_min;
    int positionals_max;
    /* argv[0] is the first argument after the command's name. Returns an exit code. */
    int (*run)(cli_context *cli, int argc, char **argv);
};

extern const cli_command command_create;
extern const cli_command command_import;
extern const cli_command command_export;
extern const cli_command command_search;
extern const cli_command command_get;
extern const cli_command command_delete;
extern const cli_command command_count;
extern const cli_command command_info;
extern const cli_command command_check;
extern const cli_command command_optimize;
extern const cli_command command_compact;
extern const cli_command command_backup;
extern const cli_command command_eval;

/* True once SIGINT or SIGTERM has arrived. A second signal ends the process at once. Only
 * commands that called cli_catch_interrupts see it; the others end as the system does it. */
void cli_catch_interrupts(void);
bool cli_interrupted(void);

/* Prints "veer: COMMAND: MESSAGE [CODE]" and returns the exit code that goes with it:
 * CLI_INTERRUPTED for a call that was cancelled by a signal, else CLI_FAILED. */
int cli_fail(const cli_context *cli, const veer_error *error);
/* The same with a message of the command line's own. */
__attribute__((format(printf, 3, 4))) int cli_fail_text(const cli_context *cli, veer_status status,
                                                        const char *format, ...);
/* Prints "veer: COMMAND: MESSAGE" and where help is found; returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_usage(const cli_context *cli, const char *format,
                                                    ...);
/* Prints an indented line below a message on standard error. */
__attribute__((format(printf, 2, 3))) void cli_hint(const cli_context *cli, const char *format,
                                                    ...);
/* Flushes standard output. A full disk or a closed pipe turns CLI_OK into CLI_FAILED. */
int cli_finish(const cli_context *cli, int code);

#endif
