/* cli_importer.c: batches (cli_importer.h has the contract).
 *
 *     documents  {"id":"0"}\n{"id":"1"}\n ...        text, composed or copied line by line
 *     block      row 0 | row 1 | ...                 where the vector reader has them
 *
 * Row i of the block belongs to document i of the batch. A batch ends with --batch rows, when
 * its documents reach IMPORT_BATCH_BYTES, or with the block of the vectors beside them, whichever
 * comes first; so a batch stays far below what one transaction may hold.
 */
#include "cli_importer.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

veer_status importer_open(cli_importer *importer, const char *path, import_format format,
                          vector_format vectors_format, const char *vectors, veer_error *error)
{
    const char *vectors_path = format == IMPORT_VECTORS ? path : vectors;
    veer_status status = VEER_OK;
    importer->path = path;
    importer->format = format;
    if (format == IMPORT_JSONL) {
        status = jsonl_open(&importer->lines, path, error);
        importer->lines.source.stop = cli_interrupted;
    } else if (format == IMPORT_CSV) {
        status = csv_open(&importer->cells, path, error);
        importer->cells.source.stop = cli_interrupted;
    }
    if (status == VEER_OK && vectors_path != NULL) {
        importer->has_vectors = true;
        status = vectors_open(&importer->vectors, vectors_path, vectors_format, error);
        importer->vectors.source.stop = cli_interrupted;
    }
    return status;
}

static veer_status bind_columns(cli_importer *importer, veer_error *error)
{
    bool has_id = importer->row_ids;
    csv_reader *cells = &importer->cells;
    importer->columns = calloc(cells->columns, sizeof *importer->columns);
    if (importer->columns == NULL) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for the columns of %s",
                         cells->source.name);
    }
    for (size_t i = 0; i < cells->columns; i++) {
        const char *heading = csv_heading(cells, i);
        import_column *column = &importer->columns[i];
        column->is_id = !importer->row_ids && strcmp(heading, importer->id_field) == 0;
        column->field = cli_find_field(importer->database, heading, strlen(heading));
        has_id = has_id || column->is_id;
    }
    if (!has_id) {
        return cli_error(error, VEER_E_ID,
                         "%s: the header has no column \"%s\"; name the one with the ids by "
                         "--id-field, or take row numbers with --row-ids",
                         cells->source.name, importer->id_field);
    }
    return VEER_OK;
}

veer_status importer_bind(cli_importer *importer, const cli_database *database,
                          const cli_field *vector_field, veer_error *error)
{
    importer->database = database;
    importer->vector_field = vector_field;
    if (importer->has_vectors && importer->vectors.dims != vector_field->dims) {
        return cli_error(error, VEER_E_DIMENSION,
                         "%s: row 0 has %u dimensions, field \"%s\" has %u",
                         importer->vectors.source.name, importer->vectors.dims, vector_field->name,
                         vector_field->dims);
    }
    return importer->format == IMPORT_CSV ? bind_columns(importer, error) : VEER_OK;
}

/* {"id":"ROW"} for each row of the block. */
static void compose_row_ids(cli_importer *importer)
{
    cli_text *documents = &importer->documents;
    for (size_t i = 0; i < importer->block.rows; i++) {
        cli_text_append(documents, "{\"id\":\"", 7);
        cli_text_number(documents, importer->block.first_row + i);
        cli_text_append(documents, "\"}\n", 3);
    }
    importer->count = importer->block.rows;
    importer->first = importer->block.first_row;
    importer->last = importer->block.first_row + importer->count - 1;
}

/* One more line or record; false at the end or after an error. */
static bool take_document(cli_importer *importer, veer_status *status, veer_error *error)
{
    uint64_t number = 0;
    if (importer->format == IMPORT_JSONL) {
        const char *line = NULL;
        size_t bytes = 0;
        *status = jsonl_next(&importer->lines, &line, &bytes, error);
        if (*status != VEER_OK || line == NULL) {
            return false;
        }
        number = importer->lines.line;
        *status = import_line(importer, line, bytes, error);
    } else {
        const csv_cell *cells = NULL;
        *status = csv_next(&importer->cells, &cells, error);
        if (*status != VEER_OK || cells == NULL) {
            return false;
        }
        number = importer->cells.row;
        *status = import_record(importer, cells, error);
    }
    if (*status != VEER_OK) {
        return false;
    }
    importer->first = importer->count == 0 ? number : importer->first;
    importer->last = number;
    importer->count++;
    importer->rows++;
    return true;
}

