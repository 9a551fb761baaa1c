/* cli_database.h: opening what a command works on, and what the command line knows of its schema.
 *
 * Opening explains itself: a missing database says how to make one, a name of a collection that
 * is not there lists those that are. Where --collection is not given and there is one collection,
 * that is it.
 */
#ifndef VEER_CLI_DATABASE_H
#define VEER_CLI_DATABASE_H

#include "cli.h"
#include "cli_json.h"
#include "cli_text.h"

#define CLI_DEFAULT_COLLECTION "documents"
#define CLI_DEFAULT_FIELD "vector"

typedef enum cli_type {
    TYPE_OTHER,
    TYPE_VECTOR,
    TYPE_TEXT,
    TYPE_KEYWORD,
    TYPE_NUMBER,
    TYPE_BOOL,
    TYPE_TIME,
} cli_type;

typedef struct cli_field {
    char name[VEER_NAME_BYTES_MAX + 1];
    cli_type type;
    uint32_t dims; /* vector */
} cli_field;

typedef struct cli_database {
    veer_database *database;
    veer_collection *collection;
    char name[VEER_NAME_BYTES_MAX + 1]; /* of the collection */
    cli_field *fields;
    size_t fields_count;
} cli_database;

typedef enum cli_mode {
    CLI_READ,   /* readonly, must exist */
    CLI_WRITE,  /* readwrite, must exist */
    CLI_CREATE, /* readwrite, made where it does not exist */
} cli_mode;

/* Opens the database only. Reports a failure and returns its exit code, else CLI_OK. */
int cli_open(const cli_context *cli, const char *path, cli_mode mode, cli_database *out);
/* Whether there is no database at all, so that CLI_CREATE would make one. */
bool cli_is_missing(const char *path);
/* Makes the collection in memory only and forgets it: what would be refused is reported before a
 * database is made for it. */
int cli_try_collection(const cli_context *cli, const char *name, const char *schema);
/* Opens the collection as well (`name` NULL: the only one) and reads its schema. */
int cli_open_collection(const cli_context *cli, const char *path, cli_mode mode, const char *name,
                        cli_database *out);
/* The second half of it, for a database that is open. `schema` makes a collection that is not
 * there; NULL: it must be. */
int cli_use_collection(const cli_context *cli, const char *path, const char *name,
                       const char *schema, cli_database *out);
/* Without a word where it fails: is there a collection `name`; how many are there. */
bool cli_collection_exists(const cli_database *database, const char *name);
size_t cli_collections_count(const cli_database *database);
/* Closes everything that is open; a failure to sync turns `code` CLI_OK into CLI_FAILED. */
int cli_close(const cli_context *cli, cli_database *database, int code);

/* The vector field `name`, or the only one where it is NULL. Reports why there is none and returns
 * the exit code. */
int cli_vector_field(const cli_context *cli, const cli_database *database, const char *name,
                     const cli_field **out);
const cli_field *cli_find_field(const cli_database *database, const char *name, size_t bytes);

/* {"fields": {FIELD: {"type": "vector", "dims": N, "metric": METRIC, "storage": STORAGE}}}; without
 * the last where it is NULL. */
void cli_simple_schema(cli_text *json, const char *field, uint32_t dims, const char *metric,
                       const char *storage);
/* A filter option as veer_count and veer_write want it, in JSON: an object as it is, anything
 * else as a JSON string. Reports an object that is not JSON. */
bool cli_filter_json(const cli_context *cli, const char *filter, cli_text *json);
/* A --select option as JSON: true, false, *, or a list of keys separated by commas. */
void cli_select_json(const char *select, cli_text *json);
/* A --params option: must be a JSON array. */
bool cli_check_params(const cli_context *cli, const char *params);
/* Ids as a JSON array, from the arguments; "-" among them reads one a line from standard input. */
veer_status cli_ids_json(char **ids, int count, cli_text *json, size_t *ids_count,
                         veer_error *error);

#endif
