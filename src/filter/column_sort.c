/* The three sorts of this room. See column_sort.h. All are O(n log n) or better whatever the
 * input is, and do not recurse.
 */
#include "filter/column_sort.h"

#include <string.h>

#include "base/memory.h"

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

/* ---- pairs */

#define ROW_PASSES 4u
#define PASSES 12u /* after the first one, which looks */

veer_status pair_sort_init(pair_sort *sort, const veer_allocator *allocator, size_t capacity)
{
    memset(sort, 0, sizeof *sort);
    sort->allocator = allocator;
    sort->capacity = capacity;
    sort->rows_ascend = true;
    sort->keys = memory_room(allocator, capacity, sizeof *sort->keys);
    sort->rows = memory_room(allocator, capacity, sizeof *sort->rows);
    sort->other_keys = memory_room(allocator, capacity, sizeof *sort->keys);
    sort->other_rows = memory_room(allocator, capacity, sizeof *sort->rows);
    bool has_all = sort->keys != NULL && sort->rows != NULL && sort->other_keys != NULL &&
                   sort->other_rows != NULL;
    return has_all || capacity == 0 ? VEER_OK : VEER_E_NOMEM;
}

void pair_sort_fini(pair_sort *sort)
{
    memory_array_free(sort->allocator, sort->keys, sort->capacity, sizeof *sort->keys);
    memory_array_free(sort->allocator, sort->rows, sort->capacity, sizeof *sort->rows);
    memory_array_free(sort->allocator, sort->other_keys, sort->capacity, sizeof *sort->keys);
    memory_array_free(sort->allocator, sort->other_rows, sort->capacity, sizeof *sort->rows);
    memset(sort, 0, sizeof *sort);
}

/* Which bits differ at all, and whether rows ascend already: then keys alone decide. */
static void look(pair_sort *sort, size_t end)
{
    for (; sort->at < end; sort->at++) {
        sort->keys_differ |= sort->keys[sort->at] ^ sort->keys[0];
        sort->rows_differ |= sort->rows[sort->at] ^ sort->rows[0];
        if (sort->at > 0 && sort->rows[sort->at] < sort->rows[sort->at - 1])
            sort->rows_ascend = false;
    }
}

static size_t digit_of(const pair_sort *sort, size_t i)
{
    unsigned byte = sort->pass - 1;
    uint64_t digits =
        byte < ROW_PASSES ? sort->rows[i] >> 8 * byte : sort->keys[i] >> 8 * (byte - ROW_PASSES);
    return digits & 0xFF;
}

static bool is_needed(const pair_sort *sort)
{
    unsigned byte = sort->pass - 1;
    if (byte < ROW_PASSES) return !sort->rows_ascend && (sort->rows_differ >> 8 * byte & 0xFF) != 0;
    return (sort->keys_differ >> 8 * (byte - ROW_PASSES) & 0xFF) != 0;
}

static void count_digits(pair_sort *sort, size_t end)
{
    for (; sort->at < end; sort->at++)
        sort->starts[digit_of(sort, sort->at)]++;
}

static void place_pairs(pair_sort *sort, size_t end)
{
    for (; sort->at < end; sort->at++) {
        size_t place = sort->starts[digit_of(sort, sort->at)]++;
        sort->other_keys[place] = sort->keys[sort->at];
        sort->other_rows[place] = sort->rows[sort->at];
    }
}

/* The end of a walk over all pairs. */
static void next_walk(pair_sort *sort)
{
    sort->at = 0;
    if (sort->pass > 0 && !sort->is_placing) {
        size_t sum = 0;
        for (size_t i = 0; i < 256; i++) {
            size_t here = sort->starts[i];
            sort->starts[i] = sum;
            sum += here;
        }
        sort->is_placing = true;
        return;
    }
    if (sort->is_placing) {
        uint64_t *keys = sort->keys;
        uint32_t *rows = sort->rows;
        sort->keys = sort->other_keys;
        sort->rows = sort->other_rows;
        sort->other_keys = keys;
        sort->other_rows = rows;
    }
    sort->is_placing = false;
    memset(sort->starts, 0, sizeof sort->starts);
    do
        sort->pass++;
    while (sort->pass <= PASSES && !is_needed(sort));
}

bool pair_sort_step(pair_sort *sort, size_t items)
{
    if (sort->count < 2 || sort->pass > PASSES) return true;
    size_t end = sort->count - sort->at < items ? sort->count : sort->at + items;
    if (sort->pass == 0)
        look(sort, end);
    else if (sort->is_placing)
        place_pairs(sort, end);
    else
        count_digits(sort, end);
    if (sort->at == sort->count) next_walk(sort);
    return sort->pass > PASSES;
}

/* ---- items */

void merge_sort_init(merge_sort *sort, void *items, void *other, size_t count, size_t bytes,
                     sort_compare compare, const void *context)
{
    *sort = (merge_sort){.from = items,
                         .to = other,
                         .count = count,
                         .bytes = bytes,
                         .compare = compare,
                         .context = context,
                         .width = 1};
}

/* Goes on merging the two runs at `first`, up to `items` of them; returns how many. */
static size_t merge(merge_sort *sort, size_t items)
{
    size_t rest = sort->count - sort->first;
    size_t left_end = rest < sort->width ? rest : sort->width;
    size_t right_end = rest - left_end < sort->width ? rest - left_end : sort->width;
    const uint8_t *left = sort->from + sort->first * sort->bytes;
    const uint8_t *right = left + left_end * sort->bytes;
    uint8_t *to = sort->to + sort->first * sort->bytes;
    size_t done = 0;
    for (; done < items && sort->left + sort->right < left_end + right_end; done++) {
        const uint8_t *a = left + sort->left * sort->bytes;
        const uint8_t *b = right + sort->right * sort->bytes;
        bool take_left = sort->right == right_end ||
                         (sort->left < left_end && sort->compare(sort->context, a, b) <= 0);
        memcpy(to + (sort->left + sort->right) * sort->bytes, take_left ? a : b, sort->bytes);
        if (take_left)
            sort->left++;
        else
            sort->right++;
    }
    if (sort->left + sort->right == left_end + right_end) {
        sort->first += left_end + right_end;
        sort->left = sort->right = 0;
    }
    return done;
}

bool merge_sort_step(merge_sort *sort, size_t items)
{
    for (size_t done = 0; sort->width < sort->count && done < items;) {
        done += merge(sort, items - done);
        if (sort->first < sort->count) continue;
        uint8_t *swapped = sort->from;
        sort->from = sort->to;
        sort->to = swapped;
        sort->first = 0;
        sort->width *= 2; /* count < 2^63 */
    }
    return sort->width >= sort->count;
}

void sort_items(void *items, void *other, size_t count, size_t bytes, sort_compare compare,
                const void *context)
{
    merge_sort sort;
    merge_sort_init(&sort, items, other, count, bytes, compare, context);
    while (!merge_sort_step(&sort, SIZE_MAX)) {
    }
    if (sort.from != items && count > 0) memcpy(items, sort.from, count * bytes);
}
