/* The plan and its figures as JSON, for "explain".
 *
 *   {"k", "offset", "vector", "queries", "method", "exact", "recall", "trueRecall", "sigmas", "tier",
 *    "matches", "segments": [{"sealed", "rows", "live", "matches", "walked", "effort", "recall",
 *    "trueRecall"}], "operators": [{"operator", "estimated", "actual", "ms"}, ...]}
 *
 * "recall" is predicted: of a walk what its graph measured for the effort, else what was asked for.
 * "trueRecall" is of these queries, with "verify"; null in a segment without any of the true rows.
 * "effort" and "recall" of a segment are there where its graph was planned to be walked.
 * Rows are counted over all queries of the run. "estimated" is what the plan reckoned with;
 * matches are known exactly before anything is compared.
 */
#include "engine/executor.h"
#include "engine/json_write.h"

static void put_operator(byte_writer *to, const char *name, uint64_t estimated, uint64_t actual,
                         double ms)
{
    json_open(to, NULL, '{');
    json_string(to, "operator", name);
    json_unsigned(to, "estimated", estimated);
    json_unsigned(to, "actual", actual);
    json_real(to, "ms", ms);
    json_close(to, '}');
}

/* The walk that was planned for a segment, or NULL. */
static const search_run *planned_walk(const executor *run, size_t part)
{
    for (size_t i = 0; i < run->runs_count && !run->is_exact; i++)
        if (run->runs[i].graph && run->runs[i].part == part) return &run->runs[i];
    return NULL;
}

static double walk_recall(const executor *run, const search_run *walk)
{
    return walk->live ? graph_choice_recall(walk->graph, &walk->choice, run->wanted)
                      : walk->aim.recall;
}

/* Mean over the rows that may be results. */
static double predicted_recall(const executor *run)
{
    double lost = 0;
    for (size_t i = 0; i < run->collection->segments_count; i++) {
        const search_run *walk = planned_walk(run, i);
        if (walk) lost += (run->recall - walk_recall(run, walk)) * run->parts[i].live_count;
    }
    if (run->is_exact) return 1;
    return lost == 0 ? run->recall : run->recall - lost / (double)run->matches;
}

/* Ties between segments may find more in one than belongs to it. */
static double true_recall(uint64_t found, uint64_t wanted)
{
    return found < wanted ? (double)found / (double)wanted : 1;
}

static double whole_true_recall(const executor *run)
{
    uint64_t found = 0, wanted = 0;
    for (size_t i = 0; i < run->collection->segments_count; i++) {
        found += run->parts[i].found_count;
        wanted += run->parts[i].true_count;
    }
    return true_recall(found, wanted);
}

static void put_walk(byte_writer *to, const executor *run, size_t index)
{
    const search_part *part = &run->parts[index];
    const search_run *walk = planned_walk(run, index);
    json_bool(to, "walked", walk && walk->walks > 0);
    if (walk) {
        json_unsigned(to, "effort", walk->live ? walk->choice.effort : walk->aim.effort);
        if (!walk->live && walk->aim.results > 0) json_real(to, "reach", walk->aim.reach);
        json_real(to, "recall", walk_recall(run, walk));
    }
    if (!run->wants_verify) return;
    if (run->is_exact || part->true_count > 0)
        json_real(to, "trueRecall", true_recall(part->found_count, part->true_count));
    else
        json_string(to, "trueRecall", NULL);
}

static void put_segments(byte_writer *to, const executor *run)
{
    json_open(to, "segments", '[');
    for (size_t i = 0; i < run->collection->segments_count; i++) {
        const search_part *part = &run->parts[i];
        json_open(to, NULL, '{');
        json_bool(to, "sealed", part->ref->core->is_sealed);
        json_unsigned(to, "rows", part->ref->rows);
        json_unsigned(to, "live", segment_ref_live(part->ref));
        json_unsigned(to, "matches", run->field ? part->live_count : part->rows_count);
        if (run->field) put_walk(to, run, i);
        json_close(to, '}');
    }
    json_close(to, ']');
}

static void put_operators(byte_writer *to, const executor *run, size_t queries, size_t rows)
{
    uint64_t matched = 0;
    for (size_t i = 0; i < run->collection->segments_count; i++)
        matched += run->parts[i].rows_count;
    json_open(to, "operators", '[');
    put_operator(to, run->filter ? "filter" : "all", collection_version_live(run->collection),
                 matched, run->mask_ms);
    if (run->field && run->is_exact) {
        put_operator(to, "compare", run->matches * queries, run->compared, run->scan_ms);
    } else if (run->field) {
        uint64_t walks = executor_walk_estimate(run);
        if (walks > 0) put_operator(to, "walk", walks * queries, run->walked, run->scan_ms);
        put_operator(to, "scan", executor_scan_estimate(run) * queries, run->scanned, run->scan_ms);
        put_operator(to, "rerank", executor_rerank_estimate(run) * queries, run->reranked,
                     run->rerank_ms);
    }
    if (run->verified > 0)
        put_operator(to, "verify", run->matches * queries, run->verified, run->verify_ms);
    put_operator(to, "fetch", (uint64_t)run->k * queries, rows, run->fetch_ms);
    json_close(to, ']');
}

static const char *method(const executor *run)
{
    if (!run->field) return "list";
    if (run->is_exact) return "exact";
    return executor_walk_estimate(run) > 0 ? "graph" : "scan";
}

veer_status executor_explain(const executor *run, veer_results *results, veer_error *error)
{
    byte_writer to;
    byte_writer_init(&to, run->database->allocator);
    json_open(&to, NULL, '{');
    json_unsigned(&to, "k", run->k);
    json_unsigned(&to, "offset", run->offset);
    json_string(&to, "vector", run->field ? run->field->name : NULL);
    json_unsigned(&to, "queries", results->queries);
    json_string(&to, "method", method(run));
    json_bool(&to, "exact", run->is_exact);
    if (run->field) json_real(&to, "recall", predicted_recall(run));
    if (run->field && run->wants_verify) json_real(&to, "trueRecall", whole_true_recall(run));
    if (run->field && !run->is_exact) {
        json_float(&to, "sigmas", run->sigmas);
        json_unsigned(&to, "candidates", run->candidates);
        json_unsigned(&to, "reranked", run->reranked);
    }
    json_string(&to, "tier", veer_tier());
    json_unsigned(&to, "matches", run->matches);
    json_unsigned(&to, "visited", results->visited);
    put_segments(&to, run);
    put_operators(&to, run, results->queries, results->rows);
    json_close(&to, '}');
    const char *text =
        to.failed ? NULL : arena_text(&results->memory, (const char *)to.data, to.bytes);
    size_t bytes = to.bytes;
    byte_writer_fini(&to);
    if (!text) return error_nomem(error, "explain", bytes);
    results->explain = text;
    return VEER_OK;
}
