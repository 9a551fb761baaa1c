/* The journal of changes and the states that a power cut may leave.
 *
 * A state is what storage surely holds after some event, and what it may hold beyond that:
 *
 *   stream   before    the stream as the program saw it when `pending` began
 *            durable   what the last sync left on storage
 *            pending   writes and truncates since
 *   name     before, durable, and creates and removes since, alike
 *
 * A cut walks through `pending`, doing each operation to a copy of `before`, and decides for each
 * 512-byte sector that the operation has changed whether this version of the sector reached storage;
 * likewise for the size, and for a name's meaning. So every sector is a version that it once had,
 * and which one is independent of the others.
 *
 * A successful sync brings the versions of all sectors touched by `pending` to storage. A failed
 * one decides them as a cut would, there and then, and forgets them: what was not brought to
 * storage then is not brought by any later sync either. So `durable` depends on the seed after a
 * failed sync, and such states are built from the start; all others go on from a cursor.
 */
#include "platform/io_fault_journal.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"

#define SECTOR_BYTES 512u
/* In the place of a sector's number. */
#define DECIDE_SIZE UINT64_MAX
#define DECIDE_NAME (UINT64_MAX - 1)

/* Bytes behind `size` are zero in `before`; in `durable` they may be sectors that reached storage
 * while the size did not. */
typedef struct image {
    uint8_t *data;
    size_t capacity;
    uint64_t size;
} image;

typedef struct event_list {
    size_t *events;
    size_t count, capacity;
} event_list;

typedef struct stream_state {
    image before;
    image durable;
    event_list pending;
} stream_state;

typedef struct name_state {
    uint32_t before;
    uint32_t durable;
} name_state;

typedef struct journal_state {
    size_t at; /* events done */
    stream_state *streams;
    size_t streams_count;
    name_state *names;
    size_t names_count;
    event_list pending_names;
} journal_state;

/* How a cut decides. */
typedef struct cut_rule {
    io_cut cut;
    uint64_t seed;
    size_t first; /* pending event of all */
    size_t end;
} cut_rule;

/* ---- recording */

void journal_init(journal *j, const veer_allocator *allocator)
{
    memset(j, 0, sizeof *j);
    j->allocator = *allocator;
    j->first_failed = SIZE_MAX;
}

static void state_free(journal *j, journal_state *state);

void journal_fini(journal *j)
{
    state_free(j, j->cursor);
    for (size_t i = 0; i < j->events_count; i++) {
        memory_array_free(&j->allocator, j->events[i].data, j->events[i].bytes, 1);
    }
    memory_array_free(&j->allocator, j->events, j->events_capacity, sizeof *j->events);
    memory_array_free(&j->allocator, j->names, j->names_capacity, sizeof *j->names);
    memory_array_free(&j->allocator, j->streams, j->streams_capacity, sizeof *j->streams);
    veer_allocator allocator = j->allocator;
    journal_init(j, &allocator);
}

static uint32_t find_name(const journal *j, const char *name)
{
    for (size_t i = 0; i < j->names_count; i++) {
        if (strcmp(j->names[i].text, name) == 0) return (uint32_t)i;
    }
    return UINT32_MAX;
}

uint32_t journal_find(const journal *j, const char *name)
{
    uint32_t i = find_name(j, name);
    return i == UINT32_MAX ? JOURNAL_NO_STREAM : j->names[i].stream;
}

/* A new event at the end, or NULL. */
static journal_event *add_event(journal *j, io_call call, uint32_t stream)
{
    void *events = j->events;
    if (!j->active || j->failed) return NULL;
    if (memory_grow(&j->allocator, &events, &j->events_capacity, j->events_count + 1,
                    sizeof *j->events) != VEER_OK) {
        j->failed = true;
        return NULL;
    }
    j->events = events;
    journal_event *event = &j->events[j->events_count++];
    *event = (journal_event){.call = call, .stream = stream, .name = UINT32_MAX};
    if (stream != JOURNAL_NO_STREAM) event->name = j->streams[stream].name;
    return event;
}

