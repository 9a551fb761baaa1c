/* veer_check: everything that can be found wrong with a database that nobody is writing.
 *
 *   1. the storage: superblocks, catalogue, logs, every block of every stream (store_check)
 *   2. whether it opens
 *   3. what the engine promises: check_segment.c
 *
 * Findings are whole sentences. Damage is a finding, not a failure of the check: the report is
 * there whenever it could look, and VEER_E_CORRUPT says that it found something. A location that
 * holds no database, a newer format, a lack of permission or another writer end the check.
 *
 * VEER_PENDING: the next call begins again. Threads: one.
 */
#include "engine/check.h"

#include "base/text.h"
#include "engine/database_io.h"
#include "engine/json_write.h"

/* ---------------------------------------------------------------- findings */

void check_problem(check *self, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    (void)text_print_arguments(text, sizeof text, format, arguments);
    va_end(arguments);
    self->problems_count++;
    if (self->problems_count <= CHECK_PROBLEMS_MAX) json_string(&self->problems, NULL, text);
}

bool check_is_finding(veer_status status)
{
    return status == VEER_E_CORRUPT || status == VEER_E_SYNTAX || status == VEER_E_ID ||
           status == VEER_E_TYPE || status == VEER_E_VECTOR || status == VEER_E_SCHEMA;
}

static void store_problem(void *context, const char *stream, const char *text)
{
    if (stream && *stream && !strstr(text, stream))
        check_problem(context, "%s: %s", stream, text);
    else
        check_problem(context, "%s", text);
}

/* ---------------------------------------------------------------- progress */

#define PROGRESS_HALF 500u /* the storage is one half of the work, the engine the other */

static bool store_progress(void *context, uint64_t done, uint64_t total)
{
    const check *self = context;
    uint64_t part = total > 0 ? (uint64_t)((double)done / (double)total * PROGRESS_HALF) : 0;
    return !self->progress || self->progress(self->context, part, 2 * PROGRESS_HALF);
}

veer_status check_rows_done(check *self, uint64_t rows, veer_error *error)
{
    self->rows_done += rows;
    double part = self->rows > 0 ? (double)self->rows_done / (double)self->rows : 1;
    if (self->progress &&
        !self->progress(self->context, PROGRESS_HALF + (uint64_t)(part * PROGRESS_HALF),
                        2 * PROGRESS_HALF))
        VEER_FAIL(error, VEER_E_ABORTED, "the check was cancelled");
    return VEER_OK;
}

/* ---------------------------------------------------------------- storage */

static void list_stream(void *context, const char *name)
{
    check *self = context;
    json_string(&self->streams, NULL, name);
}

static veer_status check_storage(check *self, const char *location, const veer_io *io,
                                 veer_error *error)
{
    if (!io && location && strcmp(location, "memory:") == 0)
        VEER_FAIL(error, VEER_E_INVALID, "'memory:' is always a new database: nothing to check");
    veer_database *place = memory_new(self->allocator, sizeof *place);
    if (!place) return error_nomem(error, "a check", sizeof *place);
    place->allocator = self->allocator;
    veer_status status = database_open_io(place, location, io, error);
    if (status == VEER_OK) status = place->io.lock(place->io.context, false, error);
    if (status == VEER_OK) {
        place->io_is_locked = true;
        status = place->io.list(place->io.context, list_stream, self, error);
    }
    if (status == VEER_OK)
        status = store_check(self->allocator, &place->io, store_problem, self, store_progress, self,
                             error);
    if (status == VEER_OK && place->io_is_packed)
        status = packed_io_check(&place->io, store_problem, self, error);
    database_close_io(place);
    memory_free(self->allocator, place, sizeof *place);
    if (status != VEER_E_CORRUPT) return status;
    store_problem(self, NULL, error->message);
    return VEER_OK;
}

/* ---------------------------------------------------------------- engine */

static veer_status check_database(check *self, veer_database *database, veer_error *error)
{
    version *seen = version_acquire(database);
    veer_status status = VEER_OK;
    for (size_t i = 0; i < seen->collections_count; i++)
        for (size_t j = 0; j < seen->collections[i]->segments_count; j++)
            self->rows += seen->collections[i]->segments[j].rows;
    for (size_t i = 0; i < seen->collections_count && status == VEER_OK; i++)
        for (size_t j = 0; j < seen->collections[i]->segments_count && status == VEER_OK; j++)
            status = check_segment(self, seen->collections[i], j, error);
    version_release(seen);
    return status;
}

static veer_status check_engine(check *self, const char *location, const veer_io *io,
                                veer_error *error)
{
    veer_database *database = NULL;
    veer_status status = veer_open(location, io, "{\"mode\":\"readonly\",\"create\":false}",
                                   self->allocator, &database, error);
    if (check_is_finding(status)) {
        check_problem(self, "The database does not open: %s", error->message);
        return VEER_OK;
    }
    VEER_TRY(status);
    status = check_database(self, database, error);
    veer_error ignored;
    (void)veer_close(database, &ignored);
    return status;
}

/* ---------------------------------------------------------------- report */

static veer_status write_report(const check *self, veer_buffer *report, veer_error *error)
{
    byte_writer to;
    byte_writer_init(&to, self->allocator);
    to.failed = self->problems.failed || self->streams.failed;
    json_open(&to, NULL, '{');
    json_bool(&to, "ok", self->problems_count == 0);
    json_open(&to, "problems", '[');
    byte_writer_put(&to, self->problems.data, self->problems.bytes);
    if (self->problems_count > CHECK_PROBLEMS_MAX)
        json_string(&to, NULL, "There are more problems; this report ends here.");
    json_close(&to, ']');
    json_unsigned(&to, "problemsCount", self->problems_count);
    json_open(&to, "streams", '[');
    byte_writer_put(&to, self->streams.data, self->streams.bytes);
    json_close(&to, ']');
    json_unsigned(&to, "rows", self->rows_done);
    json_close(&to, '}');
    veer_status status = json_take(&to, self->allocator, report, "the report", error);
    byte_writer_fini(&to);
    return status;
}

veer_status veer_check(const char *location, const veer_io *io, const veer_allocator *allocator,
                       veer_progress progress, void *context, veer_buffer *report,
                       veer_error *error)
{
    veer_error own = {VEER_OK, ""};
    if (!error) error = &own;
    if (!report) VEER_FAIL(error, VEER_E_INVALID, "'report' is NULL");
    memset(report, 0, sizeof *report);
    check self = {.allocator = allocator ? allocator : memory_default(),
                  .progress = progress,
                  .context = context};
    byte_writer_init(&self.problems, self.allocator);
    byte_writer_init(&self.streams, self.allocator);
    veer_status status = check_storage(&self, location, io, error);
    if (status == VEER_OK) status = check_engine(&self, location, io, error);
    if (status == VEER_OK) status = write_report(&self, report, error);
    byte_writer_fini(&self.problems);
    byte_writer_fini(&self.streams);
    if (status != VEER_OK || self.problems_count == 0) return status;
    VEER_FAIL(error, VEER_E_CORRUPT, "%zu problem%s found; the report names them",
              self.problems_count, self.problems_count == 1 ? " was" : "s were");
}
