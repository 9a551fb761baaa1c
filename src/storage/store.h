/* The store: named streams on one I/O table, with a log, generations and recovery.
 *
 * Streams (docs/FORMAT.md is normative):
 *   meta              two superblocks of 4 KiB
 *   cat.<g>           the catalogue of generation g: the attached streams, and the engine's payload
 *   wal.0, wal.1      the log, in two files that take turns
 *   seg.<n>...        segment files (storage/segment.h), immutable once attached
 *
 * The store knows bytes, names and generations. What a record, a section or the catalogue's
 * payload means is the engine's.
 *
 * Order of a commit: (1) the log is synced; (2) new streams are complete and synced, and so are
 * their names; (3) cat.<g> is written and synced, and its name; (4) the superblock of generation
 * g goes to slot 0, sync, to slot 1, sync; (5) only then streams that are no longer attached may
 * be removed and the old log recycled. A crash at any point leaves either the old or the new
 * generation whole.
 *
 * Failure: when a write or a sync of the log fails, the record is not acknowledged, and the
 * store becomes read-only ("poisoned") if it cannot prove what is on storage: it never retries a
 * sync and pretends. VEER_E_FULL on a log write is undone (the tail is cut back) and leaves it
 * writable. VEER_PENDING comes only before anything has changed; the same call continues.
 *
 * Threads: append, commit, switch and create from one thread at a time (the engine's writer
 * lock); segment readers from any.
 */
#ifndef VEER_STORAGE_STORE_H
#define VEER_STORAGE_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "veer.h"

typedef struct store store;

typedef enum store_sync { STORE_SYNC_FULL, STORE_SYNC_INTERVAL, STORE_SYNC_NONE } store_sync;

typedef struct store_options {
    bool create;   /* make a database where the table holds no stream at all */
    bool readonly; /* nothing is written, not even by recovery */
    store_sync sync;
    double sync_interval_ms;
    uint64_t wal_bytes; /* a log file of this size asks for a checkpoint */
    size_t cache_bytes; /* of verified blocks, where the table cannot map */
} store_options;

/* ---- opening */

/* What recovery found; texts live in the store until it is closed. */
typedef struct store_report {
    uint64_t generation;
    uint64_t checkpoint_lsn;  /* records up to here are in the segments */
    uint64_t last_lsn;        /* of the last committed record */
    uint64_t wal_records;     /* to replay */
    uint64_t dropped_bytes;   /* of a torn tail */
    uint64_t dropped_records; /* whole, but of a transaction that never committed */
    bool superblock_repaired; /* one slot was damaged; the other one serves */
    const char *const *messages;
    size_t messages_count;
} store_report;

/* One committed record. Data is valid during the callback. */
typedef struct store_record {
    uint64_t lsn;
    uint32_t collection;
    uint16_t type;
    uint16_t flags;
    const uint8_t *data;
    size_t bytes;
} store_record;

/* Runs recovery (storage/recovery.h, a pure function of the table) and opens the store. The
 * table must be locked by the caller already and outlive the store. `id` of the database: 16
 * bytes, random when created: `seed` makes it. */
veer_status store_open(const veer_allocator *allocator, const veer_io *io,
                       const store_options *options, uint64_t seed, store **out, veer_error *error);
/* Syncs the log as the mode asks and frees. The status is that of the sync. */
veer_status store_close(store *store, veer_error *error);
const store_report *store_recovery(const store *store);
/* The engine's payload in the present catalogue; empty in a new database. */
void store_catalogue(const store *store, const void **payload, size_t *bytes);
/* Gives every committed record after the checkpoint, in LSN order, once. `each` failing stops
 * it. */
veer_status store_replay(store *store,
                         veer_status (*each)(void *context, const store_record *record,
                                             veer_error *error),
                         void *context, veer_error *error);

/* ---- the log */

typedef struct store_part {
    const void *data;
    size_t bytes;
} store_part;

