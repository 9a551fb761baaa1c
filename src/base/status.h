/* Status and error texts: how a failure travels.
 *
 * Every function that can fail returns veer_status and takes `veer_error *error` last (base
 * helpers that can only run out of memory return it without one). `error` may be NULL at the
 * public surface; inside, the first failing function sets it and everybody else passes it on.
 */
#ifndef VEER_BASE_STATUS_H
#define VEER_BASE_STATUS_H

#include "veer.h"

/* Sets the text of `error` (NULL: nothing) and returns `status`. printf formats, but bounded. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
veer_status
error_set(veer_error *error, veer_status status, const char *format, ...);

/* error_set with the standard text for shortage of memory, naming what was wanted. */
veer_status error_nomem(veer_error *error, const char *what, uint64_t bytes);

/* Appends text to a message that is set already, e.g. " in document 'a', field 'v'". */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void error_append(veer_error *error, const char *format, ...);

/* The three control-flow macros. TRY returns on anything but VEER_OK (VEER_PENDING included);
 * GOTO does the same through a local `veer_status status` and a label `done`. */
#define VEER_TRY(expression)                            \
    do {                                                \
        veer_status try_status_ = (expression);         \
        if (try_status_ != VEER_OK) return try_status_; \
    } while (0)
#define VEER_GOTO(expression)             \
    do {                                  \
        status = (expression);            \
        if (status != VEER_OK) goto done; \
    } while (0)
#define VEER_FAIL(error, code, ...) return error_set((error), (code), __VA_ARGS__)

#endif
