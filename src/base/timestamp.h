/* Times: int64 milliseconds since 1970-01-01T00:00:00Z, proleptic Gregorian, no leap seconds.
 * ISO 8601 in: "2024", "2024-05", "2024-05-17", "2024-05-17T12:30", "...:15", "...15.250", with "Z",
 * "+02:00" or nothing (UTC); a space may stand for the T; years -271821 to 275760 (the range of
 * JavaScript's Date), signed with six digits outside 0000-9999. */
#ifndef VEER_BASE_TIMESTAMP_H
#define VEER_BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_MIN (-8640000000000000LL)
#define TIMESTAMP_MAX 8640000000000000LL

/* False where the text is no time. */
bool timestamp_parse(const char *text, size_t bytes, int64_t *milliseconds);
/* "2024-05-17T12:30:15.250Z" into `text`; returns its length. */
size_t timestamp_format(int64_t milliseconds, char text[40]);

#endif
