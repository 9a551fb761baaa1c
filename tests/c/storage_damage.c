/* Damage to a small database: each byte changed, each truncation, each stream gone; and random
 * damage with the checksums made right again. Opening says what is wrong, or gives a committed
 * prefix and reports what it dropped; never other numbers than were written. */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "platform/io.h"
#include "storage/superblock.h"
#include "storage_image.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

typedef struct outcome {
    veer_status status;
    uint64_t n;
    uint64_t dropped_bytes;
    size_t messages;
    veer_error error;
} outcome;

/* Opens for reading and compares all content. */
static outcome look(const veer_io *io)
{
    mini m;
    outcome out = {0};
    store_options options = mini_options(STORE_SYNC_FULL);
    options.create = false;
    options.readonly = true;
    out.status = mini_open(&m, memory_default(), io, &options);
    out.error = m.error;
    if (out.status != VEER_OK) return out;
    out.n = m.n;
    out.dropped_bytes = store_recovery(m.store)->dropped_bytes;
    out.messages = store_recovery(m.store)->messages_count;
    (void)mini_close(&m);
    return out;
}

/* What may come of one damaged place. `boundary_ok`: a log that ends between two transactions
 * cannot be told from one that was never longer. */
static void judge(const outcome *out, uint64_t n, uint64_t before_last, bool boundary_ok,
                  const char *what, size_t at)
{
    bool right = false;
    if (out->status == VEER_OK) {
        bool dropped = out->dropped_bytes != 0 && out->messages != 0;
        right = out->n == n || (out->n >= before_last && dropped) || (boundary_ok && out->n < n);
    } else {
        right = (out->status == VEER_E_CORRUPT || out->status == VEER_E_FORMAT ||
                 out->status == VEER_E_VERSION || out->status == VEER_E_NOTFOUND) &&
                !mini_is_wrong(&out->error) && strlen(out->error.message) > 10;
    }
    if (right) return;
    print_message("%s at %zu: status %d, %llu of %llu numbers, %llu bytes dropped: %s\n", what, at,
                  (int)out->status, (unsigned long long)out->n, (unsigned long long)n,
                  (unsigned long long)out->dropped_bytes, out->error.message);
    fail();
}

static void *open_stream(const veer_io *io, const char *name)
{
    void *file;
    veer_error error;
    assert_int_equal(io->open(io->context, name, VEER_IO_WRITE, &file, &error), VEER_OK);
    return file;
}

static void write_stream(const veer_io *io, void *file, uint64_t at, const void *data, size_t n)
{
    veer_error error;
    if (n != 0) assert_int_equal(io->write(io->context, file, at, data, n, &error), VEER_OK);
}

static void flip_each_byte(const veer_io *io, const image *whole, uint64_t n, uint64_t before_last,
                           size_t *errors, size_t *prefixes)
{
    for (size_t i = 0; i < whole->count; i++) {
        const image_stream *stream = &whole->streams[i];
        void *file = open_stream(io, stream->name);
        for (size_t at = 0; at < stream->bytes; at++) {
            /* Long runs of reserved zeros: every byte near the ends, some between. */
            bool dull = at >= 200 && at + 200 < stream->bytes && stream->data[at] == 0 &&
                        stream->data[at - 100] == 0 && stream->data[at + 100] == 0;
            if (dull && at % 16 != 0) continue;
            uint8_t byte = stream->data[at] ^ (uint8_t)(1u << (at % 8));
            write_stream(io, file, at, &byte, 1);
            outcome out = look(io);
            judge(&out, n, before_last, false, stream->name, at);
            *errors += out.status != VEER_OK;
            *prefixes += out.status == VEER_OK && out.n < n;
            write_stream(io, file, at, &stream->data[at], 1);
        }
        io->close(io->context, file);
    }
}

static void cut_each_length(const veer_io *io, const image *whole, uint64_t n)
{
    veer_error error;
    for (size_t i = 0; i < whole->count; i++) {
        const image_stream *stream = &whole->streams[i];
        bool is_log = strncmp(stream->name, "wal.", 4) == 0;
        void *file = open_stream(io, stream->name);
        for (size_t bytes = stream->bytes; bytes-- > 0;) {
            if (bytes > 200 && bytes + 600 < stream->bytes && bytes % 8 != 0) continue;
            assert_int_equal(io->truncate(io->context, file, bytes, &error), VEER_OK);
            outcome out = look(io);
            judge(&out, n, is_log ? 0 : n, is_log, stream->name, bytes);
            /* Cut inside a record: it is said. */
            if (is_log && out.status == VEER_OK && out.n < n && out.dropped_bytes == 0)
                assert_true(bytes % 8 == 0);
        }
        write_stream(io, file, 0, stream->data, stream->bytes);
        io->close(io->context, file);
    }
}

