/* Stored sets are written container by container: a first pass over the set counts the rows and
 * runs of each container, which decides its kind and so all sizes and offsets; a second one puts
 * the bytes. A container's rows go through a bitset of 8 KB, whatever they came from.
 *
 * The kinds are those that CRoaring's run_optimize chooses, so that a set read and written again
 * by either has the same bytes: an array up to 4096 rows and a bitset above, unless runs are
 * smaller, where an array counts two bytes more than it takes.
 * Format: https://github.com/RoaringBitmap/RoaringFormatSpec
 */
#include "filter/bitmap_encode.h"

#include <string.h>

#include "base/bitset.h"
#include "base/bytes.h"
#include "base/status.h"

#define COOKIE_ARRAYS 12346u
#define COOKIE_RUNS 12347u
#define OFFSETS_FROM 4u /* containers; with fewer a set with runs has no offsets */
#define ARRAY_ROWS_MAX 4096u
#define CONTAINER_WORDS (BITMAP_CONTAINER_ROWS / 64)

typedef struct bitmap_container container;

/* ---- output */

static veer_status flush(bitmap_encoder *self)
{
    size_t used = self->bytes_used;
    self->bytes_used = 0;
    return used == 0 ? VEER_OK : self->put(self->context, self->bytes, used);
}

static veer_status put(bitmap_encoder *self, uint64_t value, size_t bytes)
{
    if (sizeof self->bytes - self->bytes_used < bytes) VEER_TRY(flush(self));
    for (size_t i = 0; i < bytes; i++)
        self->bytes[self->bytes_used++] = (uint8_t)(value >> (8 * i));
    return VEER_OK;
}

/* ---- sizes */

static bool is_run(const container *of)
{
    size_t other = of->count > ARRAY_ROWS_MAX ? BITMAP_BITSET_BYTES : 2 * (size_t)of->count + 2;
    return 2 + 4 * (size_t)of->runs < other;
}

static size_t container_bytes(const container *of)
{
    if (is_run(of)) return 2 + 4 * (size_t)of->runs;
    return of->count > ARRAY_ROWS_MAX ? BITMAP_BITSET_BYTES : 2 * (size_t)of->count;
}

static bool has_runs(const bitmap_encoder *self)
{
    for (size_t i = 0; i < self->containers_count; i++)
        if (is_run(&self->containers[i])) return true;
    return false;
}

static size_t header_bytes(const bitmap_encoder *self, bool runs)
{
    size_t n = self->containers_count;
    return runs ? 4 + (n + 7) / 8 + (n < OFFSETS_FROM ? 4 : 8) * n : 8 + 8 * n;
}

/* Whether the bitmap takes fewer bytes than plain rows. */
static bool is_bitmap(const bitmap_encoder *self)
{
    size_t bytes = header_bytes(self, has_runs(self));
    for (size_t i = 0; i < self->containers_count; i++)
        bytes += container_bytes(&self->containers[i]);
    return bytes < 4 * self->count;
}

/* ---- writing */

static veer_status put_header(bitmap_encoder *self)
{
    size_t n = self->containers_count;
    bool runs = has_runs(self);
    if (runs) {
        VEER_TRY(put(self, COOKIE_RUNS | (uint32_t)(n - 1) << 16, 4));
        for (size_t i = 0; i < n; i += 8) {
            uint8_t flags = 0;
            for (size_t j = i; j < n && j < i + 8; j++)
                flags |= (uint8_t)(is_run(&self->containers[j]) << (j - i));
            VEER_TRY(put(self, flags, 1));
        }
    } else {
        VEER_TRY(put(self, COOKIE_ARRAYS, 4));
        VEER_TRY(put(self, n, 4));
    }
    for (size_t i = 0; i < n; i++) {
        VEER_TRY(put(self, self->containers[i].key, 2));
        VEER_TRY(put(self, self->containers[i].count - 1, 2));
    }
    size_t offset = header_bytes(self, runs);
    for (size_t i = 0; i < n && (!runs || n >= OFFSETS_FROM); i++) {
        VEER_TRY(put(self, offset, 4));
        offset += container_bytes(&self->containers[i]);
    }
    return VEER_OK;
}

