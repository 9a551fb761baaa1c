/* The store's inside, for the files of this room. */
#ifndef VEER_STORAGE_STORE_INNER_H
#define VEER_STORAGE_STORE_INNER_H

#include <stdatomic.h>

#include "platform/thread.h"
#include "storage/block_cache.h"
#include "storage/recovery.h"
#include "storage/segment_home.h"
#include "storage/store.h"
#include "storage/zstd_memory.h"

#define STORE_STAGE_BYTES ((size_t)128 << 10) /* of log gathered into one write; arbitrary */

/* One of the two log files, as the writer sees it. */
typedef struct store_log {
    void *file; /* open for writing; NULL: not opened yet, or the store is read-only */
    uint64_t salt;
    uint64_t end;      /* where the next record goes */
    uint64_t insecure; /* records behind this offset are there, but nobody vouches that they stay */
    uint32_t crc;      /* of the record (or header) before `end` */
    bool tail_is_long; /* the file holds bytes behind `end` that do not count */
    bool is_insecure;
} store_log;

/* A transaction of which some bytes are written, waiting for the rest (VEER_PENDING). */
typedef struct store_waiting_append {
    uint64_t written; /* bytes behind `end`; 0: none */
    uint32_t crc;     /* of these bytes */
} store_waiting_append;

typedef enum commit_step {
    COMMIT_NOT_BEGUN,
    COMMIT_CATALOGUE, /* its stream is being written */
    COMMIT_META,      /* that is safe; the slots are next */
} commit_step;

/* A commit that waits (VEER_PENDING). */
typedef struct store_waiting_commit {
    commit_step step;
    catalogue catalogue;
    superblock super;
    bool recycle;
    bool touched;  /* a slot may have the new generation */
    uint8_t *page; /* of the superblock */
    void *file;    /* of the catalogue */
    void *meta;
    unsigned slots_written;
} store_waiting_commit;

typedef struct store_waiting_switch {
    uint64_t start_lsn; /* of a header that is safe on storage; 0: none */
    wal_header header;
} store_waiting_switch;

struct store {
    const veer_allocator *allocator;
    veer_io io;
    store_options options;
    uint64_t seed;

    superblock super;
    catalogue catalogue;
    bool slots_secured; /* both were written by this program */
    bool readonly;
    _Atomic bool poisoned; /* set by the writer, for good */
    char poison[300];      /* why */

    store_log logs[2];
    uint32_t live; /* where records are appended */
    bool both_in_use;
    uint64_t freed_bytes; /* of the other log file: not needed any more, not yet given back */
    uint64_t boundary;    /* last LSN of the older file */
    uint64_t last_lsn;
    uint64_t durable_lsn;
    bool unsynced; /* the live file has writes that no sync covers */
    double synced_at_ms;
    uint8_t *stage; /* STORE_STAGE_BYTES; NULL where read-only */
    store_waiting_append append;
    store_waiting_switch switching;
    store_waiting_commit commit;

    recovery recovery; /* its report and messages; the catalogue has moved */
    int replay_stage;  /* 0 older file, 1 newer file, 2 done */
    void *replay_file;
    wal_reader replay;

    /* Guarded by `names`: what may be asked from any thread. */
    thread_mutex names;
    char (*removals)[STORAGE_NAME_BYTES + 1]; /* postponed */
    size_t removals_count;
    size_t removals_capacity;

    segment_home home;
    block_cache *cache;
    zstd_pool zstd;
};

/* VEER_OK where the store may be written. */
veer_status store_check_writable(const store *store, veer_error *error);
/* Makes the store read-only for good, with `error` as the reason; returns `status`. */
veer_status store_poison(store *store, veer_status status, veer_error *error);
/* Writes again what recovery found without anybody vouching for it; before the first sync after
 * opening. */
veer_status store_secure_logs(store *store, veer_error *error);
/* Syncs the live log; failing poisons. */
veer_status store_sync_live(store *store, veer_error *error);
/* A salt that no file of this database has had. */
uint64_t store_new_salt(const store *store, uint64_t generation, unsigned index);
void store_replay_fini(store *store);
void store_commit_abandon(store *store);
/* Makes sure that a new stream may have this name; VEER_E_EXISTS, VEER_PENDING. */
veer_status store_reclaim_name(store *store, const char *name, veer_error *error);

#endif