void journal_create(journal *j, const char *name)
{
    void *names = j->names;
    void *streams = j->streams;
    if (!j->active || j->failed) return;
    if (memory_grow(&j->allocator, &names, &j->names_capacity, j->names_count + 1,
                    sizeof *j->names) != VEER_OK) {
        j->failed = true;
        return;
    }
    j->names = names;
    if (memory_grow(&j->allocator, &streams, &j->streams_capacity, j->streams_count + 1,
                    sizeof *j->streams) != VEER_OK) {
        j->failed = true;
        return;
    }
    j->streams = streams;
    uint32_t number = find_name(j, name);
    if (number == UINT32_MAX) {
        number = (uint32_t)j->names_count++;
        memcpy(j->names[number].text, name, strlen(name) + 1);
    }
    uint32_t stream = (uint32_t)j->streams_count++;
    j->streams[stream].name = number;
    j->names[number].stream = stream;
    (void)add_event(j, IO_CALL_OPEN, stream);
}

void journal_remove(journal *j, const char *name)
{
    uint32_t number = find_name(j, name);
    if (number == UINT32_MAX || j->names[number].stream == JOURNAL_NO_STREAM) return;
    (void)add_event(j, IO_CALL_REMOVE, j->names[number].stream);
    j->names[number].stream = JOURNAL_NO_STREAM;
}

void journal_write(journal *j, uint32_t stream, uint64_t offset, const void *data, size_t bytes)
{
    if (bytes == 0 || stream == JOURNAL_NO_STREAM || !j->active || j->failed) return;
    uint8_t *copy = memory_array(&j->allocator, bytes, 1);
    journal_event *event = copy == NULL ? NULL : add_event(j, IO_CALL_WRITE, stream);
    if (event == NULL) {
        memory_array_free(&j->allocator, copy, bytes, 1);
        j->failed = true;
        return;
    }
    memcpy(copy, data, bytes);
    event->data = copy;
    event->bytes = bytes;
    event->offset = offset;
}

void journal_truncate(journal *j, uint32_t stream, uint64_t bytes)
{
    if (stream == JOURNAL_NO_STREAM) return;
    journal_event *event = add_event(j, IO_CALL_TRUNCATE, stream);
    if (event != NULL) event->offset = bytes;
}

static void add_sync(journal *j, io_call call, uint32_t stream, bool failed)
{
    journal_event *event = add_event(j, call, stream);
    if (event == NULL) return;
    event->failed = failed;
    if (failed && j->first_failed == SIZE_MAX) j->first_failed = j->events_count - 1;
}

void journal_sync(journal *j, uint32_t stream, bool failed)
{
    if (stream != JOURNAL_NO_STREAM) add_sync(j, IO_CALL_SYNC, stream, failed);
}

void journal_sync_names(journal *j, bool failed)
{
    add_sync(j, IO_CALL_SYNC_NAMES, JOURNAL_NO_STREAM, failed);
}

/* ---- what the base holds already */

typedef struct base_copy {
    journal *journal;
    const veer_io *base;
} base_copy;

static void create_for_name(void *argument, const char *name)
{
    const base_copy *copy = argument;
    journal_create(copy->journal, name);
}

static veer_status copy_content(journal *j, const veer_io *base, uint32_t stream, void *file,
                                veer_error *error)
{
    uint64_t bytes;
    VEER_TRY(base->size(base->context, file, &bytes, error));
    if (bytes == 0) return VEER_OK;
    uint8_t *data = bytes > SIZE_MAX ? NULL : memory_array(&j->allocator, (size_t)bytes, 1);
    if (data == NULL) return error_nomem(error, "the journal", bytes);
    veer_status status = base->read(base->context, file, 0, data, (size_t)bytes, error);
    if (status == VEER_OK) journal_write(j, stream, 0, data, (size_t)bytes);
    memory_array_free(&j->allocator, data, (size_t)bytes, 1);
    return status;
}

veer_status journal_begin(journal *j, const veer_io *base, veer_error *error)
{
    veer_allocator allocator = j->allocator;
    journal_fini(j);
    journal_init(j, &allocator);
    j->active = true;
    base_copy copy = {j, base};
    VEER_TRY(base->list(base->context, create_for_name, &copy, error));
    for (uint32_t i = 0; i < j->streams_count; i++) {
        void *file;
        const char *name = j->names[j->streams[i].name].text;
        VEER_TRY(base->open(base->context, name, VEER_IO_READ, &file, error));
        veer_status status = copy_content(j, base, i, file, error);
        base->close(base->context, file);
        if (status != VEER_OK) return status;
        journal_sync(j, i, false);
    }
    journal_sync_names(j, false);
    j->first = j->events_count;
    return j->failed ? error_nomem(error, "the journal", 0) : VEER_OK;
}