/* A record to append; its payload is given in parts, so that vectors need no copy. */
typedef struct store_append_record {
    uint32_t collection;
    uint16_t type;
    uint16_t flags;
    const store_part *parts;
    size_t parts_count;
} store_append_record;

/* Appends records as one transaction, all or nothing, and syncs as the mode asks. `last_lsn`
 * receives the LSN of the last one; they are consecutive. */
veer_status store_append(store *store, const store_append_record *records, size_t n,
                         uint64_t *last_lsn, veer_error *error);
/* Makes every appended record durable, whatever the mode. (VEER_PENDING: only in mode none,
 * after opening.) */
veer_status store_sync_log(store *store, veer_error *error);
/* For mode interval: syncs when the interval is over. */
veer_status store_sync_if_due(store *store, veer_error *error);
uint64_t store_last_lsn(const store *store);
/* Bytes in the present log file, and whether it asks for a checkpoint. */
uint64_t store_wal_bytes(const store *store);
bool store_wants_checkpoint(const store *store);
/* Begins a checkpoint: records appended from now on go to the other log file, which is free
 * unless a checkpoint is under way (VEER_E_BUSY). `boundary` receives the last LSN of the old
 * one. Records with the flag STORE_RELOG that are appended first repeat, in the new file, what
 * the checkpoint does not seal: recovery gives them only when the old file is gone. */
#define STORE_RELOG 0x8000u
veer_status store_switch_log(store *store, uint64_t *boundary, veer_error *error);
bool store_checkpoint_under_way(const store *store);
/* While a checkpoint is under way (after opening, too: a crash may have left one), the last LSN
 * of the old log file: what the checkpoint has to seal. Else 0. */
uint64_t store_boundary(const store *store);

/* ---- generations */

/* A stream that a catalogue attaches. */
typedef struct store_stream {
    char name[65];
    uint64_t bytes;
    uint32_t header_crc; /* of the stream's header page */
    uint32_t kind;       /* the engine's: base, codes, columns, ...; 0 base */
} store_stream;

/* Makes a new generation: payload, and exactly these attached streams (all complete and synced
 * by their writers). `recycle_log`: the records up to the boundary of store_switch_log are
 * covered now (nothing, where no checkpoint is under way). */
veer_status store_commit(store *store, const void *payload, size_t bytes,
                         const store_stream *streams, size_t n, bool recycle_log,
                         veer_error *error);
uint64_t store_generation(const store *store);
/* Gives back some megabytes of a log file that store_commit has freed; true: some are left. In
 * pieces, because it takes long on some file systems. */
bool store_trim_log(store *store);

/* The streams that the present catalogue attaches, by name; valid until the next commit. */
void store_streams(const store *store, const store_stream **streams, size_t *n);
/* Whether the present generation needs the stream, or one that a waiting commit makes. Any thread. */
bool store_attaches(store *store, const char *name);
/* Removes a stream that the present generation does not attach; postponed, not failed, where the
 * table cannot do it now. */
void store_remove(store *store, const char *name);
/* Tries postponed removals again; false: some are left. */
bool store_remove_pending(store *store);
/* Syncs the table's names: after creating streams, before a commit. */
veer_status store_sync_names(store *store, veer_error *error);

/* ---- about it */

typedef struct store_usage {
    uint64_t meta_bytes, catalogue_bytes, wal_bytes, segment_bytes; /* on storage */
    size_t cache_bytes, resident_bytes;                             /* in memory */
    uint64_t mapped_bytes;
} store_usage;
void store_get_usage(store *store, store_usage *usage);
bool store_is_readonly(const store *store); /* opened so, or poisoned */
const veer_io *store_io(const store *store);
const uint8_t *store_id(const store *store); /* 16 bytes */

/* Verifies every stream of the table: superblocks, catalogue, logs, all blocks of attached streams,
 * names that do not belong. Calls `problem` for each finding; VEER_OK when it could look. */
veer_status store_check(const veer_allocator *allocator, const veer_io *io,
                        void (*problem)(void *context, const char *stream, const char *text),
                        void *context, veer_progress progress, void *progress_context,
                        veer_error *error);

#endif