static veer_status put_runs(bitmap_encoder *self, const container *of, const uint64_t *words)
{
    VEER_TRY(put(self, of->runs, 2));
    size_t row = 0;
    for (uint32_t i = 0; i < of->runs; i++) {
        row = bitset_next(words, BITMAP_CONTAINER_ROWS, row);
        size_t first = row;
        while (row < BITMAP_CONTAINER_ROWS) {
            uint64_t zeros = ~words[row / 64] >> (row % 64);
            if (zeros != 0) {
                row += (size_t)__builtin_ctzll(zeros);
                break;
            }
            row = (row / 64 + 1) * 64;
        }
        VEER_TRY(put(self, first, 2));
        VEER_TRY(put(self, row - first - 1, 2));
    }
    return VEER_OK;
}

static veer_status put_container(bitmap_encoder *self, const container *of, const uint64_t *words)
{
    if (is_run(of)) return put_runs(self, of, words);
    bool is_bitset = of->count > ARRAY_ROWS_MAX;
    for (size_t i = 0; i < CONTAINER_WORDS; i++) {
        if (is_bitset) VEER_TRY(put(self, words[i], 8));
        for (uint64_t word = is_bitset ? 0 : words[i]; word != 0; word &= word - 1)
            VEER_TRY(put(self, i * 64 + (size_t)__builtin_ctzll(word), 2));
    }
    return VEER_OK;
}

static void begin(bitmap_encoder *self, bitmap_put to, void *context)
{
    self->put = to;
    self->context = context;
    self->bytes_used = 0;
    self->containers_count = 0;
    self->count = 0;
}

/* ---- rows */

veer_status bitmap_encode(bitmap_encoder *self, const uint32_t *rows, size_t count, bitmap_put to,
                          void *context)
{
    begin(self, to, context);
    self->count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t key = rows[i] / BITMAP_CONTAINER_ROWS;
        bool is_new = i == 0 || key != rows[i - 1] / BITMAP_CONTAINER_ROWS;
        if (is_new) self->containers[self->containers_count++] = (container){.key = key};
        container *present = &self->containers[self->containers_count - 1];
        present->count++;
        present->runs += is_new || rows[i] != rows[i - 1] + 1;
    }
    if (!is_bitmap(self)) {
        for (size_t i = 0; i < count; i++)
            VEER_TRY(put(self, rows[i], 4));
        return flush(self);
    }
    VEER_TRY(put_header(self));
    for (size_t i = 0; i < self->containers_count; i++) {
        const container *present = &self->containers[i];
        memset(self->words, 0, sizeof self->words);
        for (uint32_t j = 0; j < present->count; j++)
            bitset_set(self->words, *rows++ % BITMAP_CONTAINER_ROWS);
        VEER_TRY(put_container(self, present, self->words));
    }
    return flush(self);
}

/* ---- bits */

/* The words of a container, in place where they are all there. */
static const uint64_t *words_of(bitmap_encoder *self, const uint64_t *bits, size_t rows, size_t key)
{
    size_t first = key * CONTAINER_WORDS, words = bitset_words(rows) - first;
    if (words >= CONTAINER_WORDS) return bits + first;
    memcpy(self->words, bits + first, words * sizeof *bits);
    memset(self->words + words, 0, (CONTAINER_WORDS - words) * sizeof *bits);
    return self->words;
}

veer_status bitmap_encode_bits(bitmap_encoder *self, const uint64_t *bits, size_t rows,
                               bitmap_put to, void *context)
{
    begin(self, to, context);
    for (size_t key = 0; key * BITMAP_CONTAINER_ROWS < rows; key++) {
        const uint64_t *words = words_of(self, bits, rows, key);
        container present = {.key = (uint32_t)key};
        uint64_t last = 0; /* the bit before this word */
        for (size_t i = 0; i < CONTAINER_WORDS; i++) {
            present.count += bitset_ones(words[i]);
            present.runs += bitset_ones(words[i] & ~(words[i] << 1 | last));
            last = words[i] >> 63;
        }
        if (present.count > 0) self->containers[self->containers_count++] = present;
        self->count += present.count;
    }
    bool as_bitmap = is_bitmap(self);
    if (as_bitmap) VEER_TRY(put_header(self));
    for (size_t i = 0; i < self->containers_count; i++) {
        const container *present = &self->containers[i];
        const uint64_t *words = words_of(self, bits, rows, present->key);
        if (as_bitmap) {
            VEER_TRY(put_container(self, present, words));
            continue;
        }
        size_t first = (size_t)present->key * BITMAP_CONTAINER_ROWS;
        for (size_t w = 0; w < CONTAINER_WORDS; w++)
            for (uint64_t word = words[w]; word != 0; word &= word - 1)
                VEER_TRY(put(self, first + w * 64 + (size_t)__builtin_ctzll(word), 4));
    }
    return flush(self);
}
