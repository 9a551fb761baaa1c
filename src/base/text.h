/* Formatted text: the part of printf that error texts and names use, the same with every libc and
 * in every locale, and a quarter of its size in WebAssembly. */
#ifndef VEER_BASE_TEXT_H
#define VEER_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* Formats as snprintf does: at most `size` - 1 bytes and a 0 at the end go to `to` (size > 0); the
 * value is the length of the whole text. Known are
 *   %%  %c  %s %.Ns %.*s    %d %u with none, l, ll and z    %x %02X    %.Ng %.*g, N from 1 to 17
 * and no other flags or widths; what is not known is written as it stands. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
size_t
text_print(char *to, size_t size, const char *format, ...);

#if defined(__GNUC__)
__attribute__((format(printf, 3, 0)))
#endif
size_t
text_print_arguments(char *to, size_t size, const char *format, va_list arguments);

#endif
