/* The three sorts of this room. See column_sort.h. All are O(n log n) or better whatever the
 * input is, allocate nothing and do not recurse.
 */
#include "filter/column_sort.h"

#include <stdbool.h>
#include <string.h>

#define INSERTION_MAX 24u /* arbitrary: where the heap starts to win */

static void sift_down(uint32_t *items, size_t root, size_t count)
{
    uint32_t item = items[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count) break;
        if (child + 1 < count && items[child + 1] > items[child]) child++;
        if (items[child] <= item) break;
        items[root] = items[child];
        root = child;
    }
    items[root] = item;
}

void sort_u32(uint32_t *items, size_t count)
{
    if (count <= INSERTION_MAX) {
        for (size_t i = 1; i < count; i++) {
            uint32_t item = items[i];
            size_t j = i;
            for (; j > 0 && items[j - 1] > item; j--)
                items[j] = items[j - 1];
            items[j] = item;
        }
        return;
    }
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, i, count);
    for (size_t end = count - 1; end > 0; end--) {
        uint32_t largest = items[0];
        items[0] = items[end];
        items[end] = largest;
        sift_down(items, 0, end);
    }
}

typedef struct pairs {
    uint64_t *keys;
    uint32_t *rows;
} pairs;

/* One stable pass by the byte at `shift` of keys, or of rows. False where all agree in it. */
static bool radix_pass(pairs from, pairs to, size_t count, unsigned shift, bool by_row)
{
    size_t starts[256] = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t digits = by_row ? from.rows[i] : from.keys[i];
        starts[digits >> shift & 0xFF]++;
    }
    uint64_t first = by_row ? from.rows[0] : from.keys[0];
    if (starts[first >> shift & 0xFF] == count) return false;
    size_t sum = 0;
    for (size_t i = 0; i < 256; i++) {
        size_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t digits = by_row ? from.rows[i] : from.keys[i];
        size_t place = starts[digits >> shift & 0xFF]++;
        to.keys[place] = from.keys[i];
        to.rows[place] = from.rows[i];
    }
    return true;
}

void sort_pairs(uint64_t *keys, uint32_t *rows, uint64_t *other_keys, uint32_t *other_rows,
                size_t count)
{
    if (count < 2) return;
    pairs from = {keys, rows};
    pairs to = {other_keys, other_rows};
    bool ascending = true;
    for (size_t i = 1; i < count && ascending; i++)
        ascending = rows[i - 1] <= rows[i];
    for (unsigned pass = ascending ? 4 : 0; pass < 12; pass++) {
        bool by_row = pass < 4;
        unsigned shift = 8 * (by_row ? pass : pass - 4);
        if (!radix_pass(from, to, count, shift, by_row)) continue;
        pairs swapped = from;
        from = to;
        to = swapped;
    }
    if (from.keys != keys) {
        memcpy(keys, from.keys, count * sizeof *keys);
        memcpy(rows, from.rows, count * sizeof *rows);
    }
}

/* Merges items [first, middle) and [middle, end) of `from` into `to`. */
static void merge(const uint8_t *from, uint8_t *to, size_t first, size_t middle, size_t end,
                  size_t bytes, sort_compare compare, const void *context)
{
    size_t left = first, right = middle;
    for (size_t i = first; i < end; i++) {
        bool take_left = right >= end || (left < middle && compare(context, from + left * bytes,
                                                                   from + right * bytes) <= 0);
        size_t taken = take_left ? left++ : right++;
        memcpy(to + i * bytes, from + taken * bytes, bytes);
    }
}

void sort_items(void *items, void *other, size_t count, size_t bytes, sort_compare compare,
                const void *context)
{
    uint8_t *from = items, *to = other;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t first = 0; first < count; first += 2 * width) {
            size_t middle = count - first < width ? count : first + width;
            size_t end = count - middle < width ? count : middle + width;
            merge(from, to, first, middle, end, bytes, compare, context);
        }
        uint8_t *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != items && count > 0) memcpy(items, from, count * bytes);
}
