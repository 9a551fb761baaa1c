/* What veer.h says about an I/O table, over every table: random operations against a model of plain
 * arrays, then the rules that need a scene of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define NAMES 7
#define STREAMS 400
#define HANDLES 9
#define MAPS 6
#define SIZE_MOST 90000u

typedef struct model_stream {
    uint8_t *data; /* SIZE_MOST bytes; zero behind size */
    size_t size;
    int name; /* -1: removed */
    int handles;
    int maps;
    uint64_t version;
} model_stream;

typedef struct model_handle {
    void *file; /* NULL: free */
    model_stream *stream;
    bool writable;
} model_handle;

typedef struct model_map {
    const uint8_t *memory; /* NULL: free */
    model_handle *handle;
    size_t bytes;
    uint64_t version; /* of the stream when it was made */
} model_map;

typedef struct model {
    const veer_io *io;
    rng r;
    model_stream streams[STREAMS];
    size_t streams_count;
    model_handle handles[HANDLES];
    model_map maps[MAPS];
    uint8_t scratch[SIZE_MOST];
} model;

static const char *const names[NAMES] = {
    "meta",
    "wal.0",
    "seg.12",
    "a",
    "0",
    "x-y_z.1",
    "a234567890123456789012345678901234567890123456789012345678901234"};

/* Calls until it waits no more. Nothing changes while it waits, which the model's comparison would
 * show. */
#define SETTLE(status, call) \
    do {                     \
        (status) = (call);   \
    } while ((status) == VEER_PENDING)

static model_stream *find_named(model *m, int name)
{
    for (size_t i = 0; i < m->streams_count; i++) {
        if (m->streams[i].name == name) return &m->streams[i];
    }
    return NULL;
}

static void settle_stream(model_stream *s)
{
    if (s->name >= 0 || s->handles != 0) return;
    free(s->data);
    s->data = NULL;
}

static void do_open(model *m)
{
    model_handle *h = &m->handles[rng_below(&m->r, HANDLES)];
    int name = (int)rng_below(&m->r, NAMES);
    model_stream *s = find_named(m, name);
    unsigned flags = 0;
    veer_status status;
    veer_error error = {0};
    void *file = &file;
    if (h->file != NULL) return;
    switch (rng_below(&m->r, 3)) {
    case 0:
        flags = VEER_IO_READ;
        break;
    case 1:
        flags = VEER_IO_READ | VEER_IO_WRITE;
        break;
    default:
        flags = VEER_IO_WRITE | VEER_IO_CREATE;
        break;
    }
    if (s == NULL && m->streams_count == STREAMS) return;
    SETTLE(status, m->io->open(m->io->context, names[name], flags, &file, &error));
    if (flags & VEER_IO_CREATE ? s != NULL : s == NULL) {
        assert_int_equal(status, s == NULL ? VEER_E_NOTFOUND : VEER_E_EXISTS);
        assert_int_equal(error.status, status);
        assert_non_null(strstr(error.message, names[name]));
        assert_null(file);
        return;
    }
    assert_int_equal(status, VEER_OK);
    assert_non_null(file);
    if (s == NULL) {
        s = &m->streams[m->streams_count++];
        s->data = calloc(1, SIZE_MOST);
        assert_non_null(s->data);
        s->name = name;
    }
    h->file = file;
    h->stream = s;
    h->writable = (flags & VEER_IO_WRITE) != 0;
    s->handles++;
}

static void unmap(model *m, model_map *map)
{
    m->io->unmap(m->io->context, map->handle->file, map->memory, map->bytes);
    map->handle->stream->maps--;
    map->memory = NULL;
}

static void do_close(model *m, model_handle *h)
{
    if (h->file == NULL) return;
    for (size_t i = 0; i < MAPS; i++) {
        if (m->maps[i].memory != NULL && m->maps[i].handle == h) unmap(m, &m->maps[i]);
    }
    m->io->close(m->io->context, h->file);
    h->file = NULL;
    h->stream->handles--;
    settle_stream(h->stream);
}

