/* Recovery: from what is on storage to the state that the store opens with, and a report. It
 * writes nothing and keeps nothing open. */
#ifndef VEER_STORAGE_RECOVERY_H
#define VEER_STORAGE_RECOVERY_H

#include "storage/catalogue.h"
#include "storage/superblock.h"
#include "storage/wal.h"

typedef enum recovery_state {
    RECOVERY_NOTHING,    /* no stream at all */
    RECOVERY_UNFINISHED, /* a creation that never finished: nothing to lose */
    RECOVERY_DATABASE,
} recovery_state;

typedef struct recovered_log {
    bool exists;
    bool in_use;
    wal_header header;      /* where in use */
    uint64_t size;          /* of the stream */
    uint64_t committed_end; /* behind the last record of a whole transaction */
    uint64_t last_lsn;      /* of that record, or start LSN - 1 */
    uint32_t crc;           /* of that record, or of the header */
    uint64_t records;       /* for the engine, committed */
    uint64_t relogged;      /* of these, with RELOG */
    uint64_t uncommitted;   /* whole records behind the committed end */
    uint64_t durable_lsn;   /* the highest that a record vouches for */
    uint64_t vouched_end;   /* every record that ends here or before is among those */
    bool switched;          /* ends in SWITCH */
} recovered_log;

typedef struct stream_name {
    char name[STORAGE_NAME_BYTES + 1];
} stream_name;

typedef struct recovery {
    const veer_allocator *allocator;
    recovery_state state;
    superblock_choice choice;
    catalogue catalogue;
    recovered_log logs[2];
    uint32_t live;    /* where to append */
    bool both_in_use; /* a checkpoint was under way; the other file is the older one */
    uint64_t durable_lsn;
    stream_name *names; /* every stream of the table, sorted */
    size_t names_count;
    size_t names_capacity;
    store_report report; /* its messages are `messages` */
    char **messages;
    size_t messages_capacity;
} recovery;

/* On any status but VEER_OK *out is zeroed. `readonly` tolerates what may be read but not
 * written. */
veer_status recovery_run(const veer_allocator *allocator, const veer_io *io, bool readonly,
                         recovery *out, veer_error *error);
void recovery_fini(recovery *recovery);
bool recovery_has_name(const recovery *recovery, const char *name);
/* Whether a stream of this database may have this name but the present generation has no use for
 * it. */
bool recovery_is_orphan(const recovery *recovery, const char *name);
/* A sentence for the report; VEER_E_NOMEM. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
veer_status
recovery_say(recovery *recovery, veer_error *error, const char *format, ...);

#endif