static void lose_each_stream(const image *whole, uint64_t n)
{
    for (size_t i = 0; i < whole->count; i++) {
        veer_io io;
        veer_error error;
        image some = *whole;
        some.streams[i] = some.streams[--some.count];
        assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
        image_write(&some, &io);
        outcome out = look(&io);
        judge(&out, n, n, false, whole->streams[i].name, 0);
        io_memory_free(&io);
    }
}

static void single_damage(int kind, bool mapped)
{
    image whole;
    veer_io io;
    veer_error error;
    uint64_t n, before_last;
    size_t errors = 0;
    size_t prefixes = 0;
    assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
    io_memory_set_mapping(&io, mapped);
    image_build(&io, kind, &n, &before_last);
    image_read(&whole, &io);
    outcome sound = look(&io);
    assert_int_equal(sound.status, VEER_OK);
    assert_int_equal(sound.n, n);
    assert_int_equal(sound.messages, 0);
    flip_each_byte(&io, &whole, n, before_last, &errors, &prefixes);
    assert_true(errors > 100);
    assert_true(prefixes > 20);
    cut_each_length(&io, &whole, n);
    lose_each_stream(&whole, n);
    image_free(&whole);
    io_memory_free(&io);
}

static void damage_to_a_log(void **state)
{
    (void)state;
    single_damage(IMAGE_LOG, true);
}

static void damage_to_segments(void **state)
{
    (void)state;
    single_damage(IMAGE_SEGMENTS, true);
    single_damage(IMAGE_SEGMENTS, false);
}

static void damage_to_two_logs(void **state)
{
    (void)state;
    single_damage(IMAGE_BOTH_LOGS, true);
}

/* ---- several bytes, with right checksums */

static void damage_some(image *damaged, rng *random)
{
    image_stream *stream = &damaged->streams[rng_below(random, damaged->count)];
    size_t changes = 1 + (size_t)rng_below(random, 6);
    if (stream->bytes == 0) return;
    if (rng_below(random, 20) == 0) {
        size_t bytes = (size_t)rng_below(random, stream->bytes);
        uint8_t *shorter = memory_new(memory_default(), bytes);
        memcpy(shorter, stream->data, bytes);
        memory_free(memory_default(), stream->data, stream->bytes);
        stream->data = shorter;
        stream->bytes = bytes;
    }
    for (size_t i = 0; i < changes && stream->bytes != 0; i++) {
        /* Headers and tables are small: aim at them. */
        size_t span = rng_below(random, 2) == 0 && stream->bytes > 160 ? 160 : stream->bytes;
        size_t at = (size_t)rng_below(random, span);
        if (rng_below(random, 4) == 0 && stream->bytes > 1400)
            at = 1152 + (size_t)rng_below(random, 96);
        uint64_t how = rng_below(random, 4);
        size_t width = how == 0 ? 1 : how == 1 ? 4 : 8;
        if (at + width > stream->bytes) width = 1;
        for (size_t j = 0; j < width; j++) {
            uint64_t value = rng_below(random, 3);
            stream->data[at + j] = value == 0   ? 0
                                   : value == 1 ? 0xff
                                                : (uint8_t)rng_below(random, 256);
        }
    }
}

static void ignore_problem(void *context, const char *stream, const char *text)
{
    (void)stream;
    (*(size_t *)context) += strlen(text) > 5;
}

static void repaired_damage(void **state)
{
    (void)state;
    rng random;
    size_t outcomes[3] = {0};
    rng_init(&random, 20261121);
    for (int kind = 0; kind < IMAGE_KINDS; kind++) {
        image whole;
        veer_io io;
        veer_error error;
        uint64_t n, before_last;
        assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
        image_build(&io, kind, &n, &before_last);
        image_read(&whole, &io);
        io_memory_free(&io);
        for (size_t i = 0; i < 7000; i++) {
            image damaged = whole;
            for (size_t j = 0; j < whole.count; j++) {
                damaged.streams[j].data = memory_new(memory_default(), whole.streams[j].bytes);
                memcpy(damaged.streams[j].data, whole.streams[j].data, whole.streams[j].bytes);
            }
            damage_some(&damaged, &random);
            image_repair(&damaged);
            assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
            io_memory_set_mapping(&io, i % 2 == 0);
            image_write(&damaged, &io);
            outcome out = look(&io);
            outcomes[out.status == VEER_OK ? 0 : mini_is_wrong(&out.error) ? 1 : 2]++;
            if (i % 8 == 0) {
                size_t problems = 0;
                veer_status checked = store_check(memory_default(), &io, ignore_problem, &problems,
                                                  NULL, NULL, &error);
                assert_true(checked == VEER_OK || checked == VEER_E_NOTFOUND);
            }
            /* Writing over it must not fall over either. */
            if (out.status == VEER_OK && i % 4 == 0) {
                mini m;
                store_options options = mini_options(STORE_SYNC_FULL);
                options.create = false;
                if (mini_open(&m, memory_default(), &io, &options) == VEER_OK) {
                    if (m.n < 1000 && mini_append(&m, 2) == VEER_OK)
                        (void)mini_checkpoint(&m, false);
                    (void)mini_close(&m);
                }
            }
            io_memory_free(&io);
            image_free(&damaged);
        }
        image_free(&whole);
    }
    print_message("%zu opened, %zu with other content, %zu refused\n", outcomes[0], outcomes[1],
                  outcomes[2]);
    assert_true(outcomes[0] > 1000 && outcomes[2] > 1000);
}

