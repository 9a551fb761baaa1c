/* The states that io_fault makes of power cuts, against a model that keeps the whole content of every
 * stream after every event: synced data is never lost, every sector is one that it once was, and
 * every kind of loss comes up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "platform/io_fault.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define NAMES 3
#define STREAMS 24
#define EVENTS 120
#define SIZE_MOST 3000u /* six sectors, the last one not whole */
#define SECTOR 512u

typedef struct content {
    uint16_t size;
    uint8_t data[SIZE_MOST];
} content;

typedef struct model {
    io_fault *fault;
    veer_io base;
    const veer_io *io;
    rng r;
    size_t events;
    size_t streams;
    /* After event e (0: before all): what each stream holds, what each name means (-1: nothing),
     * and the last event at which each stream and the names were synced. */
    content *contents; /* [EVENTS + 1][STREAMS] */
    int meaning[EVENTS + 1][NAMES];
    size_t synced[EVENTS + 1][STREAMS];
    size_t synced_names[EVENTS + 1];
    struct {
        void *file;
        int stream;
    } open[NAMES];
} model;

static const char *const names[NAMES] = {"meta", "wal.0", "seg.1"};

static content *content_at(const model *m, size_t event, size_t stream)
{
    return &m->contents[event * STREAMS + stream];
}

/* Begins event m->events + 1 as a copy of the present state. */
static size_t next_event(model *m)
{
    size_t e = ++m->events;
    for (size_t s = 0; s < STREAMS; s++)
        *content_at(m, e, s) = *content_at(m, e - 1, s);
    memcpy(m->meaning[e], m->meaning[e - 1], sizeof m->meaning[e]);
    memcpy(m->synced[e], m->synced[e - 1], sizeof m->synced[e]);
    m->synced_names[e] = m->synced_names[e - 1];
    return e;
}

static void one_operation(model *m)
{
    veer_error error;
    const veer_io *io = m->io;
    size_t slot = (size_t)rng_below(&m->r, NAMES);
    void *file = m->open[slot].file;
    uint64_t what = rng_below(&m->r, 100);
    size_t before = io_fault_events(m->fault);
    if (file == NULL || what < 4) {
        int name = (int)rng_below(&m->r, NAMES);
        int stream = m->meaning[m->events][name];
        if (file != NULL) io->close(io->context, file);
        m->open[slot].file = NULL;
        if (stream >= 0) {
            m->open[slot].file = test_open(io, names[name], VEER_IO_WRITE);
            m->open[slot].stream = stream;
        } else if (m->streams < STREAMS) {
            m->open[slot].file = test_open(io, names[name], VEER_IO_CREATE);
            m->open[slot].stream = (int)m->streams++;
            m->meaning[next_event(m)][name] = m->open[slot].stream;
        }
    } else if (what < 60) {
        uint8_t data[1400];
        size_t offset = (size_t)rng_below(&m->r, SIZE_MOST);
        size_t bytes = (size_t)rng_below(&m->r, rng_below(&m->r, 2) ? 1400 : 90) + 1;
        if (offset + bytes > SIZE_MOST) bytes = SIZE_MOST - offset;
        for (size_t i = 0; i < bytes; i++)
            data[i] = (uint8_t)(rng_below(&m->r, 255) + 1);
        assert_int_equal(io->write(io->context, file, offset, data, bytes, &error), VEER_OK);
        content *c = content_at(m, next_event(m), (size_t)m->open[slot].stream);
        memcpy(c->data + offset, data, bytes);
        if (offset + bytes > c->size) c->size = (uint16_t)(offset + bytes);
    } else if (what < 70) {
        size_t size = (size_t)rng_below(&m->r, SIZE_MOST);
        assert_int_equal(io->truncate(io->context, file, size, &error), VEER_OK);
        content *c = content_at(m, next_event(m), (size_t)m->open[slot].stream);
        if (size < c->size) memset(c->data + size, 0, c->size - size);
        c->size = (uint16_t)size;
    } else if (what < 82) {
        assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
        size_t e = next_event(m);
        m->synced[e][m->open[slot].stream] = e;
    } else if (what < 90) {
        assert_int_equal(io->sync_names(io->context, &error), VEER_OK);
        size_t e = next_event(m);
        m->synced_names[e] = e;
    } else if (what < 95) {
        int name = (int)rng_below(&m->r, NAMES);
        if (m->meaning[m->events][name] < 0) return;
        assert_int_equal(io->remove(io->context, names[name], &error), VEER_OK);
        m->meaning[next_event(m)][name] = -1;
    } else {
        uint8_t byte;
        (void)io->read(io->context, file, 0, &byte, 1, &error);
    }
    assert_int_equal(io_fault_events(m->fault) - before, m->events - before);
}

