#include "engine/merge.h"

#include "engine/sealed.h"

#define MERGE_NEIGHBOURS 4u /* so many of similar size become one; arbitrary */
#define DEAD_SHARE 4u       /* a segment with a quarter of its rows dead is rewritten */
#define ROWS_WORTH_MERGING (SEGMENT_ROWS_MAX / 2)

static size_t sealed_count(const collection_version *collection)
{
    size_t n = 0;
    while (n < collection->segments_count && collection->segments[n].core->is_sealed)
        n++;
    return n;
}

static bool choose_one(const collection_version *collection, size_t n, size_t *first,
                       merge_reason *why)
{
    for (size_t i = 0; i < n; i++) {
        const segment_ref *ref = &collection->segments[i];
        bool is_lost = !sealed_is_complete(ref->core->as.sealed, collection->schema);
        bool is_dead = ref->dead && ref->dead->dead >= ref->rows / DEAD_SHARE + 1;
        if (!is_lost && !is_dead) continue;
        *first = i;
        *why = is_dead ? MERGE_DELETED : MERGE_REPAIR;
        return true;
    }
    return false;
}

/* From the newest backwards: a run goes on while the next older segment is not much larger than
 * all of the run together. */
static bool choose_run(const collection_version *collection, size_t n, size_t *first, size_t *count)
{
    uint64_t rows = 0;
    size_t begin = n;
    while (begin > 0) {
        uint64_t next = segment_ref_live(&collection->segments[begin - 1]);
        if (begin < n && next > 2 * rows) break;
        if (rows + next > ROWS_WORTH_MERGING) break;
        rows += next;
        begin--;
    }
    *first = begin;
    *count = n - begin;
    return *count >= MERGE_NEIGHBOURS;
}

static bool choose_all(const collection_version *collection, size_t n, size_t *first, size_t *count)
{
    uint64_t rows = 0;
    size_t dead = 0;
    for (*first = 0; *first < n; *first += *count) {
        *count = 0;
        rows = dead = 0;
        while (*first + *count < n) {
            const segment_ref *ref = &collection->segments[*first + *count];
            if (*count > 0 && rows + segment_ref_live(ref) > SEGMENT_ROWS_MAX) break;
            rows += segment_ref_live(ref);
            dead += ref->dead ? ref->dead->dead : 0;
            ++*count;
        }
        if (*count > 1 || dead > 0) return true;
    }
    return false;
}

static bool choose_graph(const version *present, uint64_t rows, size_t *collection, size_t *first)
{
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *each = present->collections[c];
        size_t n = sealed_count(each);
        for (size_t i = 0; i < n; i++) {
            if (!sealed_wants_graph(each->segments[i].core->as.sealed, each->schema, rows))
                continue;
            *collection = c;
            *first = i;
            return true;
        }
    }
    return false;
}

bool merge_choose(const version *present, bool compact, uint64_t graph_rows, size_t *collection,
                  size_t *first, size_t *count, merge_reason *why)
{
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *each = present->collections[c];
        size_t n = sealed_count(each);
        *collection = c;
        *count = 1;
        if (compact && choose_all(each, n, first, count)) {
            *why = MERGE_COMPACT;
            return true;
        }
        *count = 1;
        if (choose_one(each, n, first, why)) return true;
        if (choose_run(each, n, first, count)) {
            *why = MERGE_SIZES;
            return true;
        }
    }
    *count = 1;
    *why = MERGE_GRAPH;
    return choose_graph(present, graph_rows, collection, first);
}