static void do_write(model *m, model_handle *h)
{
    model_stream *s = h->stream;
    veer_error error = {0};
    veer_status status;
    size_t offset = (size_t)rng_below(&m->r, rng_below(&m->r, 4) ? s->size + 1 : SIZE_MOST);
    size_t bytes = (size_t)rng_below(&m->r, rng_below(&m->r, 5) ? 700 : 40000);
    if (offset + bytes > SIZE_MOST) bytes = SIZE_MOST - offset;
    for (size_t i = 0; i < bytes; i++)
        m->scratch[i] = (uint8_t)rng_next(&m->r);
    SETTLE(status, m->io->write(m->io->context, h->file, offset, m->scratch, bytes, &error));
    if (!h->writable && bytes != 0) {
        assert_int_equal(status, VEER_E_PERMISSION);
        return;
    }
    if (!h->writable) return;
    assert_int_equal(status, VEER_OK);
    memcpy(s->data + offset, m->scratch, bytes);
    if (bytes != 0 && offset + bytes > s->size) s->size = offset + bytes;
    s->version++;
}

static void check_range(model *m, model_handle *h, size_t offset, size_t bytes)
{
    veer_error error = {0};
    veer_status status;
    /* Memory of exactly that size, for the sanitizer. */
    uint8_t *buffer = malloc(bytes == 0 ? 1 : bytes);
    assert_non_null(buffer);
    SETTLE(status, m->io->read(m->io->context, h->file, offset, buffer, bytes, &error));
    if (offset + bytes > h->stream->size && bytes != 0) {
        assert_int_equal(status, VEER_E_CORRUPT);
        assert_int_equal(error.status, VEER_E_CORRUPT);
    } else if (bytes != 0) {
        assert_int_equal(status, VEER_OK);
        assert_memory_equal(buffer, h->stream->data + offset, bytes);
    }
    free(buffer);
}

static void check_size(model *m, model_handle *h)
{
    uint64_t size = 1;
    veer_error error;
    assert_int_equal(m->io->size(m->io->context, h->file, &size, &error), VEER_OK);
    assert_int_equal(size, h->stream->size);
}

static void do_truncate(model *m, model_handle *h)
{
    model_stream *s = h->stream;
    size_t size = (size_t)rng_below(&m->r, rng_below(&m->r, 2) ? s->size + 1 : SIZE_MOST);
    veer_error error;
    if (s->maps != 0 && size < s->size) return;
    veer_status status = m->io->truncate(m->io->context, h->file, size, &error);
    if (!h->writable) {
        assert_int_equal(status, VEER_E_PERMISSION);
        return;
    }
    assert_int_equal(status, VEER_OK);
    if (size < s->size) memset(s->data + size, 0, s->size - size);
    s->size = size;
    s->version++;
}

static void do_map(model *m, model_handle *h)
{
    model_map *map = &m->maps[rng_below(&m->r, MAPS)];
    veer_error error = {0};
    if (m->io->map == NULL) {
        assert_null(m->io->unmap);
        return;
    }
    if (map->memory != NULL) {
        unmap(m, map);
        return;
    }
    const void *memory = &error;
    size_t bytes = (size_t)rng_below(&m->r, h->stream->size + 2);
    veer_status status = m->io->map(m->io->context, h->file, bytes, &memory, &error);
    if (bytes > h->stream->size) {
        assert_int_equal(status, VEER_E_CORRUPT);
        assert_null(memory);
        return;
    }
    assert_int_equal(status, VEER_OK);
    assert_non_null(memory);
    if (bytes != 0) assert_memory_equal(memory, h->stream->data, bytes);
    *map = (model_map){memory, h, bytes, h->stream->version};
    h->stream->maps++;
}

static void do_remove(model *m)
{
    int name = (int)rng_below(&m->r, NAMES);
    model_stream *s = find_named(m, name);
    veer_error error = {0};
    veer_status status;
    SETTLE(status, m->io->remove(m->io->context, names[name], &error));
    assert_int_equal(status, s == NULL ? VEER_E_NOTFOUND : VEER_OK);
    if (s == NULL) {
        assert_non_null(strstr(error.message, names[name]));
        return;
    }
    s->name = -1;
    settle_stream(s);
}

typedef struct listing {
    int found[NAMES];
    int others;
} listing;

static void note_name(void *argument, const char *name)
{
    listing *l = argument;
    for (int i = 0; i < NAMES; i++) {
        if (strcmp(names[i], name) == 0) {
            l->found[i]++;
            return;
        }
    }
    l->others++;
}

