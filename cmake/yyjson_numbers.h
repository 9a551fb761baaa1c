/* Force-included into yyjson's source in the WebAssembly build (cmake/dependencies.cmake): reals
 * are read by src/base/number.c instead of yyjson's own reader, whose table of powers is 10 KB that
 * do not compress. Both round correctly, so both read the same numbers. */
#ifndef VEER_YYJSON_NUMBERS_H
#define VEER_YYJSON_NUMBERS_H

#include <stdlib.h>

double number_read(const char *text, const char **end);

#define strtod(text, end) number_read((text), (const char **)(end))

#endif
