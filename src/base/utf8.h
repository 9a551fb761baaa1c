/* UTF-8 (RFC 3629): no overlong forms, no surrogates, at most U+10FFFF. */
#ifndef VEER_BASE_UTF8_H
#define VEER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const char *text, size_t bytes);
/* The number of bytes, at most `bytes`, of text[bytes] without a character that its end cuts in
 * two. Anything else, invalid bytes included, stays. */
size_t utf8_cut(const char *text, size_t bytes);

#endif
