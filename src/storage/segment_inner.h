/* Segment files from inside: header, section table, and the opened segment. */
#ifndef VEER_STORAGE_SEGMENT_INNER_H
#define VEER_STORAGE_SEGMENT_INNER_H

#include <stdatomic.h>

#include "platform/thread.h"
#include "storage/segment.h"
#include "storage/segment_home.h"
#include "storage/storage_format.h"

#define SEGMENT_INFO_BYTES_MAX 1024u
#define SEGMENT_BLOCK_BYTES_MIN 4096u
#define SEGMENT_BLOCK_BYTES_MAX (1u << 20)
#define SEGMENT_ENTRY_BYTES 48u
#define SEGMENT_INLINE_SECTIONS 61u
#define SEGMENT_INFO_AT 128u
#define SEGMENT_TABLE_AT 1152u
#define SEGMENT_MAP_ALIGNMENT 64u

typedef struct segment_entry {
    uint16_t kind;
    uint32_t field;
    uint64_t offset;
    uint64_t bytes;
    uint32_t block_bytes;
    uint32_t table_crc;
    uint64_t table_offset;
} segment_entry;

typedef struct segment_header {
    uint32_t kind;
    uint64_t bytes;
    uint32_t sections;
    uint32_t info_bytes;
    uint64_t table_offset;
    uint32_t table_crc;
} segment_header;

uint64_t segment_entry_blocks(const segment_entry *entry);
bool segment_block_bytes_valid(uint32_t block_bytes);
void segment_entry_encode(const segment_entry *entry, uint8_t to[SEGMENT_ENTRY_BYTES]);
/* False where a rule of one entry is broken. */
bool segment_entry_decode(const uint8_t from[SEGMENT_ENTRY_BYTES], segment_entry *entry);
/* Everything of the header page but info, inline table and checksum. */
void segment_header_encode(const segment_header *header, uint8_t page[STORAGE_PAGE_BYTES]);
/* Checks page and header against the stream's size; VEER_E_CORRUPT names the stream. */
veer_status segment_header_decode(const uint8_t page[STORAGE_PAGE_BYTES], const char *name,
                                  uint64_t stream_bytes, segment_header *header, veer_error *error);
/* Checks order, bounds and uniqueness of n entries. */
bool segment_entries_valid(const segment_entry *entries, size_t n, const segment_header *header);

/* A section whose block table has been verified. */
typedef struct segment_ready {
    const uint8_t *table; /* u32 each */
    uint8_t *owned;       /* the same, where it is not mapped */
    size_t table_bytes;
    _Atomic uint64_t *verified; /* bits of blocks: mapped, or in the room; else NULL */
    size_t verified_words;
    _Atomic(uint8_t *) room; /* of the whole section; blocks are there once they are verified */
    size_t room_bytes;
    _Atomic uint32_t refused; /* the cache's epoch in which there was no room; 0: never */
} segment_ready;

struct segment {
    segment_home *home;
    void *file;
    const uint8_t *map; /* the whole stream, or NULL */
    uint64_t bytes;
    uint64_t uid;
    char name[STORAGE_NAME_BYTES + 1];
    uint8_t info[SEGMENT_INFO_BYTES_MAX];
    size_t info_bytes;
    segment_entry *entries;
    size_t entries_count;
    thread_mutex preparing; /* one thread makes a section ready */
    thread_mutex loading;   /* one thread loads a section */
    _Atomic(segment_ready *) *ready;
    _Atomic(uint8_t *) *loaded;
    _Atomic size_t resident;
};

/* segment_read.c */

#define SEGMENT_RUN_BYTES ((uint64_t)1 << 20) /* read at once; arbitrary */

static inline void segment_count_resident(segment *self, size_t bytes)
{
    atomic_fetch_add(&self->resident, bytes);
    atomic_fetch_add(&self->home->resident_bytes, bytes);
}

static inline bool segment_is_verified(const segment_ready *ready, uint64_t block)
{
    uint64_t word = atomic_load_explicit(&ready->verified[block / 64], memory_order_acquire);
    return (word >> (block % 64) & 1) != 0;
}

static inline void segment_set_verified(const segment_ready *ready, uint64_t block)
{
    atomic_fetch_or_explicit(&ready->verified[block / 64], (uint64_t)1 << (block % 64),
                             memory_order_release);
}

void segment_ready_free(const segment_home *home, segment_ready *ready);
/* The verified block table of a section; made by the first who asks. */
veer_status segment_prepare(segment *segment, uint32_t section, const segment_ready **ready,
                            veer_error *error);
/* Makes `verified`, all zero. */
veer_status segment_new_bitmap(segment *segment, uint64_t blocks, segment_ready *ready,
                               veer_error *error);
/* Whether block `block` of the section has the right checksum. */
bool segment_block_right(const segment_entry *entry, const segment_ready *ready, uint64_t block,
                         const uint8_t *data);
uint64_t segment_block_size(const segment_entry *entry, uint64_t block);
veer_status segment_block_damaged(const segment *segment, uint32_t section, uint64_t block,
                                  veer_error *error);

/* segment_room.c: of a section that is prepared and not mapped */

/* The memory of the whole section, or NULL: its blocks go through the cache. */
uint8_t *segment_room(segment *segment, uint32_t section);
/* Makes blocks [first, end) of the room right; asks for all that are missing before it says
 * VEER_PENDING. */
veer_status segment_fill_room(segment *segment, uint32_t section, uint64_t first, uint64_t end,
                              veer_error *error);

#endif