static veer_status take_documents(cli_importer *importer, uint64_t rows_max, veer_error *error)
{
    veer_status status = VEER_OK;
    while (importer->count < rows_max && importer->documents.bytes < IMPORT_BATCH_BYTES) {
        if (!take_document(importer, &status, error)) {
            importer->ended = true;
            break;
        }
    }
    /* A signal while waiting for input: what is complete goes in. */
    if (status == VEER_E_ABORTED && importer->count > 0) {
        status = VEER_OK;
    }
    return status;
}

/* The vectors of the documents of this batch; at the end, there must be none left. */
static veer_status take_vectors(cli_importer *importer, veer_error *error)
{
    const char *name = importer->vectors.source.name;
    size_t rows = importer->count;
    if (rows == 0 && importer->limited) {
        return VEER_OK;
    }
    veer_status status =
        vectors_next(&importer->vectors, rows > 0 ? rows : 1, &importer->block, error);
    if (status != VEER_OK) {
        return status;
    }
    if (importer->block.rows < rows) {
        return cli_error(error, VEER_E_INVALID, "%s has %llu rows, %s has more", name,
                         (unsigned long long)importer->vectors.row, importer->path);
    }
    if (rows == 0 && importer->block.rows > 0) {
        return cli_error(error, VEER_E_INVALID,
                         "%s has more rows than the %llu of %s; all documents are in", name,
                         (unsigned long long)importer->rows, importer->path);
    }
    return VEER_OK;
}

veer_status importer_next(cli_importer *importer, veer_error *error)
{
    uint64_t rows_max = importer->batch_rows;
    veer_status status = VEER_OK;
    cli_text_clear(&importer->documents);
    importer->count = 0;
    if (importer->limited && importer->rows_left < rows_max) {
        rows_max = importer->rows_left;
    }
    if (importer->ended && importer->format != IMPORT_VECTORS && !importer->has_vectors) {
        return VEER_OK;
    }
    if (importer->format == IMPORT_VECTORS) {
        size_t rows = rows_max < SIZE_MAX ? (size_t)rows_max : SIZE_MAX;
        status = vectors_next(&importer->vectors, rows, &importer->block, error);
        if (status == VEER_OK) {
            compose_row_ids(importer);
            importer->rows += importer->count;
        }
    } else {
        if (importer->has_vectors && importer->vectors.buffer_rows < rows_max) {
            rows_max = importer->vectors.buffer_rows;
        }
        if (!importer->ended) {
            status = take_documents(importer, rows_max, error);
        }
        if (status == VEER_OK && importer->has_vectors) {
            status = take_vectors(importer, error);
        }
    }
    if (status == VEER_OK && importer->documents.failed) {
        status = cli_error(error, VEER_E_NOMEM, "out of memory for a batch of %s", importer->path);
    }
    if (importer->limited) {
        importer->rows_left -= importer->count;
    }
    return status;
}

double importer_share(const cli_importer *importer)
{
    if (importer->limited) {
        uint64_t total = importer->rows + importer->rows_left;
        return total == 0 ? 1 : (double)importer->rows / (double)total;
    }
    switch (importer->format) {
    case IMPORT_JSONL:
        return source_share(&importer->lines.source);
    case IMPORT_CSV:
        return source_share(&importer->cells.source);
    case IMPORT_VECTORS:
        return source_share(&importer->vectors.source);
    }
    return -1;
}

void importer_close(cli_importer *importer)
{
    jsonl_close(&importer->lines);
    csv_close(&importer->cells);
    vectors_close(&importer->vectors);
    free(importer->columns);
    cli_text_free(&importer->documents);
}
