/* Doubles as decimal text and back, independent of the locale and without the libc, whose printf
 * and strtod depend on it and make the WebAssembly module larger. Reading and rounding to digits
 * are exact, so that native and WebAssembly see the same numbers. Nothing here allocates. */
#ifndef VEER_BASE_NUMBER_H
#define VEER_BASE_NUMBER_H

#include <stddef.h>

enum {
    NUMBER_DIGITS_MAX = 17, /* name every double */
    NUMBER_TEXT_BYTES = 32, /* enough for every text below, its 0 included */
};

/* The double nearest to the JSON number that `text` begins with (a sign '-', digits, a fraction,
 * an exponent), ties to even; infinity where it is too large. *end: what follows it, `text` where
 * there is no number. Digits before the '.' may be missing, as may those behind it. */
double number_read(const char *text, const char **end);

/* Writes a finite number as JSON writes reals ("1.0", "0.001", "1e100"), with 15 digits where they
 * are enough to read it back, else with 16 or 17, without zeros at the end. Returns the length. */
size_t number_write(double number, char text[NUMBER_TEXT_BYTES]);

/* The same digits as "%g" of printf arranges them ("1", "0.001", "1e+100"); "inf", "-inf", "nan". */
size_t number_print(double number, char text[NUMBER_TEXT_BYTES]);

/* As printf writes "%.*g", `digits` from 1 to 17. */
size_t number_round(double number, int digits, char text[NUMBER_TEXT_BYTES]);

#endif
