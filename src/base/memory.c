/* Allocation through a caller's allocator, the platform's allocator, and budgets.
 *
 * Guarantees: a size that does not fit size_t is a NULL like any other shortage; a NULL is never
 * released; what is released carries the size and alignment that it was allocated with.
 *
 * The platform's allocator puts blocks of 4 MiB and more on 2 MiB boundaries and asks Linux for
 * huge pages there: scans over big arrays spend much of their time in address translation
 * otherwise. That is a wish; a kernel that refuses changes nothing.
 *
 * A budget counts bytes as they were asked for, not what malloc makes of them. The count is one
 * atomic number: an allocation first takes its bytes from it and gives them back if the allocator
 * below has none, so that the sum over all threads never exceeds the limit, and an allocation may
 * fail while another one that is about to fail holds its bytes.
 *
 * Threads: all functions from any thread; a budget must not move while its allocator is in use.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#include <sys/mman.h>
#endif

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/sizes.h"

#define OBJECT_ALIGNMENT 16u
#define ARRAY_ALIGNMENT 64u
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_BLOCK_BYTES ((size_t)4 << 20)

static void *platform_allocate(void *context, size_t bytes, size_t alignment)
{
    (void)context;
    if (bytes == 0) bytes = 1;
#if defined(__linux__)
    if (bytes >= HUGE_BLOCK_BYTES && alignment <= HUGE_PAGE_BYTES) {
        void *block = NULL;
        if (posix_memalign(&block, HUGE_PAGE_BYTES, bytes) != 0) return NULL;
        (void)madvise(block, bytes & ~(HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
        return block;
    }
#endif
    if (alignment <= _Alignof(max_align_t)) return malloc(bytes);
    if (bytes > SIZE_MAX - (alignment - 1)) return NULL;
    return aligned_alloc(alignment, size_round_up(bytes, alignment));
}

static void platform_release(void *context, void *memory, size_t bytes, size_t alignment)
{
    (void)context;
    (void)bytes;
    (void)alignment;
    free(memory);
}

const veer_allocator *memory_default(void)
{
    static const veer_allocator platform = {platform_allocate, platform_release, NULL};
    return &platform;
}

/* Nobody allocates nothing: an object of no bytes takes one, so that NULL always means shortage. */
static size_t object_bytes(size_t bytes)
{
    return bytes == 0 ? 1 : bytes;
}

void *memory_new(const veer_allocator *allocator, size_t bytes)
{
    void *memory = allocator->allocate(allocator->context, object_bytes(bytes), OBJECT_ALIGNMENT);
    if (memory != NULL) memset(memory, 0, object_bytes(bytes));
    return memory;
}

void memory_free(const veer_allocator *allocator, void *memory, size_t bytes)
{
    if (memory == NULL) return;
    allocator->release(allocator->context, memory, object_bytes(bytes), OBJECT_ALIGNMENT);
}

void *memory_room(const veer_allocator *allocator, size_t count, size_t bytes_each)
{
    size_t bytes;
    if (!size_mul(count, bytes_each, &bytes) || bytes == 0) return NULL;
    return allocator->allocate(allocator->context, bytes, ARRAY_ALIGNMENT);
}

void *memory_array(const veer_allocator *allocator, size_t count, size_t bytes_each)
{
    void *memory = memory_room(allocator, count, bytes_each);
    if (memory != NULL) memset(memory, 0, count * bytes_each);
    return memory;
}

void memory_array_free(const veer_allocator *allocator, void *memory, size_t count,
                       size_t bytes_each)
{
    if (memory == NULL) return;
    allocator->release(allocator->context, memory, count * bytes_each, ARRAY_ALIGNMENT);
}

/* Room for `elements`, the first `bytes_kept` of it copied from `old`, the rest zero. */
static void *grown_copy(const veer_allocator *allocator, size_t elements, size_t bytes_each,
                        const void *old, size_t bytes_kept)
{
    size_t bytes;
    if (!size_mul(elements, bytes_each, &bytes) || bytes == 0) return NULL;
    uint8_t *memory = allocator->allocate(allocator->context, bytes, ARRAY_ALIGNMENT);
    if (memory == NULL) return NULL;
    if (bytes_kept != 0) memcpy(memory, old, bytes_kept);
    memset(memory + bytes_kept, 0, bytes - bytes_kept);
    return memory;
}

veer_status memory_grow(const veer_allocator *allocator, void **memory, size_t *capacity,
                        size_t wanted, size_t bytes_each)
{
    if (wanted <= *capacity) return VEER_OK;
    size_t doubled = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    size_t elements = doubled > wanted ? doubled : wanted;
    size_t bytes_kept = *capacity * bytes_each;
    void *grown = grown_copy(allocator, elements, bytes_each, *memory, bytes_kept);
    if (grown == NULL && elements > wanted) {
        /* Near a limit the exact size may still fit. */
        elements = wanted;
        grown = grown_copy(allocator, elements, bytes_each, *memory, bytes_kept);
    }
    if (grown == NULL) return VEER_E_NOMEM;
    memory_array_free(allocator, *memory, *capacity, bytes_each);
    *memory = grown;
    *capacity = elements;
    return VEER_OK;
}

veer_status memory_buffer(const veer_allocator *allocator, size_t bytes, veer_buffer *buffer)
{
    memset(buffer, 0, sizeof *buffer);
    size_t with_end;
    if (!size_add(bytes, 1, &with_end)) return VEER_E_NOMEM;
    char *data = memory_new(allocator, with_end);
    if (data == NULL) return VEER_E_NOMEM;
    buffer->data = data;
    buffer->bytes = bytes;
    buffer->allocator = *allocator;
    return VEER_OK;
}

void veer_buffer_free(veer_buffer *buffer)
{
    if (buffer == NULL) return;
    if (buffer->data != NULL) memory_free(&buffer->allocator, buffer->data, buffer->bytes + 1);
    memset(buffer, 0, sizeof *buffer);
}

static void *budget_allocate(void *context, size_t bytes, size_t alignment)
{
    memory_budget *budget = context;
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    size_t next;
    do {
        if (!size_add(used, bytes, &next) || next > budget->limit) return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    void *memory = budget->base.allocate(budget->base.context, bytes, alignment);
    if (memory == NULL) {
        atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
        return NULL;
    }
    size_t peak = atomic_load_explicit(&budget->peak, memory_order_relaxed);
    while (next > peak &&
           !atomic_compare_exchange_weak_explicit(&budget->peak, &peak, next, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    return memory;
}

static void budget_release(void *context, void *memory, size_t bytes, size_t alignment)
{
    memory_budget *budget = context;
    if (memory == NULL) return;
    budget->base.release(budget->base.context, memory, bytes, alignment);
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

void memory_budget_init(memory_budget *budget, const veer_allocator *base, size_t limit)
{
    budget->base = *base;
    budget->allocator.allocate = budget_allocate;
    budget->allocator.release = budget_release;
    budget->allocator.context = budget;
    atomic_init(&budget->used, 0);
    atomic_init(&budget->peak, 0);
    budget->limit = limit;
}