/* ---- deciding */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t value = a ^ (b + 0x9E3779B97F4A7C15u) * 0xD1B54A32D192ED03u;
    value = (value ^ value >> 32) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 29) * 0x94D049BB133111EBu;
    return value ^ value >> 32;
}

/* Whether the version of `part` (a sector's number, or DECIDE_...) that event `event` made reaches
 * storage. `subject`: the stream's or name's number. */
static bool reaches(const cut_rule *rule, uint64_t subject, size_t event, uint64_t part)
{
    if (rule->cut != IO_CUT_RANDOM) return rule->cut == IO_CUT_EVERYTHING;
    uint64_t of_cut = mix(rule->seed, 1);
    /* Half of the cuts have one style for all, the others one a stream. */
    uint64_t of_subject = of_cut & 1 ? mix(rule->seed, 2) : mix(mix(rule->seed, 2), subject);
    uint64_t of_part = mix(mix(mix(rule->seed, 3), event), part);
    uint64_t of_event = mix(mix(rule->seed, 4), event);
    size_t span = rule->end - rule->first + 1;
    switch (of_subject % 6) {
    case 0: { /* in the order of the program over all streams, torn at the end */
        size_t last = rule->first + (size_t)(mix(rule->seed, 5) % span);
        return event < last || (event == last && (of_part & 1));
    }
    case 1: { /* in order within the stream */
        size_t last = rule->first + (size_t)(mix(mix(rule->seed, 6), subject) % span);
        return event < last || (event == last && (of_part & 1));
    }
    case 2: /* whole operations in any order */
        return of_event & 1;
    case 3: /* sectors in any order */
        return of_part & 1;
    case 4: /* nearly all */
        return of_part % 16 != 0;
    default: /* hardly any */
        return of_part % 16 == 0;
    }
}

/* ---- images */

static bool image_grow(const journal *j, image *i, uint64_t bytes)
{
    void *data = i->data;
    /* Whole sectors, so that they can be copied whole. */
    uint64_t wanted = u64_round_up(bytes, SECTOR_BYTES);
    if (wanted > SIZE_MAX / 2) return false;
    if (memory_grow(&j->allocator, &data, &i->capacity, (size_t)wanted, 1) != VEER_OK) return false;
    i->data = data;
    return true;
}

static void image_free(const journal *j, image *i)
{
    memory_array_free(&j->allocator, i->data, i->capacity, 1);
    *i = (image){0};
}

static bool image_copy(const journal *j, image *to, const image *from)
{
    if (!image_grow(j, to, from->capacity)) return false;
    if (from->capacity != 0) memcpy(to->data, from->data, from->capacity);
    to->size = from->size;
    return true;
}

/* Does a write or truncate; [*first, *end) are the bytes that it changed. */
static bool image_apply(const journal *j, image *i, const journal_event *event, uint64_t *first,
                        uint64_t *end)
{
    uint64_t size = event->offset + event->bytes;
    if (!image_grow(j, i, size)) return false;
    *first = event->offset;
    *end = size;
    if (event->call == IO_CALL_WRITE) {
        memcpy(i->data + event->offset, event->data, event->bytes);
        if (size > i->size) i->size = size;
    } else {
        if (size < i->size) {
            memset(i->data + size, 0, (size_t)(i->size - size));
            *end = i->size;
        }
        i->size = size;
    }
    return true;
}

/* Brings `pending` to storage as far as the rule lets it: `seen` becomes what the program sees
 * afterwards, `stored` what storage holds. */
static bool write_back(const journal *j, const event_list *pending, const cut_rule *rule,
                       uint32_t stream, image *seen, image *stored)
{
    for (size_t k = 0; k < pending->count; k++) {
        size_t number = pending->events[k];
        uint64_t first;
        uint64_t end;
        if (!image_apply(j, seen, &j->events[number], &first, &end)) return false;
        if (!image_grow(j, stored, seen->capacity)) return false;
        for (uint64_t sector = first / SECTOR_BYTES; sector * SECTOR_BYTES < end; sector++) {
            size_t at = (size_t)(sector * SECTOR_BYTES);
            if (!reaches(rule, stream, number, sector)) continue;
            memcpy(stored->data + at, seen->data + at, SECTOR_BYTES);
        }
        if (reaches(rule, stream, number, DECIDE_SIZE)) stored->size = seen->size;
    }
    return true;
}

