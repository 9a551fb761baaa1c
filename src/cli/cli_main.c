/* cli_main.c: the `veer` command: the table of commands, dispatch, general help, messages.
 *
 * Every message of the command line leaves through this file, so that all have one form:
 *
 *     veer: import: vectors.fvecs: row 17 at byte 8772: 127 dimensions, ... [DIMENSION]
 *
 * SIGINT and SIGTERM: commands that write or run long ask for a flag (cli_catch_interrupts),
 * finish what they are at and report it; all others end the way the system ends a process. The
 * flag is the one piece of process-wide state, because a signal handler can reach nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "cli_options.h"
#include "cli_text.h"

static const cli_command *const commands[] = {
    &command_create,  &command_import, &command_export, &command_search, &command_get,
    &command_delete,  &command_count,  &command_info,   &command_check,  &command_optimize,
    &command_compact, &command_backup, &command_eval,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void cli_catch_interrupts(void)
{
    /* SA_RESETHAND: the second signal has its usual effect, for those who cannot wait. */
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

static const char *command_label(const cli_context *cli)
{
    return cli->command != NULL ? cli->command->name : NULL;
}

/* "veer: COMMAND: MESSAGE", the message made safe for a terminal. */
static void print_message(const cli_context *cli, const char *message, const char *code)
{
    cli_text line = {0};
    cli_text_printable(&line, message, strlen(message));
    const char *start = cli->stderr_colours ? "\033[1;31mveer:\033[0m " : "veer: ";
    const char *label = command_label(cli);
    const char *shown = line.data != NULL && !line.failed ? line.data : "out of memory";
    (void)fflush(stdout);
    fprintf(stderr, "%s%s%s%s", start, label != NULL ? label : "", label != NULL ? ": " : "",
            shown);
    if (code != NULL) {
        fprintf(stderr, " [%s]", code);
    }
    fputc('\n', stderr);
    cli_text_free(&line);
}

int cli_fail(const cli_context *cli, const veer_error *error)
{
    const char *message =
        error->message[0] != '\0' ? error->message : veer_status_text(error->status);
    print_message(cli, message, veer_status_name(error->status));
    return error->status == VEER_E_ABORTED && cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
}

int cli_fail_text(const cli_context *cli, veer_status status, const char *format, ...)
{
    veer_error error = {.status = status};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    return cli_fail(cli, &error);
}

int cli_usage(const cli_context *cli, const char *format, ...)
{
    char message[500];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    print_message(cli, message, NULL);
    const char *label = command_label(cli);
    cli_hint(cli, "see: veer %s%s--help", label != NULL ? label : "", label != NULL ? " " : "");
    return CLI_USAGE;
}

void cli_hint(const cli_context *cli, const char *format, ...)
{
    char hint[500];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(hint, sizeof hint, format, arguments);
    va_end(arguments);
    cli_text line = {0};
    cli_text_printable(&line, hint, strlen(hint));
    if (!line.failed && line.data != NULL) {
        fprintf(stderr, cli->stderr_colours ? "      \033[2m%s\033[0m\n" : "      %s\n", line.data);
    }
    cli_text_free(&line);
}

int cli_finish(const cli_context *cli, int code)
{
    bool broken = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0) {
        broken = true;
    }
    if (broken && code == CLI_OK) {
        return cli_fail_text(cli, errno == ENOSPC ? VEER_E_FULL : VEER_E_IO,
                             "cannot write to standard output: %s",
                             errno != 0 ? strerror(errno) : "an earlier write failed");
    }
    return code;
}

static const char *command_name(const void *context, size_t i)
{
    (void)context;
    if (i == COMMANDS) {
        return "help";
    }
    return i < COMMANDS ? commands[i]->name : NULL;
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const cli_context *cli, const char *name)
{
    const char *nearest = cli_nearest(name, command_name, NULL);
    if (nearest != NULL) {
        return cli_usage(cli, "unknown command \"%s\", did you mean %s?", name, nearest);
    }
    return cli_usage(cli, "unknown command \"%s\"", name);
}

static void print_general_help(FILE *out, bool colours)
{
    const char *heading = colours ? "\n\033[1m%s\033[0m\n" : "\n%s\n";
    fprintf(out, "veer %s: vector search over documents, in one folder, without a server\n",
            veer_version());
    fprintf(out, heading, "Usage");
    fputs("  veer COMMAND DB [arguments] [options]\n"
          "  veer help [COMMAND]\n"
          "  veer --version\n",
          out);
    fprintf(out, heading, "Commands");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputc('\n', out);
    cli_print_wrapped(out,
                      "DB is the folder of a database, or a file that `veer backup` wrote (opens "
                      "read-only). A file argument of - is standard input. People get "
                      "tables, --json gives JSON. NO_COLOR=1 turns colours off, "
                      "VEER_FORCE_TIER=scalar (or avx2, ...) forces a kernel tier.",
                      0);
    fprintf(out, heading, "Start here");
    fputs("  veer import pages.veer vectors.fvecs --create --metric cosine\n"
          "  veer search pages.veer --like 17 -k 5\n",
          out);
}

static int run_help(cli_context *cli, int argc, char **argv)
{
    if (argc == 0) {
        print_general_help(stdout, cli->stdout_colours);
        return cli_finish(cli, CLI_OK);
    }
    if (argc > 1) {
        return cli_usage(cli, "help takes one command, unexpected argument \"%s\"", argv[1]);
    }
    const cli_command *command = find_command(argv[0]);
    if (command == NULL) {
        return unknown_command(cli, argv[0]);
    }
    cli_print_help(command, stdout, cli->stdout_colours);
    return cli_finish(cli, CLI_OK);
}

static void look_at_terminal(cli_context *cli)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool colours =
        (no_color == NULL || no_color[0] == '\0') && !(term != NULL && strcmp(term, "dumb") == 0);
    cli->stdout_terminal = isatty(STDOUT_FILENO) == 1;
    cli->stderr_terminal = isatty(STDERR_FILENO) == 1;
    cli->stdout_colours = colours && cli->stdout_terminal;
    cli->stderr_colours = colours && cli->stderr_terminal;
    cli->columns = 80;
    struct winsize size = {0};
    int terminal = cli->stdout_terminal ? STDOUT_FILENO : STDERR_FILENO;
    if (ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
        cli->columns = size.ws_col;
    }
}

int main(int argc, char **argv)
{
    cli_context cli = {0};
    look_at_terminal(&cli);
    if (argc < 2) {
        print_general_help(stderr, cli.stderr_colours);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("veer %s (%s)\n", veer_version(), veer_tier());
        return cli_finish(&cli, CLI_OK);
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return run_help(&cli, argc - 2, argv + 2);
    }
    if (name[0] == '-') {
        return cli_usage(&cli, "unknown option %s before the command", name);
    }
    const cli_command *command = find_command(name);
    if (command == NULL) {
        return unknown_command(&cli, name);
    }
    cli.command = command;
    return command->run(&cli, argc - 2, argv + 2);
}