static void check_list(model *m)
{
    listing l = {0};
    veer_error error;
    assert_int_equal(m->io->list(m->io->context, note_name, &l, &error), VEER_OK);
    assert_int_equal(l.others, 0);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(l.found[i], find_named(m, i) != NULL);
}

static void check_all(model *m)
{
    check_list(m);
    for (size_t i = 0; i < HANDLES; i++) {
        if (m->handles[i].file == NULL) continue;
        check_size(m, &m->handles[i]);
        check_range(m, &m->handles[i], 0, m->handles[i].stream->size);
    }
    /* A map stays what it was while nobody writes, also of a removed stream. */
    for (size_t i = 0; i < MAPS; i++) {
        const model_map *map = &m->maps[i];
        if (map->memory == NULL || map->version != map->handle->stream->version) continue;
        if (map->bytes != 0) {
            assert_memory_equal(map->memory, map->handle->stream->data, map->bytes);
        }
    }
}

static void random_operations(io_table_kind kind, uint64_t seed, int steps)
{
    io_table table;
    model *m = calloc(1, sizeof *m);
    veer_error error;
    assert_non_null(m);
    io_table_make(&table, kind);
    m->io = table.io;
    rng_init(&m->r, seed);
    for (int step = 0; step < steps; step++) {
        model_handle *h = &m->handles[rng_below(&m->r, HANDLES)];
        uint64_t what = rng_below(&m->r, 100);
        if (what < 20 || h->file == NULL) {
            do_open(m);
        } else if (what < 28) {
            do_close(m, h);
        } else if (what < 55) {
            do_write(m, h);
        } else if (what < 75) {
            check_range(m, h, (size_t)rng_below(&m->r, h->stream->size + 50),
                        (size_t)rng_below(&m->r, 2000));
        } else if (what < 80) {
            do_truncate(m, h);
        } else if (what < 88) {
            do_map(m, h);
        } else if (what < 92) {
            do_remove(m);
        } else if (what < 93) {
            assert_int_equal(m->io->sync(m->io->context, h->file, &error), VEER_OK);
        } else if (what < 94) {
            assert_int_equal(m->io->sync_names(m->io->context, &error), VEER_OK);
        } else if (what < 97) {
            check_all(m);
        }
    }
    check_all(m);
    for (size_t i = 0; i < HANDLES; i++)
        do_close(m, &m->handles[i]);
    for (size_t i = 0; i < m->streams_count; i++)
        free(m->streams[i].data);
    io_table_end(&table);
    free(m);
}

static void test_random_operations(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        bool is_slow = kind == TABLE_POSIX || kind == TABLE_FAULT_POSIX;
        for (uint64_t seed = 0; seed < (is_slow ? 3 : 12); seed++) {
            random_operations((io_table_kind)kind, seed * TABLE_KINDS + (uint64_t)kind, 1500);
        }
    }
}

/* ---- scenes */

static void *create(const veer_io *io, const char *name)
{
    veer_error error;
    veer_status status;
    void *file;
    SETTLE(status, io->open(io->context, name, VEER_IO_CREATE, &file, &error));
    assert_int_equal(status, VEER_OK);
    return file;
}

static void write_all(const veer_io *io, void *file, uint64_t offset, const void *data,
                      size_t bytes)
{
    veer_error error;
    veer_status status;
    SETTLE(status, io->write(io->context, file, offset, data, bytes, &error));
    assert_int_equal(status, VEER_OK);
}

static void test_names(void **state)
{
    static const char *const bad[] = {
        "",         ".",     "..",
        ".hidden",  "../x",  "a/b",
        "/a",       "A",     "Meta",
        "a b",      "a\n",   "a:b",
        "\xC3\xA4", "a\\b",  "*",
        "a,b",      "x\x7F", "a2345678901234567890123456789012345678901234567890123456789012345"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++)
        assert_false(io_name_valid(bad[i]));
    for (size_t i = 0; i < NAMES; i++)
        assert_true(io_name_valid(names[i]));
    assert_true(io_name_valid("-"));
    assert_true(io_name_valid("a."));
    assert_false(io_name_valid(NULL));
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        io_table_make(&table, (io_table_kind)kind);
        const veer_io *io = table.io;
        for (size_t i = 0; i < TEST_COUNT(bad); i++) {
            veer_error error;
            void *file = &error;
            assert_int_equal(io->open(io->context, bad[i], VEER_IO_CREATE, &file, &error),
                             VEER_E_INVALID);
            assert_null(file);
            assert_int_equal(io->open(io->context, bad[i], VEER_IO_READ, &file, &error),
                             VEER_E_INVALID);
            assert_int_equal(io->remove(io->context, bad[i], &error), VEER_E_INVALID);
        }
        io_table_end(&table);
    }
}

