/* Header pages and names: see docs/FORMAT.md, "Conventions".
 *
 * A page is believed in this order: magic, checksum, version words, then the fields by whoever
 * knows them. A damaged page therefore never looks like one of a newer version.
 *
 * Threads: pure functions, but for the two that open streams.
 */
#include "storage/storage_format.h"

#include "base/crc32c.h"
#include "platform/io.h"

enum { COMPAT_AT = 8, RO_COMPAT_AT = 12, INCOMPAT_AT = 16 };

/* The bits that this version knows. */
enum { KNOWN_RO_COMPAT = 0, KNOWN_INCOMPAT = 0 };

const char *const storage_wal_names[2] = {"wal.0", "wal.1"};

void page_begin(uint8_t *page, const char *magic)
{
    memset(page, 0, STORAGE_PAGE_BYTES);
    memcpy(page, magic, STORAGE_MAGIC_BYTES);
    store_u32(page + COMPAT_AT, 0);
    store_u32(page + RO_COMPAT_AT, KNOWN_RO_COMPAT);
    store_u32(page + INCOMPAT_AT, KNOWN_INCOMPAT);
}

uint32_t page_seal(uint8_t *page)
{
    uint32_t crc = crc32c(0, page, STORAGE_PAGE_CRC);
    store_u32(page + STORAGE_PAGE_CRC, crc);
    return crc;
}

page_state page_look(const uint8_t *page, const char *magic)
{
    if (memcmp(page, magic, STORAGE_MAGIC_BYTES) != 0) return PAGE_FOREIGN;
    uint32_t crc = crc32c(0, page, STORAGE_PAGE_CRC);
    return crc == load_u32(page + STORAGE_PAGE_CRC) ? PAGE_GOOD : PAGE_DAMAGED;
}

veer_status page_check_version(const uint8_t *page, bool readonly, const char *stream,
                               veer_error *error)
{
    uint32_t incompat = load_u32(page + INCOMPAT_AT) & ~(uint32_t)KNOWN_INCOMPAT;
    uint32_t ro_compat = load_u32(page + RO_COMPAT_AT) & ~(uint32_t)KNOWN_RO_COMPAT;
    if (incompat != 0)
        VEER_FAIL(error, VEER_E_VERSION,
                  "Stream '%s' was written by a newer version of Veer (unknown format bits 0x%x).",
                  stream, (unsigned)incompat);
    if (ro_compat != 0 && !readonly)
        VEER_FAIL(error, VEER_E_VERSION,
                  "Stream '%s' was written by a newer version of Veer: it can be read, but not "
                  "written (unknown format bits 0x%x).",
                  stream, (unsigned)ro_compat);
    return VEER_OK;
}

void storage_catalogue_name(uint64_t generation, char name[STORAGE_NAME_BYTES + 1])
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + generation % 10);
        generation /= 10;
    } while (generation != 0);
    memcpy(name, "cat.", 4);
    size_t at = 4;
    while (n > 0)
        name[at++] = digits[--n];
    name[at] = 0;
}

bool storage_is_catalogue_name(const char *name, uint64_t *generation)
{
    if (strncmp(name, "cat.", 4) != 0) return false;
    const char *digit = name + 4;
    if (*digit == 0 || *digit == '0') return false;
    uint64_t number = 0;
    for (; *digit != 0; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        number = number * 10 + (uint64_t)(*digit - '0');
        if (number >= STORAGE_NUMBER_MAX) return false;
    }
    *generation = number;
    return true;
}

bool storage_is_segment_name(const char *name)
{
    return strncmp(name, "seg.", 4) == 0 && name[4] != 0;
}

void storage_put_name(uint8_t field[STORAGE_NAME_BYTES], const char *name)
{
    size_t bytes = strlen(name);
    memset(field, 0, STORAGE_NAME_BYTES);
    memcpy(field, name, bytes < STORAGE_NAME_BYTES ? bytes : STORAGE_NAME_BYTES);
}

bool storage_get_name(const uint8_t field[STORAGE_NAME_BYTES], char name[STORAGE_NAME_BYTES + 1])
{
    memcpy(name, field, STORAGE_NAME_BYTES);
    name[STORAGE_NAME_BYTES] = 0;
    size_t bytes = strlen(name);
    for (size_t i = bytes; i < STORAGE_NAME_BYTES; i++) {
        if (field[i] != 0) return false;
    }
    return io_name_valid(name);
}

veer_status storage_open_existing(const veer_io *io, const char *name, unsigned flags, void **file,
                                  veer_error *error)
{
    veer_status status = io->open(io->context, name, flags, file, error);
    if (status == VEER_E_NOTFOUND) {
        *file = NULL;
        VEER_FAIL(error, VEER_E_CORRUPT, "Stream '%s' of the database is missing.", name);
    }
    if (status != VEER_OK) *file = NULL;
    return status;
}

veer_status storage_open_fresh(const veer_io *io, const char *name, void **file, veer_error *error)
{
    *file = NULL;
    veer_status status =
        io->open(io->context, name, VEER_IO_READ | VEER_IO_WRITE | VEER_IO_CREATE, file, error);
    if (status == VEER_E_EXISTS) {
        *file = NULL;
        status = io->open(io->context, name, VEER_IO_READ | VEER_IO_WRITE, file, error);
        if (status == VEER_OK) {
            status = io->truncate(io->context, *file, 0, error);
            if (status != VEER_OK) io->close(io->context, *file);
        }
    }
    if (status != VEER_OK) *file = NULL;
    return status;
}
