/* The packed form: one file that holds the streams of a database behind a header and a table. It
 * is what backup writes, opens read-only in place, and is the same byte for byte from native and
 * WebAssembly. */
#ifndef VEER_STORAGE_PACKED_H
#define VEER_STORAGE_PACKED_H

#include "storage/store.h"

/* Writing. The file gets a superblock, a catalogue with `payload`, copies of attached streams
 * and one log with the records that the segments do not cover. In this order: all copies, all
 * appends, finish. On any failure the writer stays, fit for packed_writer_abort only, which removes
 * the file (VEER_PENDING is none: the same call goes on). */
typedef struct packed_writer packed_writer;
veer_status packed_writer_new(const veer_allocator *allocator, const veer_io *io, const char *name,
                              const uint8_t database_id[16], packed_writer **out,
                              veer_error *error);
/* Copies a stream of the store, verifying its blocks. */
veer_status packed_writer_copy(packed_writer *writer, store *from, const store_stream *stream,
                               veer_progress progress, void *context, veer_error *error);
/* One transaction for the log of the copy. LSNs count on from `checkpoint_lsn` of finish. */
veer_status packed_writer_append(packed_writer *writer, const store_append_record *records,
                                 size_t n, veer_error *error);
/* Writes catalogue, superblocks, table and header, syncs, closes, frees. */
veer_status packed_writer_finish(packed_writer *writer, const void *payload, size_t bytes,
                                 uint64_t checkpoint_lsn, veer_error *error);
void packed_writer_abort(packed_writer *writer);

/* Reading: a read-only table of the streams inside. `parent` must outlive it. VEER_E_FORMAT
 * where the file is no packed database. Free with packed_io_free. */
veer_status packed_io_new(const veer_allocator *allocator, const veer_io *parent, const char *name,
                          veer_io *io, veer_error *error);
void packed_io_free(veer_io *io);
/* Reports padding of the file of `io` (of packed_io_new) that is not zero, which no reader looks
 * at: a sentence for each place. */
veer_status packed_io_check(const veer_io *io,
                            void (*problem)(void *context, const char *stream, const char *text),
                            void *context, veer_error *error);

#endif
