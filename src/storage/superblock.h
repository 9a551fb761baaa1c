/* The superblock: which generation is the database (docs/FORMAT.md, "meta"). */
#ifndef VEER_STORAGE_SUPERBLOCK_H
#define VEER_STORAGE_SUPERBLOCK_H

#include "storage/storage_format.h"

#define SUPERBLOCK_SLOTS 2u
#define META_BYTES ((uint64_t)SUPERBLOCK_SLOTS * STORAGE_PAGE_BYTES)

typedef struct superblock {
    uint8_t id[STORAGE_ID_BYTES];
    uint64_t generation;
    uint64_t catalogue_bytes;
    uint32_t catalogue_crc;
    uint32_t live; /* 0 or 1 */
    uint64_t checkpoint_lsn;
    uint64_t salt[2];
    uint64_t start_lsn[2]; /* 0: not in use, the salt is announced */
} superblock;

void superblock_encode(const superblock *super, uint8_t page[STORAGE_PAGE_BYTES]);
/* PAGE_DAMAGED also where a field breaks its rule. */
page_state superblock_decode(const uint8_t page[STORAGE_PAGE_BYTES], superblock *super);

/* What the two slots of `meta` say. */
typedef struct superblock_choice {
    page_state slots[SUPERBLOCK_SLOTS];
    uint64_t generations[SUPERBLOCK_SLOTS]; /* of good slots */
    bool found;
    bool contradiction; /* two good slots that cannot both be true */
    uint32_t slot;      /* the chosen one */
    superblock super;
    bool repair;      /* the other slot is damaged or older */
    bool had_history; /* some slot speaks of a generation above 1, good or not */
} superblock_choice;

/* `meta`: the first `bytes` of the stream, at most META_BYTES; missing slots are damaged. */
void superblock_choose(const uint8_t *meta, size_t bytes, superblock_choice *choice);

#endif
