/* Every byte of a small database is changed in turn, every stream cut at every length, and many
 * bytes at random: the answer is a clear error or the right one. Only where the log's last record is damaged, or
 * its end is cut off, a committed prefix is shown: nothing tells that from a torn write.
 *
 * Checksums that are repaired after the damage are the storage room's test (tests/c/storage_damage.c): it knows the format.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "fault/scenario.h"
#include "platform/io.h"
#include "support/testing.h"

#define STREAMS_MAX 64

typedef struct image {
    char names[STREAMS_MAX][IO_NAME_BYTES_MAX + 1];
    uint8_t *bytes[STREAMS_MAX];
    size_t sizes[STREAMS_MAX];
    size_t count;
} image;

static void add_name(void *argument, const char *name)
{
    image *image = argument;
    assert_true(image->count < STREAMS_MAX);
    strncpy(image->names[image->count++], name, IO_NAME_BYTES_MAX);
}

static void take_image(veer_io *io, image *image)
{
    veer_error error;
    memset(image, 0, sizeof *image);
    assert_int_equal(io->list(io->context, add_name, image, &error), VEER_OK);
    for (size_t i = 0; i < image->count; i++) {
        void *file;
        uint64_t size;
        assert_int_equal(io->open(io->context, image->names[i], VEER_IO_READ, &file, &error),
                         VEER_OK);
        assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
        image->sizes[i] = (size_t)size;
        image->bytes[i] = malloc((size_t)size + 1);
        if (size > 0)
            assert_int_equal(io->read(io->context, file, 0, image->bytes[i], (size_t)size, &error),
                             VEER_OK);
        io->close(io->context, file);
    }
}

static void put_image(const image *image, veer_io *io)
{
    veer_error error;
    assert_int_equal(io_memory_new(memory_default(), io, &error), VEER_OK);
    for (size_t i = 0; i < image->count; i++) {
        void *file;
        assert_int_equal(
            io->open(io->context, image->names[i], VEER_IO_WRITE | VEER_IO_CREATE, &file, &error),
            VEER_OK);
        if (image->sizes[i] > 0)
            assert_int_equal(
                io->write(io->context, file, 0, image->bytes[i], image->sizes[i], &error), VEER_OK);
        io->close(io->context, file);
    }
}

static void free_image(image *image)
{
    for (size_t i = 0; i < image->count; i++)
        free(image->bytes[i]);
}

typedef struct tally {
    size_t cases, right, prefix, refused, unreadable;
} tally;

static bool is_clear(veer_status status)
{
    return status == VEER_E_CORRUPT || status == VEER_E_FORMAT || status == VEER_E_VERSION ||
           status == VEER_E_NOTFOUND;
}

/* Opens the damaged image and judges what it shows. */
static void judge(const image *image, size_t stream, const char *what, size_t place, int least,
                  tally *tally)
{
    veer_io io;
    veer_error error;
    put_image(image, &io);
    int state = scenario_state(&io, &error);
    bool is_log = strncmp(image->names[stream], "wal", 3) == 0;
    tally->cases++;
    if (state == SCENARIO_TRANSACTIONS)
        tally->right++;
    else if (state >= least && is_log)
        tally->prefix++;
    else if (state == -1 && is_clear(error.status))
        tally->refused++;
    else if (state == -3 && is_clear(error.status))
        tally->unreadable++;
    else
        fail_msg("%s of %s at %zu: state %d, %s: %s", what, image->names[stream], place, state,
                 veer_status_name(error.status), error.message);
    io_memory_free(&io);
}

/* A small life that ends with sealed segments, dead rows in them and transactions in the log. */
static void make_database(image *image)
{
    veer_io io;
    veer_error error;
    assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
    scenario run = {.io = &io, .sync = "full"};
    scenario_run(&run);
    assert_int_equal(run.acknowledged_count, SCENARIO_TRANSACTIONS);
    assert_int_equal(scenario_state(&io, &error), SCENARIO_TRANSACTIONS);
    take_image(&io, image);
    io_memory_free(&io);
}

static void report(const char *what, const tally *tally)
{
    print_message("%s: %zu cases: %zu right, %zu a prefix, %zu refused, %zu unreadable\n", what,
                  tally->cases, tally->right, tally->prefix, tally->refused, tally->unreadable);
}

static void test_every_byte(void **state)
{
    (void)state;
    image image;
    tally tally = {0};
    make_database(&image);
    for (size_t s = 0; s < image.count; s++) {
        uint8_t *bytes = image.bytes[s];
        for (size_t i = 0; i < image.sizes[s]; i++) {
            uint8_t mask = (uint8_t)(1u << (i * 5 % 8)), before = bytes[i];
            /* Long runs of zeros are padding: every 61st byte of them is enough. */
            bool dull = i > 0 && i + 1 < image.sizes[s] && !bytes[i - 1] && !bytes[i] &&
                        !bytes[i + 1] && i % 61 != 0;
            if (dull) continue;
            bytes[i] = before ^ mask;
            judge(&image, s, "a flip", i, SCENARIO_TRANSACTIONS - 1, &tally);
            bytes[i] = before;
        }
    }
    report("flips", &tally);
    assert_true(tally.refused > 0 && tally.unreadable > 0);
    free_image(&image);
}

static void test_every_truncation(void **state)
{
    (void)state;
    image image;
    tally tally = {0};
    make_database(&image);
    for (size_t s = 0; s < image.count; s++) {
        size_t whole = image.sizes[s];
        for (size_t size = 0; size < whole; size += size % 512 < 64 || size + 64 > whole ? 1 : 31) {
            image.sizes[s] = size;
            judge(&image, s, "a truncation", size, 0, &tally);
        }
        image.sizes[s] = whole;
    }
    report("truncations", &tally);
    assert_true(tally.prefix > 0);
    free_image(&image);
}

static void test_missing_streams(void **state)
{
    (void)state;
    image image;
    tally tally = {0};
    make_database(&image);
    for (size_t s = 0; s < image.count; s++) {
        char name[IO_NAME_BYTES_MAX + 1];
        memcpy(name, image.names[s], sizeof name);
        strcpy(image.names[s], strncmp(name, "wal", 3) ? "seg.9999" : "wal.9");
        judge(&image, s, "the loss", s, SCENARIO_TRANSACTIONS, &tally);
        memcpy(image.names[s], name, sizeof name);
    }
    report("lost streams", &tally);
    free_image(&image);
}

static void test_random_damage(void **state)
{
    (void)state;
    image image;
    tally tally = {0};
    rng rng;
    make_database(&image);
    rng_init(&rng, 5);
    for (int n = 0; n < 4000; n++) {
        size_t s = (size_t)rng_below(&rng, image.count);
        if (image.sizes[s] == 0) continue;
        uint8_t *whole = malloc(image.sizes[s]);
        memcpy(whole, image.bytes[s], image.sizes[s]);
        size_t changes = 1 + (size_t)rng_below(&rng, 40), at = 0;
        for (size_t i = 0; i < changes; i++) {
            at = rng_below(&rng, 3) ? (size_t)rng_below(&rng, image.sizes[s])
                                    : (at + 1) % image.sizes[s];
            image.bytes[s][at] = (uint8_t)rng_next(&rng);
        }
        judge(&image, s, "random damage", at, 0, &tally);
        memcpy(image.bytes[s], whole, image.sizes[s]);
        free(whole);
    }
    report("random damage", &tally);
    free_image(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_missing_streams),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
