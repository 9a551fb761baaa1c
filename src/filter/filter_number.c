/* Printing of numbers for explanations and error texts. See filter_number.h. */
#include "filter/filter_number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void number_print(double number, char text[40])
{
    if (!isfinite(number)) {
        strcpy(text, number > 0 ? "inf" : number < 0 ? "-inf" : "nan");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 40, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    /* Whatever the locale's decimal point is, one byte or several, it becomes one point. */
    char *to = text;
    for (const char *from = text; *from != 0; from++) {
        bool plain = strchr("0123456789+-e", *from) != NULL;
        if (plain) {
            *to++ = *from;
        } else if (to == text || to[-1] != '.') {
            *to++ = '.';
        }
    }
    *to = 0;
}
