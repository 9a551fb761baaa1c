/* cli_options.h: one option table a command; parsing, help and suggestions come from it.
 *
 * A command declares a structure for its options, presets the defaults, and describes each member
 * by one line of a table. Options may stand anywhere among the positional arguments, as
 * "--name value" or "--name=value", or "-k 10" or "-k10" where they have a letter; "--" ends
 * them, and "-" alone is positional (standard input or output). The last of two wins.
 */
#ifndef VEER_CLI_OPTIONS_H
#define VEER_CLI_OPTIONS_H

#include <stdio.h>

#include "cli.h"

typedef enum cli_option_kind {
    CLI_FLAG,    /* bool, no value */
    CLI_TEXT,    /* const char *, any value */
    CLI_INTEGER, /* uint64_t, minimum <= value <= maximum */
    CLI_REAL,    /* double, minimum < value <= maximum */
    CLI_CHOICE,  /* const char *, one of the words in `value`, separated by | */
    CLI_MAYBE,   /* the same behind a =, or "" where there is none */
} cli_option_kind;

struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    cli_option_kind kind;
    size_t offset;     /* of its member in the command's structure */
    const char *value; /* what help calls the value; the choices of a CLI_CHOICE */
    double minimum;
    double maximum;
    const char *help;
};

enum {
    CLI_GO = -1,               /* from cli_parse: go on */
    CLI_POSITIONALS_MAX = 4096 /* arbitrary: ids on one command line; more come by standard input */
};

/* Parses argv into `options` and gathers the positional arguments at the front of argv (it is
 * reordered); *positionals receives their number. Returns CLI_GO, or the exit code to return:
 * 0 after --help, CLI_USAGE after a mistake, which has been reported. */
int cli_parse(const cli_context *cli, int argc, char **argv, void *options, int *positionals);

/* The manual page of a command. */
void cli_print_help(const cli_command *command, FILE *out, bool colours);

/* Prints `text` wrapped at 80 columns behind `indent` spaces; an empty line starts a paragraph. */
void cli_print_wrapped(FILE *out, const char *text, int indent);

/* The name nearest to `word` if it is near enough to be a slip of the fingers, else NULL.
 * `name(context, i)` gives the candidates until it returns NULL. */
const char *cli_nearest(const char *word, const char *(*name)(const void *context, size_t i),
                        const void *context);

#endif