static void test_far_offsets(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        veer_error error;
        veer_status status;
        char text[8];
        uint64_t size;
        io_table_make(&table, (io_table_kind)kind);
        const veer_io *io = table.io;
        void *file = create(io, "far");
        /* Over 4 GiB, sparse; past the last offset there is. */
        uint64_t far = ((uint64_t)5 << 30) + 12345;
        write_all(io, file, far, "distant", 8);
        SETTLE(status, io->read(io->context, file, far, text, 8, &error));
        assert_int_equal(status, VEER_OK);
        assert_string_equal(text, "distant");
        SETTLE(status, io->read(io->context, file, far - 8, text, 8, &error));
        assert_int_equal(status, VEER_OK);
        assert_memory_equal(text, "\0\0\0\0\0\0\0\0", 8);
        assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
        assert_true(size == far + 8);
        SETTLE(status, io->write(io->context, file, UINT64_MAX, "x", 1, &error));
        assert_int_equal(status, VEER_E_FULL);
        SETTLE(status, io->write(io->context, file, INT64_MAX, "x", 1, &error));
        assert_int_equal(status, VEER_E_FULL);
        SETTLE(status, io->read(io->context, file, UINT64_MAX, text, 1, &error));
        assert_int_equal(status, VEER_E_CORRUPT);
        SETTLE(status, io->read(io->context, file, INT64_MAX, text, 1, &error));
        assert_int_equal(status, VEER_E_CORRUPT);
        assert_int_equal(io->truncate(io->context, file, UINT64_MAX, &error), VEER_E_FULL);
        assert_int_equal(io->truncate(io->context, file, 3, &error), VEER_OK);
        assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
        assert_int_equal(size, 3);
        io->close(io->context, file);
        io->close(io->context, NULL);
        io_table_end(&table);
    }
}

static void test_locks(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        veer_error error = {0};
        io_table_make(&table, (io_table_kind)kind);
        const veer_io *io = table.io;
        assert_int_equal(io->lock(io->context, true, &error), VEER_OK);
        assert_int_equal(io->lock(io->context, true, &error), VEER_E_BUSY);
        assert_non_null(strstr(error.message, "writing"));
        assert_int_equal(io->lock(io->context, false, &error), VEER_E_BUSY);
        io->unlock(io->context);
        assert_int_equal(io->lock(io->context, false, &error), VEER_OK);
        assert_int_equal(io->lock(io->context, false, &error), VEER_OK);
        assert_int_equal(io->lock(io->context, true, &error), VEER_E_BUSY);
        assert_non_null(strstr(error.message, "reading"));
        io->unlock(io->context);
        assert_int_equal(io->lock(io->context, true, &error), VEER_E_BUSY);
        io->unlock(io->context);
        assert_int_equal(io->lock(io->context, true, &error), VEER_OK);
        /* The lock is no stream. */
        listing l = {0};
        assert_int_equal(io->list(io->context, note_name, &l, &error), VEER_OK);
        assert_int_equal(l.others, 0);
        io->unlock(io->context);
        io->unlock(io->context);
        assert_int_equal(io->lock(io->context, true, &error), VEER_OK);
        io->unlock(io->context);
        io_table_end(&table);
    }
}

