/* Encoding, decoding and choosing superblocks.
 *
 * The two slots are written one after the other with a sync between, the worse one first, so that
 * one of them is whole at every moment. The choice is a pure function of their bytes:
 *
 *     good g      good g      the steady state
 *     good g + 1  good g      crash between the slots: g + 1 (its catalogue was synced before)
 *     torn        good g      crash in the first slot: g. Or damage: g again, since a finished
 *                             commit has the same generation in both
 *     torn        torn        not a crash of ours: damaged (or a creation that never finished,
 *                             which recovery.c tells apart by what else is there)
 *
 * Threads: pure functions.
 */
#include "storage/superblock.h"

enum {
    LIVE_AT = 20,
    ID_AT = 24,
    GENERATION_AT = 40,
    CATALOGUE_BYTES_AT = 48,
    CATALOGUE_CRC_AT = 56,
    CHECKPOINT_AT = 64,
    WAL_AT = 72, /* salt and start LSN, 16 bytes a file */
};

void superblock_encode(const superblock *super, uint8_t page[STORAGE_PAGE_BYTES])
{
    page_begin(page, STORAGE_MAGIC_META);
    store_u32(page + LIVE_AT, super->live);
    memcpy(page + ID_AT, super->id, STORAGE_ID_BYTES);
    store_u64(page + GENERATION_AT, super->generation);
    store_u64(page + CATALOGUE_BYTES_AT, super->catalogue_bytes);
    store_u32(page + CATALOGUE_CRC_AT, super->catalogue_crc);
    store_u64(page + CHECKPOINT_AT, super->checkpoint_lsn);
    for (unsigned i = 0; i < 2; i++) {
        store_u64(page + WAL_AT + 16 * i, super->salt[i]);
        store_u64(page + WAL_AT + 16 * i + 8, super->start_lsn[i]);
    }
    page_seal(page);
}

page_state superblock_decode(const uint8_t page[STORAGE_PAGE_BYTES], superblock *super)
{
    page_state state = page_look(page, STORAGE_MAGIC_META);
    if (state != PAGE_GOOD) return state;
    superblock read = {
        .generation = load_u64(page + GENERATION_AT),
        .catalogue_bytes = load_u64(page + CATALOGUE_BYTES_AT),
        .catalogue_crc = load_u32(page + CATALOGUE_CRC_AT),
        .live = load_u32(page + LIVE_AT),
        .checkpoint_lsn = load_u64(page + CHECKPOINT_AT),
    };
    memcpy(read.id, page + ID_AT, STORAGE_ID_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        read.salt[i] = load_u64(page + WAL_AT + 16 * i);
        read.start_lsn[i] = load_u64(page + WAL_AT + 16 * i + 8);
    }
    bool valid = read.generation >= 1 && read.generation < STORAGE_NUMBER_MAX && read.live <= 1 &&
                 read.checkpoint_lsn < STORAGE_NUMBER_MAX && read.salt[0] != 0 &&
                 read.salt[1] != 0 && read.salt[0] != read.salt[1];
    if (!valid) return PAGE_DAMAGED;
    uint64_t other = read.start_lsn[1 - read.live];
    if (read.start_lsn[read.live] != read.checkpoint_lsn + 1) return PAGE_DAMAGED;
    if (other != 0 && (other <= read.checkpoint_lsn || other >= STORAGE_NUMBER_MAX))
        return PAGE_DAMAGED;
    *super = read;
    return PAGE_GOOD;
}

static bool same_superblock(const superblock *a, const superblock *b)
{
    return memcmp(a->id, b->id, STORAGE_ID_BYTES) == 0 && a->generation == b->generation &&
           a->catalogue_bytes == b->catalogue_bytes && a->catalogue_crc == b->catalogue_crc &&
           a->live == b->live && a->checkpoint_lsn == b->checkpoint_lsn &&
           a->salt[0] == b->salt[0] && a->salt[1] == b->salt[1] &&
           a->start_lsn[0] == b->start_lsn[0] && a->start_lsn[1] == b->start_lsn[1];
}

void superblock_choose(const uint8_t *meta, size_t bytes, superblock_choice *choice)
{
    superblock supers[SUPERBLOCK_SLOTS];
    memset(choice, 0, sizeof *choice);
    memset(supers, 0, sizeof supers);
    for (uint32_t slot = 0; slot < SUPERBLOCK_SLOTS; slot++) {
        size_t at = (size_t)slot * STORAGE_PAGE_BYTES;
        choice->slots[slot] = PAGE_FOREIGN;
        size_t left = bytes > at ? bytes - at : 0;
        if (left < STORAGE_PAGE_BYTES) {
            bool begun = left >= STORAGE_MAGIC_BYTES &&
                         memcmp(meta + at, STORAGE_MAGIC_META, STORAGE_MAGIC_BYTES) == 0;
            if (begun) choice->slots[slot] = PAGE_DAMAGED;
        } else {
            choice->slots[slot] = superblock_decode(meta + at, &supers[slot]);
        }
        if (choice->slots[slot] == PAGE_GOOD) choice->generations[slot] = supers[slot].generation;
        if (choice->slots[slot] != PAGE_FOREIGN && left >= GENERATION_AT + 8 &&
            load_u64(meta + at + GENERATION_AT) > 1)
            choice->had_history = true;
    }
    bool good0 = choice->slots[0] == PAGE_GOOD;
    bool good1 = choice->slots[1] == PAGE_GOOD;
    choice->found = good0 || good1;
    if (!choice->found) return;
    choice->slot = !good0 || (good1 && supers[1].generation > supers[0].generation) ? 1 : 0;
    choice->super = supers[choice->slot];
    choice->repair = !good0 || !good1 || supers[0].generation != supers[1].generation;
    if (good0 && good1) {
        bool one_id = memcmp(supers[0].id, supers[1].id, STORAGE_ID_BYTES) == 0;
        choice->contradiction = !one_id || (supers[0].generation == supers[1].generation &&
                                            !same_superblock(&supers[0], &supers[1]));
    }
}