static model *new_model(uint64_t seed)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->contents = calloc((size_t)(EVENTS + 1) * STREAMS, sizeof *m->contents);
    assert_non_null(m->contents);
    m->fault = test_fault_new(&m->base);
    m->io = io_fault_table(m->fault);
    rng_init(&m->r, seed);
    for (int i = 0; i < NAMES; i++)
        m->meaning[0][i] = -1;
    /* Half of the journals begin with content that is there already, and counts as synced. */
    if (seed % 2 == 1) {
        void *file = test_open(m->io, names[0], VEER_IO_CREATE);
        test_write_text(m->io, file, 700, "before the journal");
        m->io->close(m->io->context, file);
        content *c = content_at(m, 0, 0);
        memcpy(c->data + 700, "before the journal", 18);
        c->size = 718;
        m->meaning[0][0] = 0;
        m->streams = 1;
    }
    veer_error error;
    assert_int_equal(io_fault_journal(m->fault, &error), VEER_OK);
    assert_int_equal(io_fault_events(m->fault), 0);
    while (m->events < EVENTS)
        one_operation(m);
    return m;
}

static void free_model(model *m)
{
    for (size_t i = 0; i < NAMES; i++)
        m->io->close(m->io->context, m->open[i].file);
    io_fault_free(m->fault);
    io_memory_free(&m->base);
    free(m->contents);
    free(m);
}

/* What the test has seen over all states: each kind of loss must come up. */
typedef struct sights {
    size_t lost_name, kept_name, removed_name_back, old_size, torn, reordered, nothing, everything;
} sights;

static size_t first_event(const model *m, size_t event, size_t stream)
{
    return m->synced[event][stream];
}

/* The sector of `found` is the one of some event since the last sync. Bytes behind a size are
 * zeros: a version may be longer than `found` is. */
static bool sector_is_explained(const model *m, size_t event, size_t stream, const content *found,
                                size_t sector, size_t *version)
{
    size_t begin = sector * SECTOR;
    size_t end = begin + SECTOR < found->size ? begin + SECTOR : found->size;
    for (size_t e = event + 1; e-- > first_event(m, event, stream);) {
        if (memcmp(found->data + begin, content_at(m, e, stream)->data + begin, end - begin) == 0) {
            *version = e;
            return true;
        }
    }
    return false;
}

static void check_stream(const model *m, size_t event, io_cut cut, size_t stream,
                         const content *found, sights *seen)
{
    size_t since = first_event(m, event, stream);
    if (cut != IO_CUT_RANDOM) {
        const content *expected = content_at(m, cut == IO_CUT_NOTHING ? since : event, stream);
        assert_int_equal(found->size, expected->size);
        assert_memory_equal(found->data, expected->data, expected->size);
        return;
    }
    bool size_explained = false;
    for (size_t e = since; e <= event; e++) {
        size_explained |= content_at(m, e, stream)->size == found->size;
    }
    assert_true(size_explained);
    if (found->size != content_at(m, event, stream)->size) seen->old_size++;
    size_t lowest = SIZE_MAX;
    size_t highest = 0;
    for (size_t sector = 0; sector * SECTOR < found->size; sector++) {
        size_t version = 0;
        if (!sector_is_explained(m, event, stream, found, sector, &version)) {
            fail_msg("event %zu stream %zu sector %zu holds what nobody wrote", event, stream,
                     sector);
        }
        if (highest != 0 && version < highest) seen->reordered++;
        if (version < lowest) lowest = version;
        if (version > highest) highest = version;
    }
    if (lowest < highest) seen->torn++;
}

static void check_state(const model *m, size_t event, io_cut cut, const veer_io *state,
                        sights *seen)
{
    size_t since = m->synced_names[event];
    bool is_oldest = true;
    bool is_newest = true;
    for (int name = 0; name < NAMES; name++) {
        void *file;
        veer_error error;
        veer_status status = state->open(state->context, names[name], VEER_IO_READ, &file, &error);
        int last = m->meaning[event][name];
        if (status == VEER_E_NOTFOUND) {
            bool explained = false;
            for (size_t e = since; e <= event; e++)
                explained |= m->meaning[e][name] < 0;
            if (cut == IO_CUT_NOTHING) explained = m->meaning[since][name] < 0;
            if (cut == IO_CUT_EVERYTHING) explained = last < 0;
            assert_true(explained);
            if (last >= 0) seen->lost_name++;
            is_oldest &= m->meaning[since][name] < 0;
            is_newest &= last < 0;
            continue;
        }
        assert_int_equal(status, VEER_OK);
        if (last < 0) seen->removed_name_back++;
        static content found;
        uint64_t size;
        memset(&found, 0, sizeof found);
        assert_int_equal(state->size(state->context, file, &size, &error), VEER_OK);
        assert_true(size <= SIZE_MOST);
        found.size = (uint16_t)size;
        assert_int_equal(state->read(state->context, file, 0, found.data, (size_t)size, &error),
                         VEER_OK);
        state->close(state->context, file);
        /* Which stream it is: one that the name has meant since the names were synced. The check
         * is of the last of them that explains the content; the extremes leave no choice. */
        int stream = -1;
        if (cut == IO_CUT_NOTHING) {
            stream = m->meaning[since][name];
        } else if (cut == IO_CUT_EVERYTHING) {
            stream = last;
        } else {
            size_t ignored;
            for (size_t e = event + 1; e-- > since && stream < 0;) {
                int meant = m->meaning[e][name];
                bool explained = meant >= 0;
                for (size_t s = 0; explained && s * SECTOR < found.size; s++) {
                    explained = sector_is_explained(m, event, (size_t)meant, &found, s, &ignored);
                }
                bool size_explained = false;
                for (size_t v = explained ? first_event(m, event, (size_t)meant) : event + 1;
                     v <= event; v++) {
                    size_explained |= content_at(m, v, (size_t)meant)->size == found.size;
                }
                if (explained && size_explained) stream = meant;
            }
        }
        if (stream < 0) fail_msg("event %zu: %s holds what it never meant", event, names[name]);
        check_stream(m, event, cut, (size_t)stream, &found, seen);
        const content *newest = content_at(m, event, (size_t)stream);
        is_newest &= stream == last && newest->size == found.size &&
                     memcmp(newest->data, found.data, found.size) == 0;
        const content *oldest =
            content_at(m, first_event(m, event, (size_t)stream), (size_t)stream);
        is_oldest &= stream == m->meaning[since][name] && oldest->size == found.size &&
                     memcmp(oldest->data, found.data, found.size) == 0;
        if (m->meaning[since][name] != stream) seen->kept_name++;
    }
    if (cut == IO_CUT_RANDOM && is_oldest && !is_newest) seen->nothing++;
    if (cut == IO_CUT_RANDOM && is_newest && !is_oldest) seen->everything++;
}

