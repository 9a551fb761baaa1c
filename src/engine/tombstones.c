/* Dead rows as pages of bits that versions share; see engine.h. A set is never changed once it is
 * seen: tombstones_with copies the pages that it touches and shares the rest. */
#include <string.h>

#include "base/bitset.h"
#include "engine/engine.h"

static size_t header_bytes(size_t pages)
{
    return sizeof(tombstones) + pages * sizeof(tombstone_page *);
}

static void page_release(const veer_allocator *allocator, tombstone_page *page)
{
    if (page && atomic_fetch_sub(&page->references, 1) == 1)
        memory_free(allocator, page, sizeof *page);
}

void tombstones_acquire(tombstones *dead)
{
    if (dead) atomic_fetch_add(&dead->references, 1);
}

void tombstones_release(tombstones *dead)
{
    if (!dead || atomic_fetch_sub(&dead->references, 1) != 1) return;
    const veer_allocator *allocator = dead->allocator;
    for (size_t i = 0; i < dead->pages_count; i++)
        page_release(allocator, dead->pages[i]);
    memory_free(allocator, dead, header_bytes(dead->pages_count));
}

/* A page of `dead` that nobody else sees, made or copied when it is not yet. `own` has one bit a
 * page: whether this call made it. */
static tombstone_page *own_page(tombstones *dead, size_t index, uint8_t *own)
{
    tombstone_page *old = dead->pages[index];
    if (own[index]) return old;
    tombstone_page *page = memory_new(dead->allocator, sizeof *page);
    if (!page) return NULL;
    atomic_init(&page->references, 1);
    if (old) memcpy(page->bits, old->bits, sizeof page->bits);
    page_release(dead->allocator, old);
    dead->pages[index] = page;
    own[index] = 1;
    return page;
}

tombstones *tombstones_with(const veer_allocator *allocator, const tombstones *old,
                            const uint32_t *rows, size_t count)
{
    size_t pages = old ? old->pages_count : 0;
    for (size_t i = 0; i < count; i++) {
        size_t page = rows[i] / TOMBSTONE_PAGE_ROWS;
        if (page >= pages) pages = page + 1;
    }
    uint8_t *own = memory_new(allocator, pages + 1);
    tombstones *dead = memory_new(allocator, header_bytes(pages));
    if (!own || !dead) {
        memory_free(allocator, own, pages + 1);
        memory_free(allocator, dead, header_bytes(pages));
        return NULL;
    }
    atomic_init(&dead->references, 1);
    dead->allocator = allocator;
    dead->pages_count = pages;
    if (old) {
        dead->dead = old->dead;
        for (size_t i = 0; i < old->pages_count; i++) {
            dead->pages[i] = old->pages[i];
            if (old->pages[i]) atomic_fetch_add(&old->pages[i]->references, 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        tombstone_page *page = own_page(dead, rows[i] / TOMBSTONE_PAGE_ROWS, own);
        if (!page) {
            memory_free(allocator, own, pages + 1);
            tombstones_release(dead);
            return NULL;
        }
        uint32_t bit = rows[i] % TOMBSTONE_PAGE_ROWS;
        if (!bitset_get(page->bits, bit)) {
            bitset_set(page->bits, bit);
            dead->dead++;
        }
    }
    memory_free(allocator, own, pages + 1);
    return dead;
}

bool tombstones_has(const tombstones *dead, uint32_t row)
{
    size_t page = row / TOMBSTONE_PAGE_ROWS;
    return dead && page < dead->pages_count && dead->pages[page] &&
           bitset_get(dead->pages[page]->bits, row % TOMBSTONE_PAGE_ROWS);
}

void tombstones_clear(const tombstones *dead, uint64_t *live, size_t rows)
{
    size_t words = bitset_words(rows);
    for (size_t i = 0; dead && i < dead->pages_count; i++) {
        size_t first = i * (TOMBSTONE_PAGE_ROWS / 64);
        if (first >= words) break;
        size_t count = words - first;
        if (count > TOMBSTONE_PAGE_ROWS / 64) count = TOMBSTONE_PAGE_ROWS / 64;
        if (dead->pages[i]) bitset_and_not(live + first, dead->pages[i]->bits, count);
    }
}