/* ---- states */

static void state_free(journal *j, journal_state *state)
{
    if (state == NULL) return;
    for (size_t i = 0; i < state->streams_count; i++) {
        stream_state *s = &state->streams[i];
        image_free(j, &s->before);
        image_free(j, &s->durable);
        memory_array_free(&j->allocator, s->pending.events, s->pending.capacity, sizeof(size_t));
    }
    memory_array_free(&j->allocator, state->streams, state->streams_count, sizeof *state->streams);
    memory_array_free(&j->allocator, state->names, state->names_count, sizeof *state->names);
    memory_array_free(&j->allocator, state->pending_names.events, state->pending_names.capacity,
                      sizeof(size_t));
    memory_free(&j->allocator, state, sizeof *state);
}

/* The state before any event, with room for what the journal knows now. */
static journal_state *state_new(journal *j)
{
    journal_state *state = memory_new(&j->allocator, sizeof *state);
    if (state == NULL) return NULL;
    state->streams = memory_array(&j->allocator, j->streams_count, sizeof *state->streams);
    if (state->streams != NULL) state->streams_count = j->streams_count;
    state->names = memory_array(&j->allocator, j->names_count, sizeof *state->names);
    if (state->names != NULL) state->names_count = j->names_count;
    if (state->streams_count != j->streams_count || state->names_count != j->names_count) {
        state_free(j, state);
        return NULL;
    }
    for (size_t i = 0; i < state->names_count; i++) {
        state->names[i] = (name_state){JOURNAL_NO_STREAM, JOURNAL_NO_STREAM};
    }
    return state;
}

static bool list_add(const journal *j, event_list *list, size_t event)
{
    void *events = list->events;
    if (memory_grow(&j->allocator, &events, &list->capacity, list->count + 1, sizeof(size_t)) !=
        VEER_OK) {
        return false;
    }
    list->events = events;
    list->events[list->count++] = event;
    return true;
}

/* What the name means after the event. */
static uint32_t meaning_after(const journal_event *event)
{
    return event->call == IO_CALL_OPEN ? event->stream : JOURNAL_NO_STREAM;
}

static void names_write_back(const journal *j, const event_list *pending, const cut_rule *rule,
                             name_state *names)
{
    for (size_t k = 0; k < pending->count; k++) {
        size_t number = pending->events[k];
        const journal_event *event = &j->events[number];
        name_state *name = &names[event->name];
        name->before = meaning_after(event);
        /* Names are decided apart from streams of the same number. */
        uint64_t subject = (uint64_t)event->name + ((uint64_t)1 << 32);
        if (reaches(rule, subject, number, DECIDE_NAME)) name->durable = name->before;
    }
}

static bool state_do(const journal *j, journal_state *state, size_t number, const cut_rule *cut)
{
    static const cut_rule all = {.cut = IO_CUT_EVERYTHING};
    const journal_event *event = &j->events[number];
    stream_state *s;
    switch (event->call) {
    case IO_CALL_OPEN:
    case IO_CALL_REMOVE:
        return list_add(j, &state->pending_names, number);
    case IO_CALL_WRITE:
    case IO_CALL_TRUNCATE:
        return list_add(j, &state->streams[event->stream].pending, number);
    case IO_CALL_SYNC:
        s = &state->streams[event->stream];
        if (!write_back(j, &s->pending, event->failed ? cut : &all, event->stream, &s->before,
                        &s->durable)) {
            return false;
        }
        s->pending.count = 0;
        return true;
    default:
        names_write_back(j, &state->pending_names, event->failed ? cut : &all, state->names);
        state->pending_names.count = 0;
        return true;
    }
}

/* ---- a cut */

