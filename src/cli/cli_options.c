/* cli_options.c: parsing by table, help by table (cli_options.h has the contract).
 *
 * Nothing is guessed: an abbreviated, misspelt or repeated-without-value option is an error that
 * names the nearest one. Numbers are read strictly (no blanks, no signs for integers, no
 * trailing text) and held against the table's bounds before they are stored.
 */
#include "cli_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 40, HELP_WIDTH = 80, HELP_COLUMN = 26 };

/* Edit distance with neighbouring letters swapped counting one (optimal string alignment), over
 * three rows of a fixed width: longer words are never suggested. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);
    if (a_bytes > NAME_MAX_BYTES || b_bytes > NAME_MAX_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_bytes; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                size_t swapped = rows[(i - 2) % 3][j - 2] + 1;
                best = swapped < best ? swapped : best;
            }
            now[j] = best;
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

const char *cli_nearest(const char *word, const char *(*name)(const void *context, size_t i),
                        const void *context)
{
    const char *nearest = NULL;
    size_t word_bytes = strlen(word);
    size_t nearest_distance = SIZE_MAX;
    for (size_t i = 0; name(context, i) != NULL; i++) {
        const char *candidate = name(context, i);
        size_t longest = strlen(candidate) > word_bytes ? strlen(candidate) : word_bytes;
        size_t distance = edit_distance(word, candidate);
        if (word_bytes >= 3 && strncmp(word, candidate, word_bytes) == 0) {
            distance = 1;
        }
        /* A third of the letters: "dmis" is dims, "limit" is not list. */
        if (distance < nearest_distance && distance <= (longest + 2) / 3) {
            nearest = candidate;
            nearest_distance = distance;
        }
    }
    return nearest;
}

static const char *option_name(const void *context, size_t i)
{
    const cli_command *command = context;
    if (i == command->options_count) {
        return "help";
    }
    return i < command->options_count ? command->options[i].name : NULL;
}

static const cli_option *find_option(const cli_command *command, const char *name, size_t bytes)
{
    for (size_t i = 0; i < command->options_count; i++) {
        const cli_option *option = &command->options[i];
        if (strlen(option->name) == bytes && memcmp(option->name, name, bytes) == 0) {
            return option;
        }
    }
    return NULL;
}

static const cli_option *find_letter(const cli_command *command, char letter)
{
    for (size_t i = 0; i < command->options_count; i++) {
        if (command->options[i].letter != 0 && command->options[i].letter == letter) {
            return &command->options[i];
        }
    }
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t bytes = strlen(value);
    for (const char *at = choices; *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length == bytes && memcmp(at, value, bytes) == 0) {
            return true;
        }
        at += length + (at[length] == '|');
    }
    return false;
}

/* What stands before the name of an option: "-k", "--dims". */
static const char *dashes(const cli_option *option)
{
    return option->name[1] == '\0' ? "-" : "--";
}

static int store_integer(const cli_context *cli, const cli_option *option, const char *value,
                         void *to)
{
    errno = 0;
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);
    bool digits = value[0] >= '0' && value[0] <= '9' && *end == '\0';
    if (!digits || errno != 0 || (double)number < option->minimum ||
        (double)number > option->maximum) {
        return cli_usage(cli, "%s%s %s: expected an integer from %.0f to %.0f", dashes(option),
                         option->name, value, option->minimum, option->maximum);
    }
    uint64_t stored = number;
    memcpy(to, &stored, sizeof stored);
    return CLI_GO;
}

static int store_real(const cli_context *cli, const cli_option *option, const char *value, void *to)
{
    char *end = NULL;
    double number = strtod(value, &end);
    bool plain = value[0] == '.' || value[0] == '-' || (value[0] >= '0' && value[0] <= '9');
    if (!plain || *end != '\0' || !isfinite(number) || number <= option->minimum ||
        number > option->maximum) {
        return cli_usage(cli, "%s%s %s: expected a number above %g, at most %g", dashes(option),
                         option->name, value, option->minimum, option->maximum);
    }
    memcpy(to, &number, sizeof number);
    return CLI_GO;
}

