/* Steps of a sealed number or time column: the rows of wide ranges without looking at each of them.
 *
 * Sorted rows are random places in a bitset, a nanosecond each: for half of 100,000 rows that is
 * more than a search of their vectors takes. So the sets of the rows that come first in the order of
 * values are kept, in STEPS equal steps,
 *
 *     sorted rows   [----|----|----|----]      step i: the rows before its end
 *     a range          [==========]            step b less step a, and the rows in between
 *
 * and a range costs one pass over the words of two steps, and single rows up to half a step at each
 * end. They take STEPS / 8 bytes a row in memory, made when the column is opened.
 *
 * Threads: immutable once made.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "filter/column_inner.h"

/* 1/32 of the rows at most are looked at on each side. Arbitrary: 2 bytes a row. */
#define STEPS 16u
/* Fewer rows are set in a microsecond. */
#define PRESENT_MIN 1024u

static bool has_steps(const sealed_column *sealed)
{
    return sealed->sorted != NULL && sealed->present >= PRESENT_MIN;
}

/* Sorted rows before the end of step i. */
static uint32_t step_end(const sealed_column *sealed, uint32_t i)
{
    return (uint32_t)((uint64_t)sealed->present * i / STEPS);
}

/* The step whose end is nearest to `place`; 0: the beginning. */
static uint32_t nearest_step(const sealed_column *sealed, uint32_t place)
{
    return (uint32_t)(((uint64_t)place * STEPS + sealed->present / 2) / sealed->present);
}

static void set_rows(const sealed_column *sealed, uint32_t first, uint32_t end, uint64_t *words)
{
    for (size_t i = first; i < end; i++)
        bitset_set(words, load_u32(sealed->sorted + 4 * i));
}

static void clear_rows(const sealed_column *sealed, uint32_t first, uint32_t end, uint64_t *words)
{
    for (size_t i = first; i < end; i++)
        bitset_clear(words, load_u32(sealed->sorted + 4 * i));
}

bool sealed_steps_new(sealed_column *sealed)
{
    if (!has_steps(sealed)) return true;
    size_t words = bitset_words(sealed->rows);
    sealed->steps = memory_room(sealed->base.allocator, STEPS * words, sizeof *sealed->steps);
    if (sealed->steps == NULL) return false;
    memset(sealed->steps, 0, words * sizeof *sealed->steps);
    for (uint32_t i = 1; i <= STEPS; i++) {
        uint64_t *step = sealed->steps + (i - 1) * words;
        if (i > 1) memcpy(step, step - words, words * sizeof *step);
        set_rows(sealed, step_end(sealed, i - 1), step_end(sealed, i), step);
    }
    return true;
}

void sealed_steps_free(sealed_column *sealed)
{
    memory_array_free(sealed->base.allocator, sealed->steps, STEPS * bitset_words(sealed->rows),
                      sizeof *sealed->steps);
    sealed->steps = NULL;
}

size_t sealed_steps_bytes(const sealed_column *sealed)
{
    return sealed->steps == NULL ? 0 : STEPS * bitset_words(sealed->rows) * sizeof *sealed->steps;
}

bool sealed_steps_between(const sealed_column *sealed, uint32_t first, uint32_t end, size_t rows,
                          uint64_t *words)
{
    if (sealed->steps == NULL || rows < sealed->rows) return false;
    uint32_t low = nearest_step(sealed, first), high = nearest_step(sealed, end);
    if (low >= high) return false;
    size_t count = bitset_words(sealed->rows);
    const uint64_t *upper = sealed->steps + (high - 1) * count;
    memcpy(words, upper, count * sizeof *words);
    if (low > 0) bitset_and_not(words, sealed->steps + (low - 1) * count, count);
    /* Rows of the slice that no step has are set; others that have come with the steps go. */
    uint32_t from = step_end(sealed, low), to = step_end(sealed, high);
    set_rows(sealed, first, from, words);
    clear_rows(sealed, from, first, words);
    set_rows(sealed, to, end, words);
    clear_rows(sealed, end, to, words);
    return true;
}