static veer_status put_stream(const journal *j, const stream_state *s, const cut_rule *rule,
                              uint32_t stream, const char *name, veer_io *table, veer_error *error)
{
    image seen = {0};
    image stored = {0};
    void *file = NULL;
    veer_status status = VEER_OK;
    const image *result = &s->durable;
    if (s->pending.count != 0) {
        if (!image_copy(j, &seen, &s->before) || !image_copy(j, &stored, &s->durable) ||
            !write_back(j, &s->pending, rule, stream, &seen, &stored)) {
            status = error_nomem(error, "a state after a power cut", s->before.size);
            goto done;
        }
        result = &stored;
    }
    VEER_GOTO(table->open(table->context, name, VEER_IO_CREATE, &file, error));
    if (result->size != 0) {
        /* The size may have reached storage while the last sectors did not. */
        uint64_t present = result->size < result->capacity ? result->size : result->capacity;
        VEER_GOTO(table->truncate(table->context, file, result->size, error));
        VEER_GOTO(table->write(table->context, file, 0, result->data, (size_t)present, error));
    }
done:
    if (file != NULL) table->close(table->context, file);
    image_free(j, &seen);
    image_free(j, &stored);
    return status;
}

/* Continues `state` to `end`; false: no memory. */
static bool state_advance(const journal *j, journal_state *state, size_t end, const cut_rule *rule)
{
    while (state->at < end) {
        if (!state_do(j, state, state->at, rule)) return false;
        state->at++;
    }
    return true;
}

static size_t first_pending(const journal_state *state)
{
    size_t first = state->at;
    if (state->pending_names.count != 0) first = state->pending_names.events[0];
    for (size_t i = 0; i < state->streams_count; i++) {
        const event_list *pending = &state->streams[i].pending;
        if (pending->count != 0 && pending->events[0] < first) first = pending->events[0];
    }
    return first;
}

static veer_status put_state(journal *j, const journal_state *state, const cut_rule *rule,
                             veer_io *table, veer_error *error)
{
    size_t bytes = state->names_count * sizeof *state->names;
    if (state->names_count == 0) return VEER_OK;
    name_state *names = memory_array(&j->allocator, state->names_count, sizeof *names);
    if (names == NULL) return error_nomem(error, "a state after a power cut", bytes);
    memcpy(names, state->names, bytes);
    names_write_back(j, &state->pending_names, rule, names);
    veer_status status = VEER_OK;
    for (size_t i = 0; i < state->names_count && status == VEER_OK; i++) {
        uint32_t stream = names[i].durable;
        if (stream == JOURNAL_NO_STREAM) continue;
        status =
            put_stream(j, &state->streams[stream], rule, stream, j->names[i].text, table, error);
    }
    memory_array_free(&j->allocator, names, state->names_count, sizeof *names);
    return status;
}

veer_status journal_materialise(journal *j, size_t event, io_cut cut, uint64_t seed,
                                const veer_allocator *allocator, veer_io *table, veer_error *error)
{
    memset(table, 0, sizeof *table);
    if (!j->active || j->failed) {
        return error_set(error, VEER_E_INVALID, "there is no whole journal");
    }
    if (event > j->events_count - j->first) {
        return error_set(error, VEER_E_RANGE, "event %zu of %zu", event,
                         j->events_count - j->first);
    }
    size_t end = j->first + event;
    cut_rule rule = {cut, seed, j->first, end};
    journal_state *own = NULL;
    journal_state *state;
    if (end > j->first_failed) {
        own = state = state_new(j);
    } else {
        /* A cursor that has gone too far, or knows fewer streams than there are, is of no use. */
        if (j->cursor != NULL &&
            (j->cursor->at > end || j->cursor->streams_count != j->streams_count ||
             j->cursor->names_count != j->names_count)) {
            state_free(j, j->cursor);
            j->cursor = NULL;
        }
        if (j->cursor == NULL) j->cursor = state_new(j);
        state = j->cursor;
    }
    if (state == NULL || !state_advance(j, state, end, &rule)) {
        state_free(j, state);
        if (own == NULL) j->cursor = NULL;
        return error_nomem(error, "a state after a power cut", 0);
    }
    rule.first = first_pending(state);
    veer_status status = io_memory_new(allocator, table, error);
    if (status == VEER_OK) {
        status = put_state(j, state, &rule, table, error);
        if (status != VEER_OK) io_memory_free(table);
    }
    state_free(j, own);
    return status;
}
