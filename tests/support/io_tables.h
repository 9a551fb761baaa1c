/* I/O tables for tests that must hold over all of them: in memory, in a directory of their own,
 * behind io_fault, with and without map, with calls that wait. */
#ifndef VEER_TESTS_SUPPORT_IO_TABLES_H
#define VEER_TESTS_SUPPORT_IO_TABLES_H

#include "platform/io_fault.h"

typedef enum io_table_kind {
    TABLE_MEMORY,
    TABLE_MEMORY_UNMAPPED,
    TABLE_POSIX,
    TABLE_FAULT_MEMORY,
    TABLE_FAULT_POSIX,
    TABLE_FAULT_WAITING, /* over memory without map; open, read, write and remove may wait */
    TABLE_KINDS
} io_table_kind;

typedef struct io_table {
    io_table_kind kind;
    const veer_io *io;
    veer_io base;
    io_fault *fault; /* or NULL */
    char directory[64];
} io_table;

/* Ends the test where it fails. */
void io_table_make(io_table *table, io_table_kind kind);
/* Frees it and removes its directory. */
void io_table_end(io_table *table);
const char *io_table_name(io_table_kind kind);

/* A table that fails over a new one in memory, which the caller frees after it. */
io_fault *test_fault_new(veer_io *base);
/* Calls that must succeed. */
void *test_open(const veer_io *io, const char *name, unsigned flags);
void test_write_text(const veer_io *io, void *file, uint64_t offset, const char *text);

/* A new empty directory under $TMPDIR or /tmp; removed with all that is in it (one level). */
void test_directory_make(char path[64]);
void test_directory_remove(const char *path);

#endif
