/* readers.h: what the command line reads: fvecs, bvecs, ivecs, npy, JSON lines and CSV.
 *
 * All readers stream: they hold one block or one record, never the file. Every length in a file
 * is checked against its limit and against the bytes that are there before it is used, so that a
 * hostile file is an error that names the file, the row (or line) and the byte offset, and cannot
 * make a reader take more memory than its block or record limit. They report as veer.h does:
 *
 *     VEER_E_INVALID    the file is not well-formed           VEER_E_DIMENSION  rows disagree
 *     VEER_E_SYNTAX     a line is not JSON or CSV             VEER_E_LIMIT      over a limit
 *     VEER_E_IO, _NOTFOUND, _PERMISSION                       the file cannot be read
 *
 * A reader that has failed is only good for closing. Rows and lines are counted from 0 for
 * vectors (the row number is the id) and from 1 for lines of text, as editors count.
 *
 * Threads: one at a time each.
 */
#ifndef VEER_CLI_READERS_H
#define VEER_CLI_READERS_H

#include "cli_text.h"
#include "veer.h"

/* ---- source: a file, standard input, or memory */

typedef struct byte_source {
    const char *name; /* for messages; the caller's, must outlive the source */
    int file;         /* -1: memory */
    const uint8_t *memory;
    uint64_t size;   /* 0: unknown (a pipe) */
    uint64_t offset; /* bytes read so far */
    /* Asked when a signal interrupts a read: true ends it with VEER_E_ABORTED. NULL: read on. */
    bool (*stop)(void);
} byte_source;

/* `path` "-" is standard input. */
veer_status source_open(byte_source *source, const char *path, veer_error *error);
void source_memory(byte_source *source, const char *name, const void *data, size_t bytes);
/* Reads `bytes`, fewer only at the end. */
veer_status source_read(byte_source *source, void *buffer, size_t bytes, size_t *got,
                        veer_error *error);
/* Reads what there is, at least one byte, at most `bytes`; none only at the end. */
veer_status source_read_some(byte_source *source, void *buffer, size_t bytes, size_t *got,
                             veer_error *error);
/* Part that has been read, 0 to 1; < 0 where the size is unknown. */
double source_share(const byte_source *source);
void source_close(byte_source *source);
/* The whole of a source that may have at most `limit` bytes. */
veer_status source_read_all(const char *path, size_t limit, cli_text *text, veer_error *error);

/* ---- vectors */

typedef enum vector_format {
    VECTORS_FVECS, /* a row: int32 dims, dims * float32 */
    VECTORS_BVECS, /* a row: int32 dims, dims * uint8; read as float32 */
    VECTORS_IVECS, /* a row: int32 dims, dims * int32; left as they are */
    VECTORS_NPY,   /* numpy array, two-dimensional */
} vector_format;

/* The format by the end of the name; false where it says nothing. */
bool vectors_format_of(const char *path, vector_format *format);

typedef struct vector_block {
    const float *data; /* row i at (const char *)data + i * stride_bytes */
    size_t stride_bytes;
    size_t rows;
    uint64_t first_row;
} vector_block;

typedef enum npy_type { NPY_F2, NPY_F4, NPY_F8, NPY_U1, NPY_I1 } npy_type;

typedef struct vector_reader {
    byte_source source;
    vector_format format;
    npy_type type;
    uint32_t dims;
    size_t row_bytes;    /* in the file */
    uint64_t row;        /* next row */
    uint64_t rows_known; /* npy: from its header; else UINT64_MAX */
    uint8_t carried[4];  /* first row's dims, read by opening */
    bool is_carried;
    uint8_t *buffer; /* rows as they are in the file */
    size_t buffer_rows;
    float *floats; /* rows of the other types, converted */
} vector_reader;

enum {
    VECTORS_BLOCK_BYTES = 4 << 20, /* most that a block takes: a good size for one write */
};

/* Reads as far as the dimensions. `path` NULL: the source has been opened by the caller. */
veer_status vectors_open(vector_reader *reader, const char *path, vector_format format,
                         veer_error *error);
/* The next rows, at most `rows_max` and about VECTORS_BLOCK_BYTES; 0 rows at the end. Valid until
 * the next call. */
veer_status vectors_next(vector_reader *reader, size_t rows_max, vector_block *block,
                         veer_error *error);
void vectors_close(vector_reader *reader);
/* All rows in one piece (rows * dims values of 4 bytes), at most `rows_max`; freed by free(). */
veer_status vectors_read_all(const char *path, vector_format format, uint64_t rows_max,
                             float **data, uint64_t *rows, uint32_t *dims, veer_error *error);

/* Parts of it, by format (read_fvecs.c, read_npy.c); only read_vectors.c calls them. */
veer_status fvecs_begin(vector_reader *reader, veer_error *error);
veer_status fvecs_next(vector_reader *reader, size_t rows, vector_block *block, veer_error *error);
veer_status npy_begin(vector_reader *reader, veer_error *error);
veer_status npy_next(vector_reader *reader, size_t rows, vector_block *block, veer_error *error);
/* Little-endian bytes to the host's order, in place; nothing to do on most hosts. */
void vectors_from_little(void *values, size_t count);

/* ---- lines of JSON */

typedef struct jsonl_reader {
    byte_source source;
    char *buffer;
    size_t capacity;
    size_t start; /* of what has not been handed out */
    size_t end;
    bool ended;    /* the source is */
    uint64_t line; /* of the record handed out last, from 1 */
    uint64_t line_offset;
    uint64_t next_offset;
} jsonl_reader;

enum { LINE_BYTES_MAX = 32 << 20 }; /* twice VEER_DOCUMENT_BYTES_MAX: vectors as text included */

veer_status jsonl_open(jsonl_reader *reader, const char *path, veer_error *error);
/* The next line that is not blank, without its end (a line feed, or CR LF); NULL at the end. The
 * byte behind it is a line feed or 0. Valid until the next call. */
veer_status jsonl_next(jsonl_reader *reader, const char **line, size_t *bytes, veer_error *error);
void jsonl_close(jsonl_reader *reader);

/* ---- CSV */

typedef struct csv_cell {
    size_t start; /* in `record` */
    size_t bytes;
    bool quoted; /* an empty quoted cell is a text, an empty plain one is nothing */
} csv_cell;

typedef struct csv_reader {
    byte_source source;
    char *buffer;
    size_t start;
    size_t end;
    bool ended;
    uint64_t offset; /* of buffer[start] in the source */
    uint64_t line;   /* of buffer[start] */
    uint64_t row;    /* records after the header, from 1 */
    uint64_t record_line;
    uint64_t record_offset;
    cli_text header; /* the header's cells */
    csv_cell *header_cells;
    size_t columns;
    cli_text record; /* decoded cells of the present record, each ending in 0 */
    csv_cell *cells;
    size_t cells_count;
    size_t cells_capacity;
} csv_reader;

enum { CSV_COLUMNS_MAX = 4096 }; /* arbitrary: no sheet has more, and no cell array grows beyond */

/* Reads the header line too. */
veer_status csv_open(csv_reader *reader, const char *path, veer_error *error);
const char *csv_heading(const csv_reader *reader, size_t column);
/* The next record; *cells NULL at the end. It has reader->columns cells. */
veer_status csv_next(csv_reader *reader, const csv_cell **cells, veer_error *error);
void csv_close(csv_reader *reader);

#endif
