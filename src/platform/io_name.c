/* Names of streams, as every I/O table accepts them: short, lower case, no path. */
#include <stddef.h>

#include "platform/io.h"

bool io_name_valid(const char *name)
{
    if (name == NULL || name[0] == '.') return false;
    size_t bytes = 0;
    for (; name[bytes] != 0; bytes++) {
        char c = name[bytes];
        bool fine =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!fine || bytes == IO_NAME_BYTES_MAX) return false;
    }
    return bytes != 0;
}
