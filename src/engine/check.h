/* Inside of veer_check: check.c looks at the storage and writes the report, check_segment.c looks
 * at what the engine promises of each segment. */
#ifndef VEER_ENGINE_CHECK_H
#define VEER_ENGINE_CHECK_H

#include <stdarg.h>

#include "engine/engine.h"

#define CHECK_PROBLEMS_MAX 1000u /* in one report */

typedef struct check {
    const veer_allocator *allocator;
    veer_progress progress;
    void *context;
    byte_writer problems, streams; /* elements of JSON arrays */
    size_t problems_count;
    uint64_t rows, rows_done;
} check;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void check_problem(check *self, const char *format, ...);
/* Whether a failure is something found rather than a check that could not look. */
bool check_is_finding(veer_status status);
/* Tells the caller how far it is; VEER_E_ABORTED. */
veer_status check_rows_done(check *self, uint64_t rows, veer_error *error);
veer_status check_segment(check *self, const collection_version *collection, size_t index,
                          veer_error *error);

#endif
