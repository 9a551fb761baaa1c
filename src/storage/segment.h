/* Segment files: a header, then sections of checksummed blocks. Both a segment's base and its
 * derived streams have this form.
 *
 * Every section is cut into blocks (16 KiB; 4 KiB for originals) with a CRC-32C each; the table
 * of a section's checksums is covered by the header, the header by itself and by the catalogue.
 * Opening reads the header only. A block is verified when it is touched first (and remembered in
 * a bitmap), all blocks by segment_verify.
 */
#ifndef VEER_STORAGE_SEGMENT_H
#define VEER_STORAGE_SEGMENT_H

#include "storage/store.h"

#define SEGMENT_BLOCK_BYTES 16384u
#define SEGMENT_ORIGINALS_BLOCK_BYTES 4096u
#define SEGMENT_SECTIONS_MAX 1024u

/* ---- writing: one section after the other, then the header */

typedef struct segment_writer segment_writer;

/* Creates the stream `name`; VEER_PENDING until the table has it. */
veer_status segment_writer_new(store *store, const char *name, uint32_t stream_kind,
                               segment_writer **writer, veer_error *error);
/* Writes into a table and stream that need not be the store's own (backup). */
veer_status segment_writer_new_on(const veer_allocator *allocator, const veer_io *io,
                                  const char *name, uint32_t stream_kind, segment_writer **writer,
                                  veer_error *error);
/* Sections are told apart by (kind, field); both are the engine's. Data begins at a multiple of
 * 4096. */
veer_status segment_writer_begin(segment_writer *writer, uint16_t kind, uint32_t field,
                                 uint32_t block_bytes, veer_error *error);
veer_status segment_writer_put(segment_writer *writer, const void *data, size_t bytes,
                               veer_error *error);
veer_status segment_writer_end(segment_writer *writer, veer_error *error);
/* Writes the header (with `info`: up to 1024 bytes of the engine's, e.g. row count), syncs,
 * closes, frees. On any failure the writer stays, fit for segment_writer_abort only (VEER_PENDING
 * is none: the same call goes on). */
veer_status segment_writer_finish(segment_writer *writer, const void *info, size_t info_bytes,
                                  store_stream *stream, veer_error *error);
/* Closes and removes the unfinished stream. NULL is fine. */
void segment_writer_abort(segment_writer *writer);

/* ---- reading: any number of threads */

typedef struct segment segment;

typedef struct segment_section {
    uint32_t index; /* for the calls below */
    uint16_t kind;
    uint32_t field;
    uint64_t bytes;
    uint32_t block_bytes;
} segment_section;

veer_status segment_open(store *store, const store_stream *stream, segment **out,
                         veer_error *error);
void segment_close(segment *segment);
void segment_info(const segment *segment, const void **info, size_t *bytes);
bool segment_find(const segment *segment, uint16_t kind, uint32_t field, segment_section *section);
size_t segment_sections(const segment *segment);
segment_section segment_section_at(const segment *segment, size_t index);

/* `bytes` at `offset` of a section, verified: in place where the stream is mapped, else a copy
 * in the arena by way of the block cache, or in the section's room. Ranges of several waiting reads can be asked for one
 * after the other: each VEER_PENDING has told the table what is wanted. */
veer_status segment_read(segment *segment, uint32_t section, uint64_t offset, size_t bytes,
                         arena *scratch, const void **data, veer_error *error);
/* The whole section, verified, 64-byte aligned: mapped, or held in memory until the segment is
 * closed. The first caller pays; later ones get it at once. */
veer_status segment_load(segment *segment, uint32_t section, const void **data, veer_error *error);
bool segment_is_mapped(const segment *segment);
/* Where a place of a section is mapped, or NULL. Not verified: to be fetched ahead, not to be
 * believed. */
const void *segment_peek(const segment *segment, uint32_t section, uint64_t offset);
/* Verifies every block; `problem` gets each damaged place. */
veer_status segment_verify(segment *segment, void (*problem)(void *context, const char *text),
                           void *context, veer_error *error);
size_t segment_memory(const segment *segment);
uint64_t segment_mapped(const segment *segment);

/* ---- byte strings in compressed blocks: documents and ids */

/* A section of this form holds n byte strings in zstd blocks of about 16 KiB, and where each
 * begins. */
typedef struct blob_writer blob_writer;
veer_status blob_writer_new(segment_writer *writer, uint16_t kind, uint32_t field, bool compress,
                            blob_writer **out, veer_error *error);
veer_status blob_writer_put(blob_writer *writer, const void *data, size_t bytes, veer_error *error);
/* Frees it, whatever the status, but for VEER_PENDING: then the same call goes on. */
veer_status blob_writer_end(blob_writer *writer, veer_error *error);
void blob_writer_abort(blob_writer *writer);

typedef struct blobs blobs; /* reader; threads: any */
veer_status blobs_open(segment *segment, uint16_t kind, uint32_t field, blobs **out,
                       veer_error *error);
void blobs_close(blobs *blobs);
uint64_t blobs_count(const blobs *blobs);
/* String i, in the arena or in place. Neighbours of the last string read with the same `cursor`
 * (zeroed at first; one a thread; NULL: none) come from the block that is decompressed already; it
 * lies in the arena, so whoever resets the arena calls blob_cursor_reset. Strings that are likely to
 * be wanted again are read with `keeps` (or without a cursor): their blocks stay in the store's cache,
 * decompressed. Who walks through all strings would only sweep it. */
typedef struct blob_cursor {
    bool keeps;
    const blobs *owner; /* NULL: no block yet */
    uint64_t block;
    const uint8_t *data;
} blob_cursor;
static inline void blob_cursor_reset(blob_cursor *cursor)
{
    cursor->owner = NULL;
}
veer_status blobs_get(blobs *blobs, uint64_t i, blob_cursor *cursor, arena *scratch,
                      const void **data, size_t *bytes, veer_error *error);

#endif