/* A larger map, growth behind it and a shrinking in the slab: in memory these move the bytes. */
static void test_maps_outlive_changes(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        veer_error error;
        io_table_make(&table, (io_table_kind)kind);
        const veer_io *io = table.io;
        if (io->map == NULL) {
            io_table_end(&table);
            continue;
        }
        const void *small;
        const void *large;
        const void *none;
        static char data[40000];
        memset(data, 'a', sizeof data);
        void *file = create(io, "mapped");
        write_all(io, file, 0, data, 10000);
        assert_int_equal(io->map(io->context, file, 10000, &small, &error), VEER_OK);
        assert_int_equal(io->map(io->context, file, 0, &none, &error), VEER_OK);
        assert_non_null(none);
        memset(data, 'b', sizeof data);
        write_all(io, file, 10000, data, 40000);
        assert_int_equal(io->map(io->context, file, 50000, &large, &error), VEER_OK);
        assert_int_equal(io->remove(io->context, "mapped", &error), VEER_OK);
        for (size_t i = 0; i < 50000; i++) {
            char expected = i < 10000 ? 'a' : 'b';
            if (((const char *)large)[i] != expected) fail_msg("byte %zu", i);
            if (i < 10000 && ((const char *)small)[i] != expected) fail_msg("byte %zu", i);
        }
        io->unmap(io->context, file, none, 0);
        io->unmap(io->context, file, small, 10000);
        assert_int_equal(((const char *)large)[49999], 'b');
        io->unmap(io->context, file, large, 50000);
        /* What was cut off reads as zeros when the stream grows again. */
        assert_int_equal(io->truncate(io->context, file, 100, &error), VEER_OK);
        assert_int_equal(io->truncate(io->context, file, 50000, &error), VEER_OK);
        assert_int_equal(io->read(io->context, file, 0, data, 40000, &error), VEER_OK);
        for (size_t i = 0; i < 40000; i++) {
            if (data[i] != (i < 100 ? 'a' : 0)) fail_msg("byte %zu", i);
        }
        io->close(io->context, file);
        io_table_end(&table);
    }
}

/* Every allocation of a scene fails once, then from then on: NOMEM or success, outputs NULL, no
 * leak, and the table goes on. */
static veer_status scene(const veer_io *io, veer_error *error)
{
    static const char data[20000];
    void *file = NULL;
    void *again = NULL;
    const void *memory = NULL;
    listing l = {0};
    veer_status status;
    VEER_GOTO(io->lock(io->context, true, error));
    VEER_GOTO(io->open(io->context, "meta", VEER_IO_CREATE, &file, error));
    VEER_GOTO(io->write(io->context, file, 0, data, sizeof data, error));
    VEER_GOTO(io->write(io->context, file, 60000, data, sizeof data, error));
    VEER_GOTO(io->sync(io->context, file, error));
    VEER_GOTO(io->map(io->context, file, 70000, &memory, error));
    VEER_GOTO(io->open(io->context, "meta", VEER_IO_READ, &again, error));
    VEER_GOTO(io->list(io->context, note_name, &l, error));
    VEER_GOTO(io->remove(io->context, "meta", error));
    VEER_GOTO(io->write(io->context, file, 100000, data, 1, error));
done:
    if (memory != NULL) io->unmap(io->context, file, memory, 70000);
    io->close(io->context, again);
    io->close(io->context, file);
    io->unlock(io->context);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for (int posix = 0; posix < 2; posix++) {
        for (uint64_t n = 0, more = 1; more; n++) {
            for (int forever = 0; forever < 2; forever++) {
                fault_allocator memory;
                char directory[64] = "";
                veer_error error = {0};
                veer_io io;
                if (posix) test_directory_make(directory);
                fault_allocator_init(&memory);
                fault_allocator_fail(&memory, n, forever != 0);
                veer_status status =
                    posix ? io_posix_new(&memory.allocator, directory, true, &io, &error)
                          : io_memory_new(&memory.allocator, &io, &error);
                if (status == VEER_OK) {
                    status = scene(&io, &error);
                } else {
                    assert_null(io.context);
                }
                more = fault_allocator_fired(&memory);
                assert_int_equal(status, more ? VEER_E_NOMEM : VEER_OK);
                if (more) {
                    assert_int_equal(error.status, VEER_E_NOMEM);
                    assert_non_null(strstr(error.message, "memory"));
                }
                fault_allocator_fail(&memory, UINT64_MAX, false);
                if (io.context != NULL) {
                    (void)io.remove(io.context, "meta", &error);
                    assert_int_equal(scene(&io, &error), VEER_OK);
                }
                if (posix) {
                    io_posix_free(&io);
                    test_directory_remove(directory);
                } else {
                    io_memory_free(&io);
                }
                assert_null(fault_allocator_fini(&memory));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_far_offsets),          cmocka_unit_test(test_locks),
        cmocka_unit_test(test_maps_outlive_changes), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
