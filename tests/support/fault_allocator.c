/* See fault_allocator.h. A block in memory:
 *
 *     [ ... | fault_block | the caller's bytes | guard of 32 bytes ]
 *             ^ right before the caller's, which is aligned as asked
 */
#define _GNU_SOURCE

#include "support/fault_allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 32
#define LIVE_MARK 0x56454552424C4F4Bu
#define DEAD_MARK 0x6465616462656566u

typedef struct fault_block {
    struct fault_block *next;
    struct fault_block **link; /* what points here */
    void *start;               /* of malloc's block */
    size_t bytes;
    size_t alignment;
    uint64_t mark; /* last: an underrun hits it first */
} fault_block;

static void note(fault_allocator *f, const char *what, size_t bytes, size_t alignment,
                 size_t true_bytes, size_t true_alignment)
{
    if (f->problem[0] != 0) return;
    (void)snprintf(f->problem, sizeof f->problem,
                   "%s (released as %zu bytes aligned to %zu, allocated as %zu aligned to %zu)",
                   what, bytes, alignment, true_bytes, true_alignment);
}

static void *allocate(void *context, size_t bytes, size_t alignment)
{
    fault_allocator *f = context;
    bool is_power = alignment != 0 && (alignment & (alignment - 1)) == 0;
    pthread_mutex_lock(&f->mutex);
    uint64_t number = f->calls++;
    bool fails = number == f->fail_at || (f->fail_forever && number > f->fail_at);
    if (fails) f->fired = true;
    if (!is_power || bytes == 0) note(f, "odd request", bytes, alignment, bytes, alignment);
    pthread_mutex_unlock(&f->mutex);
    if (fails || !is_power) return NULL;

    size_t unit = alignment < 16 ? 16 : alignment;
    size_t head = (sizeof(fault_block) + unit - 1) & ~(unit - 1);
    if (bytes > SIZE_MAX / 2 || head > SIZE_MAX / 4) return NULL;
    void *start = NULL;
    if (posix_memalign(&start, unit, head + bytes + GUARD_BYTES) != 0) return NULL;
    uint8_t *memory = (uint8_t *)start + head;
    memset(start, 0xEE, head);
    memset(memory, 0xA5, bytes);
    memset(memory + bytes, 0xEE, GUARD_BYTES);
    fault_block *block = (fault_block *)(void *)(memory - sizeof *block);
    block->start = start;
    block->bytes = bytes;
    block->alignment = alignment;
    block->mark = LIVE_MARK;

    pthread_mutex_lock(&f->mutex);
    block->next = f->blocks;
    block->link = &f->blocks;
    if (f->blocks != NULL) f->blocks->link = &block->next;
    f->blocks = block;
    f->live_blocks++;
    f->live_bytes += bytes;
    if (f->live_bytes > f->peak_bytes) f->peak_bytes = f->live_bytes;
    pthread_mutex_unlock(&f->mutex);
    return memory;
}

static bool guard_is_whole(const fault_block *block)
{
    const uint8_t *behind = (const uint8_t *)(block + 1) + block->bytes;
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (behind[i] != 0xEE) return false;
    }
    return true;
}

static void unlink_block(fault_allocator *f, fault_block *block)
{
    *block->link = block->next;
    if (block->next != NULL) block->next->link = block->link;
    f->live_blocks--;
    f->live_bytes -= block->bytes;
}

static void release(void *context, void *memory, size_t bytes, size_t alignment)
{
    fault_allocator *f = context;
    pthread_mutex_lock(&f->mutex);
    if (memory == NULL) {
        note(f, "release of NULL", bytes, alignment, 0, 0);
        pthread_mutex_unlock(&f->mutex);
        return;
    }
    fault_block *block = (fault_block *)memory - 1;
    if (block->mark != LIVE_MARK) {
        note(f, block->mark == DEAD_MARK ? "released twice" : "underrun, or never allocated", bytes,
             alignment, 0, 0);
        pthread_mutex_unlock(&f->mutex);
        return;
    }
    if (block->bytes != bytes || block->alignment != alignment) {
        note(f, "released with a wrong size or alignment", bytes, alignment, block->bytes,
             block->alignment);
    }
    if (!guard_is_whole(block)) {
        note(f, "overrun", bytes, alignment, block->bytes, block->alignment);
    }
    unlink_block(f, block);
    pthread_mutex_unlock(&f->mutex);

    block->mark = DEAD_MARK;
    memset(memory, 0xDD, block->bytes);
    free(block->start);
}

void fault_allocator_init(fault_allocator *f)
{
    memset(f, 0, sizeof *f);
    f->allocator.allocate = allocate;
    f->allocator.release = release;
    f->allocator.context = f;
    f->fail_at = UINT64_MAX;
    (void)pthread_mutex_init(&f->mutex, NULL);
}

const char *fault_allocator_fini(fault_allocator *f)
{
    if (f->live_blocks != 0 && f->problem[0] == 0) {
        (void)snprintf(f->problem, sizeof f->problem,
                       "leak: %zu blocks of %zu bytes in all; the youngest has %zu bytes",
                       f->live_blocks, f->live_bytes, f->blocks->bytes);
    }
    while (f->blocks != NULL) {
        fault_block *block = f->blocks;
        unlink_block(f, block);
        free(block->start);
    }
    (void)pthread_mutex_destroy(&f->mutex);
    return f->problem[0] == 0 ? NULL : f->problem;
}

void fault_allocator_fail(fault_allocator *f, uint64_t number, bool forever)
{
    pthread_mutex_lock(&f->mutex);
    f->calls = 0;
    f->fail_at = number;
    f->fail_forever = forever;
    f->fired = false;
    pthread_mutex_unlock(&f->mutex);
}

bool fault_allocator_fired(fault_allocator *f)
{
    pthread_mutex_lock(&f->mutex);
    bool fired = f->fired;
    pthread_mutex_unlock(&f->mutex);
    return fired;
}

uint64_t fault_allocator_calls(fault_allocator *f)
{
    pthread_mutex_lock(&f->mutex);
    uint64_t calls = f->calls;
    pthread_mutex_unlock(&f->mutex);
    return calls;
}

size_t fault_allocator_live(fault_allocator *f)
{
    pthread_mutex_lock(&f->mutex);
    size_t blocks = f->live_blocks;
    pthread_mutex_unlock(&f->mutex);
    return blocks;
}

const char *fault_allocator_problem(fault_allocator *f)
{
    return f->problem[0] == 0 ? NULL : f->problem;
}
