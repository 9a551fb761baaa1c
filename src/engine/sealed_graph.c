/* The graph of a sealed segment's vector field: its stream as sections, and back.
 *
 * Loading trusts nothing: lengths follow from the head, and every number that a search follows is
 * looked at once (graph_is_valid). A graph that is lost, damaged or too large for the memory is none:
 * codes are scanned. So is one of an older form, which has no 1-bit codes of its entries; background
 * work makes it anew.
 */
#include "engine/sealed.h"

segment *sealed_graph_file(const sealed *sealed, const field *field)
{
    segment_section section;
    segment *file = sealed_derived(sealed, STREAM_GRAPH, field->id);
    bool is_present = file && segment_find(file, SECTION_GRAPH_STARTS, field->id, &section);
    return is_present ? file : NULL;
}

bool sealed_has_graph(const sealed *sealed, const field *field)
{
    const sealed_vectors *vectors = atomic_load(&sealed->vectors[field->vector_slot]);
    return sealed_graph_file(sealed, field) &&
           !(vectors && atomic_load(&vectors->graph_is_damaged));
}

/* A section of so many bytes. VEER_E_CORRUPT: another length, or none. */
static veer_status load_part(const sealed_vectors *vectors, uint16_t kind, uint64_t bytes,
                             const void **data, veer_error *error)
{
    segment_section section;
    if (!segment_find(vectors->graph_file, kind, vectors->field_id, &section) ||
        section.bytes != bytes)
        VEER_FAIL(error, VEER_E_CORRUPT, "a graph has a section of a wrong length");
    return segment_load(vectors->graph_file, section.index, data, error);
}

/* All sections are asked for before anything waits. */
static veer_status load_graph(sealed_vectors *vectors, const field *field, veer_error *error)
{
    const void *head = NULL;
    VEER_TRY(load_part(vectors, SECTION_GRAPH, GRAPH_HEAD_BYTES, &head, error));
    graph *graph = &vectors->graph_loaded;
    uint32_t padded = flat_padded_dims(field->space);
    if (!graph_head_load(head, padded, graph) || graph->count != vectors->count)
        VEER_FAIL(error, VEER_E_CORRUPT, "the head of a graph is wrong");
    uint64_t n = graph->count;
    const void *parts[6] = {NULL};
    const struct {
        uint16_t kind;
        uint64_t bytes;
    } wanted[6] = {
        {SECTION_CENTRE, padded * 4ull},
        {SECTION_GRAPH_CODES, n * graph_code_bytes(graph, padded)},
        {SECTION_GRAPH_NORMS, n * graph_norm_bytes(graph)},
        {SECTION_GRAPH_LINKS, n * graph->degree * 4},
        {SECTION_GRAPH_ENTRIES, graph->entries_count * 4ull},
        {SECTION_GRAPH_STARTS, graph_starts_bytes(graph, padded)},
    };
    bool waits = false;
    for (size_t i = 0; i < 6; i++) {
        veer_status status = load_part(vectors, wanted[i].kind, wanted[i].bytes, &parts[i], error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    if (waits) return VEER_PENDING;
    graph->centre = parts[0];
    graph->codes = parts[1];
    graph->norms = parts[2];
    graph->links = parts[3];
    graph->entries = parts[4];
    graph->starts = parts[5];
    if (!graph_is_valid(field->space, graph))
        VEER_FAIL(error, VEER_E_CORRUPT, "a graph leads nowhere");
    return VEER_OK;
}

veer_status segment_graph_load(const segment_vectors *vectors, const graph **out, veer_error *error)
{
    sealed_vectors *from = vectors->sealed;
    *out = atomic_load_explicit(&from->graph, memory_order_acquire);
    if (*out) return VEER_OK;
    sealed *sealed = vectors->core->as.sealed;
    veer_status status = VEER_OK;
    thread_mutex_lock(&sealed->lazy);
    if (!atomic_load(&from->graph)) {
        status = load_graph(from, vectors->field, error);
        if (status == VEER_OK)
            atomic_store_explicit(&from->graph, &from->graph_loaded, memory_order_release);
        if (status == VEER_E_CORRUPT) atomic_store(&from->graph_is_damaged, true);
    }
    thread_mutex_unlock(&sealed->lazy);
    *out = atomic_load(&from->graph);
    return status;
}

veer_status segment_graph(const segment_vectors *vectors, const graph **out, veer_error *error)
{
    *out = NULL;
    const sealed_vectors *from = vectors->sealed;
    if (!from || !from->graph_file || atomic_load(&from->graph_is_damaged)) return VEER_OK;
    veer_status status = segment_graph_load(vectors, out, error);
    return status == VEER_E_CORRUPT || status == VEER_E_NOMEM ? VEER_OK : status;
}
