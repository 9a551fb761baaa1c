/* What all stored headers have in common (docs/FORMAT.md, "Conventions"): a page of 4096 bytes
 * with magic and version words in front and its own checksum at the end. */
#ifndef VEER_STORAGE_STORAGE_FORMAT_H
#define VEER_STORAGE_STORAGE_FORMAT_H

#include "base/bytes.h"
#include "base/memory.h"
#include "base/status.h"

#define STORAGE_PAGE_BYTES 4096u
#define STORAGE_PAGE_CRC 4092u
#define STORAGE_MAGIC_BYTES 8u
#define STORAGE_ID_BYTES 16u
#define STORAGE_NAME_BYTES 64u
#define STORAGE_STREAMS_MAX 65536u
/* Log sequence numbers and generations stay below this, so that adding to one cannot overflow. */
#define STORAGE_NUMBER_MAX ((uint64_t)1 << 62)

#define STORAGE_MAGIC_META "VEERDB\0\0"
#define STORAGE_MAGIC_CATALOGUE "VEERCAT\0"
#define STORAGE_MAGIC_WAL "VEERWAL\0"
#define STORAGE_MAGIC_SEGMENT "VEERSEG\0"
#define STORAGE_MAGIC_PACKED "VEERPACK"

typedef enum page_state {
    PAGE_GOOD,
    PAGE_FOREIGN, /* another magic */
    PAGE_DAMAGED,
} page_state;

/* Zeros the page and writes magic and version words. */
void page_begin(uint8_t *page, const char *magic);
/* Writes and returns the checksum. */
uint32_t page_seal(uint8_t *page);
page_state page_look(const uint8_t *page, const char *magic);
/* VEER_E_VERSION where the version words of a good page ask for a newer reader, or (unless
 * readonly) writer. */
veer_status page_check_version(const uint8_t *page, bool readonly, const char *stream,
                               veer_error *error);

/* Names as the format spells them. */
void storage_catalogue_name(uint64_t generation, char name[STORAGE_NAME_BYTES + 1]);
/* True for "cat.<number>"; the number then is in *generation. */
bool storage_is_catalogue_name(const char *name, uint64_t *generation);
bool storage_is_segment_name(const char *name);
extern const char *const storage_wal_names[2];
#define STORAGE_META_NAME "meta"

/* A name in a field of 64 bytes, filled up with zeros. */
void storage_put_name(uint8_t field[STORAGE_NAME_BYTES], const char *name);
/* False where it is no valid name. */
bool storage_get_name(const uint8_t field[STORAGE_NAME_BYTES], char name[STORAGE_NAME_BYTES + 1]);

/* Opens a stream that must be there: VEER_E_NOTFOUND becomes VEER_E_CORRUPT. */
veer_status storage_open_existing(const veer_io *io, const char *name, unsigned flags, void **file,
                                  veer_error *error);
/* Creates the stream, or opens one of this name that is left over, and cuts it to nothing. */
veer_status storage_open_fresh(const veer_io *io, const char *name, void **file, veer_error *error);

#endif
