/* The codes of a segment's vector field, active or sealed; see engine.h.
 *
 * Those of a sealed segment are loaded when a scan needs them, not before: a search that walks a graph
 * leaves them on storage, and so does the planning of one. Counts are known without them.
 * Codes that are lost, or turn out to be damaged, are none: rows are compared exactly, and background
 * work makes the stream again.
 */
#include "engine/active.h"
#include "engine/sealed.h"

bool sealed_has_codes(const sealed *sealed, const field *field)
{
    const sealed_vectors *vectors = atomic_load(&sealed->vectors[field->vector_slot]);
    return sealed_derived(sealed, STREAM_CODES, field->id) &&
           !(vectors && atomic_load(&vectors->codes_are_damaged));
}

bool segment_codes_run(const segment_vectors *vectors, size_t run, segment_codes *out)
{
    active_vectors *active = vectors->active;
    if (active) {
        uint32_t coded = atomic_load_explicit(&active->coded, memory_order_acquire);
        size_t per_run = (size_t)FLAT_BLOCK_ROWS << active->blocks.chunk_shift;
        size_t first = run * per_run;
        if (first >= coded || first >= vectors->count) return false;
        out->first = (uint32_t)first;
        out->count = coded - out->first < per_run ? coded - out->first : (uint32_t)per_run;
        out->blocks = stable_at(&active->blocks, first / FLAT_BLOCK_ROWS);
        out->centre = *(const float *const *)stable_at(&active->centres, run);
        return true;
    }
    const sealed_vectors *sealed = vectors->sealed;
    if (run > 0 || !sealed || sealed->count == 0) return false;
    if (!sealed->codes_file && !sealed->graph_file) return false;
    out->first = 0;
    out->count = sealed->count;
    out->blocks = atomic_load_explicit(&sealed->blocks, memory_order_acquire);
    out->centre = out->blocks ? sealed->centre : NULL;
    return true;
}

/* Both sections are asked for before anything waits. */
static veer_status load_codes(sealed_vectors *vectors, veer_error *error)
{
    const void *centre = NULL, *blocks = NULL;
    veer_status status = segment_load(vectors->codes_file, vectors->centre_section, &centre, error);
    if (status != VEER_OK && status != VEER_PENDING) return status;
    VEER_TRY(segment_load(vectors->codes_file, vectors->codes_section, &blocks, error));
    VEER_TRY(status);
    vectors->centre = centre;
    atomic_store_explicit(&vectors->blocks, blocks, memory_order_release);
    return VEER_OK;
}

veer_status segment_codes_load(const segment_vectors *vectors, const void **blocks,
                               const float **centre, veer_error *error)
{
    sealed_vectors *from = vectors->sealed;
    veer_status status = VEER_OK;
    if (!from->codes_file || atomic_load(&from->codes_are_damaged))
        VEER_FAIL(error, VEER_E_CORRUPT, "the codes of field '%s' are lost or damaged",
                  vectors->field->name);
    sealed *sealed = vectors->core->as.sealed;
    thread_mutex_lock(&sealed->lazy);
    if (!atomic_load(&from->blocks)) {
        status = load_codes(from, error);
        if (status == VEER_E_CORRUPT) atomic_store(&from->codes_are_damaged, true);
    }
    thread_mutex_unlock(&sealed->lazy);
    VEER_TRY(status);
    *blocks = atomic_load_explicit(&from->blocks, memory_order_acquire);
    *centre = from->centre;
    return VEER_OK;
}

veer_status segment_codes_centre(const segment_vectors *vectors, const float **centre,
                                 veer_error *error)
{
    segment_codes codes;
    *centre = NULL;
    if (!segment_codes_run(vectors, 0, &codes)) return VEER_OK;
    *centre = codes.centre;
    const sealed_vectors *from = vectors->sealed;
    if (*centre || !from->codes_file || atomic_load(&from->codes_are_damaged)) return VEER_OK;
    veer_status status =
        segment_load(from->codes_file, from->centre_section, (const void **)centre, error);
    return status == VEER_E_CORRUPT ? VEER_OK : status;
}