static int store(const cli_context *cli, const cli_option *option, const char *value, void *options)
{
    void *to = (char *)options + option->offset;
    bool on = true;
    switch (option->kind) {
    case CLI_FLAG:
        memcpy(to, &on, sizeof on);
        return CLI_GO;
    case CLI_INTEGER:
        return store_integer(cli, option, value, to);
    case CLI_REAL:
        return store_real(cli, option, value, to);
    case CLI_MAYBE:
        if (value == NULL) {
            value = "";
            break;
        }
        /* fall through */
    case CLI_CHOICE:
        if (!is_choice(option->value, value)) {
            return cli_usage(cli, "%s%s %s: expected one of %s", dashes(option), option->name,
                             value, option->value);
        }
        break;
    case CLI_TEXT:
        break;
    }
    memcpy(to, &value, sizeof value);
    return CLI_GO;
}

static int unknown_option(const cli_context *cli, const char *name, size_t bytes)
{
    char word[NAME_MAX_BYTES + 1];
    const char *nearest = NULL;
    if (bytes <= NAME_MAX_BYTES) {
        memcpy(word, name, bytes);
        word[bytes] = '\0';
        nearest = cli_nearest(word, option_name, cli->command);
    }
    if (nearest != NULL) {
        return cli_usage(cli, "unknown option --%.*s, did you mean --%s?", (int)bytes, name,
                         nearest);
    }
    return cli_usage(cli, "unknown option --%.*s", (int)(bytes < 200 ? bytes : 200), name);
}

/* One argument that starts with '-'; *at moves on by one more where the value is the next. */
static int parse_option(const cli_context *cli, int argc, char **argv, int *at, void *options)
{
    const char *argument = argv[*at];
    const cli_option *option = NULL;
    const char *value = NULL;
    if (argument[1] == '-') {
        const char *name = argument + 2;
        size_t bytes = strcspn(name, "=");
        option = find_option(cli->command, name, bytes);
        if (option == NULL) {
            return unknown_option(cli, name, bytes);
        }
        value = name[bytes] == '=' ? name + bytes + 1 : NULL;
        if (option->kind == CLI_FLAG && value != NULL) {
            return cli_usage(cli, "--%s takes no value", option->name);
        }
    } else {
        option = find_letter(cli->command, argument[1]);
        if (option == NULL && argument[2] != '\0') {
            return unknown_option(cli, argument + 1, strcspn(argument + 1, "="));
        }
        if (option == NULL) {
            return cli_usage(cli, "unknown option %s", argument);
        }
        value = argument[2] != '\0' ? argument + 2 : NULL;
        if (option->kind == CLI_FLAG && value != NULL) {
            return cli_usage(cli, "-%c takes no value", option->letter);
        }
    }
    if (option->kind != CLI_FLAG && option->kind != CLI_MAYBE && value == NULL) {
        if (*at + 1 >= argc) {
            return cli_usage(cli, "%s%s needs a value: %s", dashes(option), option->name,
                             option->value);
        }
        *at += 1;
        value = argv[*at];
    }
    return store(cli, option, value, options);
}

int cli_parse(const cli_context *cli, int argc, char **argv, void *options, int *positionals)
{
    int kept = 0;
    bool options_end = false;
    *positionals = 0;
    for (int i = 0; i < argc; i++) {
        char *argument = argv[i];
        if (options_end || argument[0] != '-' || argument[1] == '\0') {
            argv[kept++] = argument;
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            options_end = true;
            continue;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            cli_print_help(cli->command, stdout, cli->stdout_colours);
            return cli_finish(cli, CLI_OK);
        }
        int code = parse_option(cli, argc, argv, &i, options);
        if (code != CLI_GO) {
            return code;
        }
    }
    if (kept < cli->command->positionals_min) {
        return cli_usage(cli, "expected: veer %s %.*s", cli->command->name,
                         (int)strcspn(cli->command->usage, "\n"), cli->command->usage);
    }
    if (kept > cli->command->positionals_max) {
        return cli_usage(cli, "unexpected argument \"%s\"", argv[cli->command->positionals_max]);
    }
    *positionals = kept;
    return CLI_GO;
}

