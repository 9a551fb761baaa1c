/* cli_importer.h: turning files into batches: documents as JSON lines, vectors beside them.
 *
 * An importer reads one file of documents (JSON lines, CSV) or of vectors, or both row by row,
 * and fills one batch at a time, ready for veer_write. Vectors are not copied: the batch points
 * into the reader's block. Whatever can be said better here than in the engine is checked here,
 * with the file's name and the row: syntax, ids, dimensions, types of CSV cells.
 */
#ifndef VEER_CLI_IMPORTER_H
#define VEER_CLI_IMPORTER_H

#include "cli_database.h"
#include "readers.h"

typedef enum import_format {
    IMPORT_JSONL,
    IMPORT_CSV,
    IMPORT_VECTORS, /* ids are row numbers */
} import_format;

typedef struct import_column {
    const cli_field *field; /* NULL: not in the schema, imported as text */
    bool is_id;
} import_column;

typedef struct cli_importer {
    import_format format;
    const char *path;
    const cli_database *database;
    const char *id_field; /* key or column with the id */
    bool row_ids;         /* the row number is the id */
    uint64_t batch_rows;  /* most rows of a batch */
    uint64_t rows_left;   /* of --limit */
    bool limited;

    bool has_vectors; /* `vectors` is open */
    vector_reader vectors;
    const cli_field *vector_field;
    jsonl_reader lines;
    csv_reader cells;
    import_column *columns;

    /* The present batch. */
    cli_text documents;
    size_t count;
    vector_block block; /* rows == count where has_vectors */
    uint64_t first;     /* first and last row (vectors, CSV) or line (JSON lines) */
    uint64_t last;
    uint64_t rows; /* of all batches so far, this one included */
    bool ended;
} cli_importer;

enum {
    IMPORT_BATCH_BYTES = 4 << 20, /* documents of a batch; vectors have a block of their own */
};

/* Opens the files; dimensions are known then, the schema is not needed yet. `vectors` may be
 * NULL. The options (id_field, ...) are set by the caller before or after. */
veer_status importer_open(cli_importer *importer, const char *path, import_format format,
                          vector_format vectors_format, const char *vectors, veer_error *error);
/* Takes the schema: CSV columns get their types, dimensions are compared. */
veer_status importer_bind(cli_importer *importer, const cli_database *database,
                          const cli_field *vector_field, veer_error *error);
/* The next batch; count 0 at the end. */
veer_status importer_next(cli_importer *importer, veer_error *error);
/* Part that has been read, < 0 where that is not known. */
double importer_share(const cli_importer *importer);
void importer_close(cli_importer *importer);

/* One line of JSON or one record of CSV as a document at the end of `documents`. */
veer_status import_line(cli_importer *importer, const char *line, size_t bytes, veer_error *error);
veer_status import_record(cli_importer *importer, const csv_cell *cells, veer_error *error);

#endif
