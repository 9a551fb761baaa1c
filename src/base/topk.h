/* The k nearest so far: a bounded max-heap of (distance, key). Equal distances are ordered by the
 * smaller key, so that the result does not depend on the order of insertion. NaN never enters. */
#ifndef VEER_BASE_TOPK_H
#define VEER_BASE_TOPK_H

#include <math.h>

#include "veer.h"

typedef struct topk_entry {
    float distance;
    uint64_t key; /* callers put age order here: ties go to the smaller */
} topk_entry;

typedef struct topk {
    topk_entry *entries; /* k of them, the caller's memory; [0] is the worst once full */
    size_t k;
    size_t count;
} topk;

void topk_init(topk *heap, topk_entry *entries, size_t k);
/* The distance that a new row must not exceed to enter: +infinity while not full. */
static inline float topk_threshold(const topk *heap)
{
    return heap->count < heap->k ? INFINITY : heap->entries[0].distance;
}
/* Returns true when it entered. */
bool topk_push(topk *heap, float distance, uint64_t key);
/* Sorts entries nearest first; the heap is no heap afterwards. */
void topk_sort(topk *heap);

#endif