static void test_states_after_power_cuts(void **state)
{
    sights seen = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        model *m = new_model(seed);
        for (size_t event = 0; event <= m->events; event++) {
            for (uint64_t i = 0; i < 14; i++) {
                io_cut cut = i == 0 ? IO_CUT_NOTHING : i == 1 ? IO_CUT_EVERYTHING : IO_CUT_RANDOM;
                veer_io table;
                veer_error error;
                assert_int_equal(io_fault_materialise(m->fault, event, cut, seed * 1000 + i,
                                                      memory_default(), &table, &error),
                                 VEER_OK);
                check_state(m, event, cut, &table, &seen);
                io_memory_free(&table);
            }
        }
        free_model(m);
    }
    assert_true(seen.lost_name > 100);
    assert_true(seen.kept_name > 100);
    assert_true(seen.removed_name_back > 100);
    assert_true(seen.old_size > 100);
    assert_true(seen.torn > 100);
    assert_true(seen.reordered > 100);
    assert_true(seen.nothing > 100);
    assert_true(seen.everything > 100);
}

static void add_to_sum(void *argument, const char *name)
{
    (void)name;
    ++*(size_t *)argument;
}

static uint64_t sum_of_state(const veer_io *state)
{
    uint64_t sum = 17;
    size_t count = 0;
    veer_error error;
    for (size_t i = 0; i < NAMES; i++) {
        void *file;
        uint64_t size;
        sum *= 31;
        if (state->open(state->context, names[i], VEER_IO_READ, &file, &error) != VEER_OK) continue;
        assert_int_equal(state->size(state->context, file, &size, &error), VEER_OK);
        sum = (sum + size + 1) * 1000003;
        for (uint64_t at = 0; at < size; at++) {
            uint8_t byte;
            assert_int_equal(state->read(state->context, file, at, &byte, 1, &error), VEER_OK);
            sum = (sum ^ byte) * 1099511628211u;
        }
        state->close(state->context, file);
    }
    assert_int_equal(state->list(state->context, add_to_sum, &count, &error), VEER_OK);
    return sum + count;
}

/* Event and seed alone decide the state: not what was asked before, nor what happened later. */
static void test_states_are_reproducible(void **state)
{
    model *m = new_model(3);
    uint64_t sums[EVENTS + 1];
    rng r;
    (void)state;
    rng_init(&r, 1);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i <= m->events; i++) {
            size_t event = round == 0 ? i : (size_t)rng_below(&r, m->events + 1);
            veer_io table;
            veer_error error;
            assert_int_equal(io_fault_materialise(m->fault, event, IO_CUT_RANDOM, 9,
                                                  memory_default(), &table, &error),
                             VEER_OK);
            uint64_t sum = sum_of_state(&table);
            if (round == 0) sums[event] = sum;
            assert_true(sums[event] == sum);
            io_memory_free(&table);
        }
        /* More of the story. */
        if (round == 1) {
            void *file = test_open(m->io, "later", VEER_IO_CREATE);
            test_write_text(m->io, file, 0, "later");
            m->io->close(m->io->context, file);
        }
    }
    veer_io table;
    veer_error error;
    assert_int_equal(io_fault_materialise(m->fault, io_fault_events(m->fault) + 1, IO_CUT_NOTHING,
                                          0, memory_default(), &table, &error),
                     VEER_E_RANGE);
    free_model(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_after_power_cuts),
        cmocka_unit_test(test_states_are_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