/* Prints words from column `column` on, breaking lines at HELP_WIDTH behind `indent` spaces. */
static void print_words(FILE *out, const char *text, size_t bytes, int indent, int column)
{
    bool first = true;
    for (size_t i = 0; i < bytes;) {
        size_t word = 0;
        while (i + word < bytes && text[i + word] != ' ' && text[i + word] != '\n') {
            word++;
        }
        if (word > 0) {
            if (!first && column + 1 + (int)word > HELP_WIDTH) {
                fprintf(out, "\n%*s", indent, "");
                column = indent;
            } else if (!first) {
                fputc(' ', out);
                column++;
            }
            fwrite(text + i, 1, word, out);
            column += (int)word;
            first = false;
        }
        i += word + (i + word < bytes);
    }
    fputc('\n', out);
}

void cli_print_wrapped(FILE *out, const char *text, int indent)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t bytes = end != NULL ? (size_t)(end - text) : strlen(text);
        fprintf(out, "%*s", indent, "");
        print_words(out, text, bytes, indent, indent);
        text += bytes;
        if (end != NULL) {
            fputc('\n', out);
            text += 2;
        }
    }
}

static void print_lines(FILE *out, const char *prefix, const char *text)
{
    while (*text != '\0') {
        size_t bytes = strcspn(text, "\n");
        fprintf(out, "  %s%.*s\n", prefix, (int)bytes, text);
        text += bytes + (text[bytes] == '\n');
    }
}

static void print_heading(FILE *out, const char *heading, bool colours)
{
    fprintf(out, colours ? "\n\033[1m%s\033[0m\n" : "\n%s\n", heading);
}

static void print_option(FILE *out, const char *name, char letter, const char *value,
                         const char *help)
{
    char left[120];
    const char *space = value[0] != '\0' ? " " : "";
    bool one_letter = name[1] == '\0';
    int bytes = 0;
    if (one_letter) {
        bytes = snprintf(left, sizeof left, "-%c%s%s", letter, space, value);
    } else if (letter != 0) {
        bytes = snprintf(left, sizeof left, "-%c, --%s%s%s", letter, name, space, value);
    } else {
        bytes = snprintf(left, sizeof left, "--%s%s%s", name, space, value);
    }
    if (bytes > HELP_WIDTH - 2) { /* many choices: two lines */
        int first = HELP_WIDTH - 2;
        while (first > 1 && left[first - 1] != '|')
            first--;
        fprintf(out, "  %.*s\n      %s\n%*s", first, left, left + first, HELP_COLUMN, "");
    } else if (bytes + 4 > HELP_COLUMN) {
        fprintf(out, "  %s\n%*s", left, HELP_COLUMN, "");
    } else {
        fprintf(out, "  %-*s", HELP_COLUMN - 2, left);
    }
    print_words(out, help, strlen(help), HELP_COLUMN, HELP_COLUMN);
}

void cli_print_help(const cli_command *command, FILE *out, bool colours)
{
    fprintf(out, colours ? "\033[1mveer %s\033[0m: %s\n" : "veer %s: %s\n", command->name,
            command->summary);
    print_heading(out, "Usage", colours);
    char prefix[64];
    (void)snprintf(prefix, sizeof prefix, "veer %s ", command->name);
    print_lines(out, prefix, command->usage);
    fputc('\n', out);
    cli_print_wrapped(out, command->description, 0);
    print_heading(out, "Options", colours);
    for (size_t i = 0; i < command->options_count; i++) {
        const cli_option *option = &command->options[i];
        char name[80];
        bool is_maybe = option->kind == CLI_MAYBE;
        (void)snprintf(name, sizeof name, is_maybe ? "%s[=%s]" : "%s", option->name, option->value);
        print_option(out, name, option->letter,
                     option->kind == CLI_FLAG || is_maybe ? "" : option->value, option->help);
    }
    print_option(out, "help", 'h', "", "print this text");
    if (command->examples != NULL) {
        print_heading(out, "Examples", colours);
        print_lines(out, "", command->examples);
    }
    print_heading(out, "Exit status", colours);
    fputs("  0 done; 1 failed (the reason is on standard error, its code in [brackets]);\n"
          "  2 the command line is wrong; 130 interrupted.\n",
          out);
}
