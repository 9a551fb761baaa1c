/* cli_eval_report.c: what `veer eval` prints: one request's figures, or a curve of them. */
#include <stdio.h>

#include "cli_eval.h"
#include "cli_output.h"

static void put_json(const evaluation *eval, const eval_figures *figures)
{
    const eval_options *options = eval->options;
    printf("\"recall\":%.6f,\"qps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"visited\":%.1f,"
           "\"rows\":%llu,\"dims\":%u,\"tier\":\"%s\",\"k\":%llu,\"queries\":%llu,"
           "\"exact\":%s}",
           figures->recall, figures->qps, figures->p50_us, figures->p99_us, figures->visited,
           (unsigned long long)eval->rows, eval->dims, veer_tier(), (unsigned long long)options->k,
           (unsigned long long)eval->queries_count, figures->all_exact ? "true" : "false");
}

int eval_print_report(const evaluation *eval, const eval_figures *figures)
{
    const eval_options *options = eval->options;
    if (options->json) {
        putchar('{');
        put_json(eval, figures);
        putchar('\n');
        return CLI_OK;
    }
    cli_table table = {0};
    char name[40];
    int length = snprintf(name, sizeof name, "recall@%llu", (unsigned long long)options->k);
    table_cell(&table, name, (size_t)length);
    table_cell_format(&table, "%.4f%s", figures->recall,
                      eval->bounds != NULL ? " (ties count)" : "");
    table_cell(&table, "queries/s", 9);
    table_cell_grouped(&table, (uint64_t)(figures->qps + 0.5));
    table_cell(&table, "p50", 3);
    table_cell_format(&table, "%.1f us", figures->p50_us);
    table_cell(&table, "p99", 3);
    table_cell_format(&table, "%.1f us", figures->p99_us);
    table_cell(&table, "rows visited", 12);
    table_cell_format(&table, "%.0f of %llu a query", figures->visited,
                      (unsigned long long)eval->rows);
    table_cell(&table, "dimensions", 10);
    table_cell_format(&table, "%u", eval->dims);
    table_cell(&table, "search", 6);
    table_cell_format(&table, "%s, tier %s", figures->all_exact ? "exact" : "approximate",
                      veer_tier());
    veer_status status = table_print_pairs(eval->cli, &table);
    return status == VEER_OK ? CLI_OK : cli_fail_text(eval->cli, status, "out of memory");
}

static void print_curve_json(const evaluation *eval, const eval_figures *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const eval_figures *point = &figures[i];
        fputs(i == 0 ? "[{" : ",\n {", stdout);
        if (point->asked_effort > 0) {
            printf("\"effort\":%llu,", (unsigned long long)point->asked_effort);
        } else {
            printf("\"target\":%g,", point->asked_recall);
        }
        put_json(eval, point);
    }
    puts("]");
}

int eval_print_curve(const evaluation *eval, const eval_figures *figures, size_t count)
{
    const cli_column columns[] = {
        {figures->asked_effort > 0 ? "effort" : "target", true},
        {"recall", true},
        {"QPS", true},
        {"p50 us", true},
        {"p99 us", true},
        {"visited", true},
    };
    if (eval->options->json) {
        print_curve_json(eval, figures, count);
        return CLI_OK;
    }
    cli_table table = {.columns = columns, .columns_count = sizeof columns / sizeof columns[0]};
    for (size_t i = 0; i < count; i++) {
        const eval_figures *point = &figures[i];
        if (point->asked_effort > 0) {
            table_cell_grouped(&table, point->asked_effort);
        } else {
            table_cell_format(&table, "%g", point->asked_recall);
        }
        table_cell_format(&table, "%.4f", point->recall);
        table_cell_grouped(&table, (uint64_t)(point->qps + 0.5));
        table_cell_format(&table, "%.1f", point->p50_us);
        table_cell_format(&table, "%.1f", point->p99_us);
        table_cell_grouped(&table, (uint64_t)(point->visited + 0.5));
    }
    veer_status status = table_print(eval->cli, &table);
    return status == VEER_OK ? CLI_OK : cli_fail_text(eval->cli, status, "out of memory");
}