/* ---- superblocks: which slot wins */

static void superblock_choice_table(void **state)
{
    (void)state;
    for (int good0 = 0; good0 < 2; good0++) {
        for (int good1 = 0; good1 < 2; good1++) {
            for (uint64_t g0 = 1; g0 <= 3; g0++) {
                for (uint64_t g1 = 1; g1 <= 3; g1++) {
                    uint8_t meta[META_BYTES];
                    superblock_choice choice;
                    superblock super = {.salt = {5, 6}, .start_lsn = {1, 0}, .catalogue_bytes = 84};
                    super.generation = g0;
                    superblock_encode(&super, meta);
                    super.generation = g1;
                    superblock_encode(&super, meta + 4096);
                    if (!good0) meta[4000] ^= 1;
                    if (!good1) meta[4096 + 4000] ^= 1;
                    superblock_choose(meta, sizeof meta, &choice);
                    assert_int_equal(choice.found, good0 || good1);
                    assert_int_equal(choice.contradiction, false);
                    if (!choice.found) continue;
                    uint64_t newest = !good0 ? g1 : !good1 ? g0 : g0 > g1 ? g0 : g1;
                    assert_int_equal(choice.super.generation, newest);
                    assert_int_equal(choice.repair, !good0 || !good1 || g0 != g1);
                }
            }
        }
    }
}

/* A header of a later version is refused by name, not as damage. */
static void newer_versions(void **state)
{
    (void)state;
    static const char *const streams[] = {"meta", "cat.", "wal.0", "seg."};
    for (size_t i = 0; i < TEST_COUNT(streams); i++) {
        for (int word = 0; word < 3; word++) {
            image whole;
            veer_io io;
            veer_error error;
            uint64_t n, before_last;
            assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
            image_build(&io, IMAGE_SEGMENTS, &n, &before_last);
            image_read(&whole, &io);
            io_memory_free(&io);
            for (size_t j = 0; j < whole.count; j++) {
                image_stream *stream = &whole.streams[j];
                if (strncmp(stream->name, streams[i], strlen(streams[i])) != 0) continue;
                store_u32(stream->data + 8 + 4 * word, 0x100);
                if (i == 0) store_u32(stream->data + 4096 + 8 + 4 * word, 0x100);
            }
            image_repair(&whole);
            assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
            image_write(&whole, &io);
            outcome out = look(&io);
            assert_int_equal(out.status, word == 2 ? VEER_E_VERSION : VEER_OK);
            mini m;
            store_options options = mini_options(STORE_SYNC_FULL);
            veer_status status = mini_open(&m, memory_default(), &io, &options);
            bool refused = word == 2 || (word == 1 && i != 3);
            assert_int_equal(status, refused ? VEER_E_VERSION : VEER_OK);
            if (status == VEER_OK) (void)mini_close(&m);
            io_memory_free(&io);
            image_free(&whole);
        }
    }
}

/* A sound catalogue of the right generation that is not the one which the superblock means; and a
 * damaged SWITCH although the newer log has records. */
static void sound_but_not_the_one(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        image whole;
        veer_io io;
        veer_error error;
        uint64_t n, before_last;
        assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
        image_build(&io, IMAGE_BOTH_LOGS, &n, &before_last);
        image_read(&whole, &io);
        io_memory_free(&io);
        for (size_t i = 0; i < whole.count; i++) {
            image_stream *stream = &whole.streams[i];
            if (what == 0 && strncmp(stream->name, "cat.", 4) == 0) {
                stream->data[stream->bytes - 12] ^= 1; /* payload */
                store_u32(stream->data + stream->bytes - 4,
                          crc32c(0, stream->data, stream->bytes - 4));
            }
            bool is_switch = what == 1 && strncmp(stream->name, "wal.", 4) == 0 &&
                             (load_u16(stream->data + stream->bytes - 34) & 0x2000) != 0;
            if (is_switch) stream->data[stream->bytes - 1] ^= 1;
        }
        assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
        image_write(&whole, &io);
        outcome out = look(&io);
        assert_int_equal(out.status, VEER_E_CORRUPT);
        assert_false(mini_is_wrong(&out.error));
        io_memory_free(&io);
        image_free(&whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_but_not_the_one), cmocka_unit_test(superblock_choice_table),
        cmocka_unit_test(newer_versions),        cmocka_unit_test(damage_to_a_log),
        cmocka_unit_test(damage_to_segments),    cmocka_unit_test(damage_to_two_logs),
        cmocka_unit_test(repaired_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
