/* The bounded heap of the k nearest.
 *
 * A binary max-heap in the caller's array, ordered by (distance, key): entries[0] is the worst,
 * which a nearer row replaces. The order is total (NaN is refused, equal distances go by key), so
 * the k that stay depend on the rows alone and not on the order in which they came. Sorting is
 * heapsort: no memory, O(k log k).
 *
 * Threads: one at a time.
 */
#include "base/topk.h"

static bool is_farther(topk_entry a, topk_entry b)
{
    return a.distance > b.distance || (a.distance == b.distance && a.key > b.key);
}

/* Puts `entry` into the heap of `count` entries whose place `hole` is free, downwards. */
static void sift_down(topk_entry *entries, size_t count, size_t hole, topk_entry entry)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= count) break;
        if (child + 1 < count && is_farther(entries[child + 1], entries[child])) child++;
        if (!is_farther(entries[child], entry)) break;
        entries[hole] = entries[child];
        hole = child;
    }
    entries[hole] = entry;
}

static void sift_up(topk_entry *entries, size_t hole, topk_entry entry)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (!is_farther(entry, entries[parent])) break;
        entries[hole] = entries[parent];
        hole = parent;
    }
    entries[hole] = entry;
}

void topk_init(topk *heap, topk_entry *entries, size_t k)
{
    heap->entries = entries;
    heap->k = k;
    heap->count = 0;
}

bool topk_push(topk *heap, float distance, uint64_t key)
{
    topk_entry entry = {distance, key};
    if (isnan(distance)) return false;
    if (heap->count < heap->k) {
        sift_up(heap->entries, heap->count, entry);
        heap->count++;
        return true;
    }
    if (heap->k == 0 || !is_farther(heap->entries[0], entry)) return false;
    sift_down(heap->entries, heap->count, 0, entry);
    return true;
}

void topk_sort(topk *heap)
{
    for (size_t left = heap->count; left > 1; left--) {
        topk_entry worst = heap->entries[0];
        sift_down(heap->entries, left - 1, 0, heap->entries[left - 1]);
        heap->entries[left - 1] = worst;
    }
}
