/* UTF-8 validation (RFC 3629, table 3-7 of the Unicode standard).
 *
 * One pass, no tables: runs of ASCII go eight bytes at a time; every other character is checked by
 * its first byte, which fixes its length and the range of its second byte. The narrowed second
 * byte is what excludes overlong forms (E0, F0), surrogates (ED) and values above U+10FFFF (F4).
 *
 * Threads: pure functions.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

bool utf8_valid(const char *text, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t i = 0;
    while (i < bytes) {
        if (p[i] < 0x80) {
            uint64_t word;
            while (bytes - i >= sizeof word) {
                memcpy(&word, p + i, sizeof word);
                if (word & 0x8080808080808080u) break;
                i += sizeof word;
            }
            while (i < bytes && p[i] < 0x80)
                i++;
            continue;
        }
        uint8_t first = p[i];
        uint8_t low = 0x80;
        uint8_t high = 0xBF;
        size_t more;
        if (first >= 0xC2 && first <= 0xDF) {
            more = 1;
        } else if (first >= 0xE0 && first <= 0xEF) {
            more = 2;
            if (first == 0xE0) low = 0xA0;
            if (first == 0xED) high = 0x9F;
        } else if (first >= 0xF0 && first <= 0xF4) {
            more = 3;
            if (first == 0xF0) low = 0x90;
            if (first == 0xF4) high = 0x8F;
        } else {
            return false;
        }
        if (bytes - i <= more) return false;
        if (p[i + 1] < low || p[i + 1] > high) return false;
        for (size_t j = 2; j <= more; j++) {
            if (!is_continuation(p[i + j])) return false;
        }
        i += more + 1;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t back = 0;
    while (back < 3 && back < bytes && is_continuation(p[bytes - 1 - back]))
        back++;
    if (back == bytes) return bytes;
    uint8_t first = p[bytes - 1 - back];
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
    return length > back + 1 ? bytes - 1 - back : bytes;
}
