/* See io_tables.h. */
#define _GNU_SOURCE

#include "support/io_tables.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "support/testing.h"

void test_directory_make(char path[64])
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == 0 || strlen(parent) > 40) parent = "/tmp";
    (void)snprintf(path, 64, "%s/veer-test-XXXXXX", parent);
    assert_non_null(mkdtemp(path));
}

void test_directory_remove(const char *path)
{
    DIR *entries = opendir(path);
    if (entries == NULL) return;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
            (void)unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
        }
    }
    (void)closedir(entries);
    (void)rmdir(path);
}

const char *io_table_name(io_table_kind kind)
{
    static const char *const names[TABLE_KINDS] = {
        "memory",           "memory without map", "posix", "fault over memory",
        "fault over posix", "fault that waits"};
    return names[kind];
}

void io_table_make(io_table *table, io_table_kind kind)
{
    veer_error error;
    memset(table, 0, sizeof *table);
    table->kind = kind;
    if (kind == TABLE_POSIX || kind == TABLE_FAULT_POSIX) {
        test_directory_make(table->directory);
        assert_int_equal(
            io_posix_new(memory_default(), table->directory, true, &table->base, &error), VEER_OK);
    } else {
        assert_int_equal(io_memory_new(memory_default(), &table->base, &error), VEER_OK);
        if (kind == TABLE_MEMORY_UNMAPPED || kind == TABLE_FAULT_WAITING) {
            io_memory_set_mapping(&table->base, false);
        }
    }
    table->io = &table->base;
    if (kind >= TABLE_FAULT_MEMORY) {
        assert_int_equal(io_fault_new(memory_default(), &table->base, &table->fault, &error),
                         VEER_OK);
        table->io = io_fault_table(table->fault);
    }
    if (kind == TABLE_FAULT_WAITING) {
        io_fault_wait(table->fault, IO_WAIT_RANDOM, IO_CALLS_ALL, 1);
    }
}

void io_table_end(io_table *table)
{
    if (table->fault != NULL) {
        assert_int_equal(io_fault_open_files(table->fault), 0);
        assert_int_equal(io_fault_maps(table->fault), 0);
        io_fault_free(table->fault);
    }
    if (table->directory[0] != 0) {
        io_posix_free(&table->base);
        test_directory_remove(table->directory);
    } else {
        io_memory_free(&table->base);
    }
    memset(table, 0, sizeof *table);
}

io_fault *test_fault_new(veer_io *base)
{
    io_fault *fault;
    veer_error error;
    assert_int_equal(io_memory_new(memory_default(), base, &error), VEER_OK);
    assert_int_equal(io_fault_new(memory_default(), base, &fault, &error), VEER_OK);
    return fault;
}

void *test_open(const veer_io *io, const char *name, unsigned flags)
{
    void *file;
    veer_error error;
    assert_int_equal(io->open(io->context, name, flags, &file, &error), VEER_OK);
    return file;
}

void test_write_text(const veer_io *io, void *file, uint64_t offset, const char *text)
{
    veer_error error;
    assert_int_equal(io->write(io->context, file, offset, text, strlen(text), &error), VEER_OK);
}
