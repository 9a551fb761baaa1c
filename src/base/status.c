/* Status and error texts.
 *
 * The codes, their names and meanings come from the one list in veer.h (VEER_STATUS_MAP), so that
 * none of them can be forgotten here. A message is cut to the size of veer_error.message, never in
 * the middle of a UTF-8 character, and always ends in 0. Nothing here allocates.
 *
 * Threads: everything may be called from any thread; a veer_error belongs to one caller.
 */
#include "base/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"

#define TEXT_OF_(value) #value
#define TEXT_OF(value) TEXT_OF_(value)

const char *veer_version(void)
{
    return TEXT_OF(VEER_VERSION_MAJOR) "." TEXT_OF(VEER_VERSION_MINOR) "." TEXT_OF(
        VEER_VERSION_PATCH);
}

const char *veer_status_name(veer_status status)
{
    switch ((int)status) {
#define STATUS_NAME(name, number, code, text) \
    case number:                              \
        return code;
        VEER_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    default:
        return "UNKNOWN";
    }
}

const char *veer_status_text(veer_status status)
{
    switch ((int)status) {
#define STATUS_TEXT(name, number, code, text) \
    case number:                              \
        return text;
        VEER_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "UNKNOWN";
    }
}

/* Formats behind the first `at` bytes of the message. */
static void append_formatted(veer_error *error, size_t at, const char *format, va_list arguments)
{
    size_t room = sizeof error->message - at;
    if (text_print_arguments(error->message + at, room, format, arguments) >= room) {
        size_t bytes = utf8_cut(error->message, sizeof error->message - 1);
        error->message[bytes] = 0;
    }
}

veer_status error_set(veer_error *error, veer_status status, const char *format, ...)
{
    if (error == NULL) return status;
    /* Arguments may point into the message that is being replaced. */
    veer_error fresh;
    fresh.status = status;
    va_list arguments;
    va_start(arguments, format);
    append_formatted(&fresh, 0, format, arguments);
    va_end(arguments);
    error->status = status;
    memcpy(error->message, fresh.message, strlen(fresh.message) + 1);
    return status;
}

veer_status error_nomem(veer_error *error, const char *what, uint64_t bytes)
{
    return error_set(error, VEER_E_NOMEM,
                     "out of memory or over memoryLimit: no %" PRIu64 " bytes for %s", bytes, what);
}

void error_append(veer_error *error, const char *format, ...)
{
    if (error == NULL) return;
    const char *end = memchr(error->message, 0, sizeof error->message);
    if (end == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    append_formatted(error, (size_t)(end - error->message), format, arguments);
    va_end(arguments);
}
