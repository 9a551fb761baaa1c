/* cli_search_output.c: the request of a search as JSON, its answer as JSON or as a table.
 *
 * JSON of an answer, one line a query:
 *   {"query": n, "exact": bool, "visited": n, "us": n, "rows": [{"id", "score", "distance",
 *    "document"}, ...], "explain": {...}}
 * "query" only with --queries, "document" unless --select false, "explain" with --explain.
 */
#include <stdio.h>
#include <string.h>

#include "cli_output.h"
#include "cli_search.h"

void search_request_json(const search_request *request, cli_text *json)
{
    cli_text_format(json, "{\"k\":%llu", (unsigned long long)request->k);
    if (request->offset > 0) {
        cli_text_format(json, ",\"offset\":%llu", (unsigned long long)request->offset);
    }
    if (request->field != NULL) {
        cli_text_string(json, ",\"vector\":");
        cli_text_json_string(json, request->field, strlen(request->field));
    }
    if (request->filter != NULL) {
        cli_text_format(json, ",\"filter\":%s", request->filter);
    }
    if (request->exact) {
        cli_text_string(json, ",\"exact\":true");
    } else if (request->recall > 0) {
        cli_text_string(json, ",\"recall\":");
        cli_text_json_number(json, request->recall);
    }
    if (request->effort > 0) {
        cli_text_format(json, ",\"effort\":%llu", (unsigned long long)request->effort);
    }
    cli_text_format(json, ",\"select\":%s%s%s}", request->select,
                    request->explain ? ",\"explain\":true" : "",
                    request->verify ? ",\"verify\":true" : "");
}

typedef struct answer_row {
    const char *id;
    size_t id_bytes;
    const char *document; /* NULL: none */
    size_t document_bytes;
    float score;
    float distance;
} answer_row;

/* Row `i`; false where it is not to be shown. */
static bool take_row(const search_answer *answer, size_t i, answer_row *row)
{
    const uint32_t *id_offsets = NULL;
    const uint32_t *offsets = NULL;
    const char *ids = veer_results_ids(answer->results, &id_offsets);
    const char *documents = veer_results_documents(answer->results, &offsets);
    *row = (answer_row){
        .id = ids + id_offsets[i],
        .id_bytes = id_offsets[i + 1] - id_offsets[i],
        .document = documents != NULL ? documents + offsets[i] : NULL,
        .document_bytes = documents != NULL ? offsets[i + 1] - offsets[i] : 0,
        .score = veer_results_scores(answer->results)[i],
        .distance = veer_results_distances(answer->results)[i],
    };
    return answer->skip_id == NULL || strlen(answer->skip_id) != row->id_bytes ||
           memcmp(answer->skip_id, row->id, row->id_bytes) != 0;
}

veer_status search_print_json(const search_answer *answer)
{
    cli_text line = {0};
    const veer_results *results = answer->results;
    cli_text_byte(&line, '{');
    if (answer->numbered) {
        cli_text_format(&line, "\"query\":%llu,", (unsigned long long)answer->query);
    }
    cli_text_format(&line, "\"exact\":%s,\"visited\":%llu,\"us\":%.1f,\"rows\":[",
                    veer_results_exact(results) ? "true" : "false",
                    (unsigned long long)veer_results_visited(results), answer->seconds * 1e6);
    uint64_t shown = 0;
    for (size_t i = 0; i < veer_results_rows(results) && shown < answer->k; i++) {
        answer_row row;
        if (!take_row(answer, i, &row)) {
            continue;
        }
        cli_text_string(&line, shown > 0 ? ",{\"id\":" : "{\"id\":");
        cli_text_json_string(&line, row.id, row.id_bytes);
        cli_text_string(&line, ",\"score\":");
        cli_text_json_float(&line, row.score);
        cli_text_string(&line, ",\"distance\":");
        cli_text_json_float(&line, row.distance);
        if (row.document != NULL) {
            cli_text_string(&line, ",\"document\":");
            cli_text_append(&line, row.document, row.document_bytes);
        }
        cli_text_byte(&line, '}');
        shown++;
    }
    cli_text_byte(&line, ']');
    if (veer_results_explain(results) != NULL) {
        cli_text_format(&line, ",\"explain\":%s", veer_results_explain(results));
    }
    cli_text_string(&line, "}\n");
    bool failed = line.failed;
    if (!failed) {
        (void)fwrite(line.data, 1, line.bytes, stdout);
    }
    cli_text_free(&line);
    return failed ? VEER_E_NOMEM : VEER_OK;
}

static void print_explain(const char *explain)
{
    cli_text pretty = {0};
    cli_json_pretty((json_slice){explain, strlen(explain)}, 0, &pretty);
    if (!pretty.failed) {
        printf("\n%s\n", pretty.data);
    }
    cli_text_free(&pretty);
}

veer_status search_print_table(const cli_context *cli, const search_answer *answer)
{
    static const cli_column with_documents[] = {
        {"#", true}, {"id", false}, {"score", true}, {"distance", true}, {"document", false},
    };
    const veer_results *results = answer->results;
    bool has_documents = veer_results_documents(results, &(const uint32_t *){NULL}) != NULL;
    cli_table table = {.columns = with_documents, .columns_count = has_documents ? 5 : 4};
    uint64_t shown = 0;
    for (size_t i = 0; i < veer_results_rows(results) && shown < answer->k; i++) {
        answer_row row;
        if (!take_row(answer, i, &row)) {
            continue;
        }
        shown++;
        table_cell_format(&table, "%llu", (unsigned long long)shown);
        table_cell(&table, row.id, row.id_bytes);
        table_cell_format(&table, "%.6g", (double)row.score);
        table_cell_format(&table, "%.6g", (double)row.distance);
        if (has_documents) {
            table_cell(&table, row.document, row.document_bytes);
        }
    }
    if (answer->numbered) {
        printf("%squery %llu\n", answer->query > 0 ? "\n" : "", (unsigned long long)answer->query);
    }
    if (shown == 0) {
        cli_text_free(&table.cells);
        printf("no document matches\n");
    } else {
        veer_status status = table_print(cli, &table);
        if (status != VEER_OK) {
            return status;
        }
    }
    if (cli->stdout_terminal) {
        const char *style = cli->stdout_colours ? "\033[2m" : "";
        cli_text visited = {0};
        cli_text_grouped(&visited, veer_results_visited(results));
        printf("%s%s, %s rows visited, %.3g ms%s\n", style,
               veer_results_exact(results) ? "exact" : "approximate",
               visited.failed ? "?" : visited.data, answer->seconds * 1e3,
               cli->stdout_colours ? "\033[0m" : "");
        cli_text_free(&visited);
    }
    if (veer_results_explain(results) != NULL) {
        print_explain(veer_results_explain(results));
    }
    return VEER_OK;
}
