/* Random filters over random rows: growing, sealed and merged columns against the naive model.
 *
 * Each round makes rows, columns in three forms, and trees that are printed in both spellings;
 * every spelling over every form must mark exactly the rows that the model marks. The printed
 * filter must parse to an equal tree, and the sealed bytes must not depend on the parts.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "filter/filter_tree.h"
#include "filter_model.h"
#include "support/testing.h"

#define ROUNDS 24u
#define TREES 60u

typedef struct form {
    column *columns[MODEL_FIELDS];
    byte_writer bytes[MODEL_FIELDS];
    size_t rows;
} form;

static veer_status find(void *context, uint32_t field, const column **found, veer_error *error)
{
    const form *from = context;
    (void)error;
    for (size_t f = 0; f < MODEL_FIELDS; f++) {
        if (model_fields[f].id == field) *found = from->columns[f];
    }
    return VEER_OK;
}

static void form_fini(form *form)
{
    for (size_t f = 0; f < MODEL_FIELDS; f++) {
        column_free(form->columns[f]);
        byte_writer_fini(&form->bytes[f]);
    }
}

static void grow(rng *random, const model_row *rows, size_t first, size_t end, form *out)
{
    memset(out, 0, sizeof *out);
    out->rows = end - first;
    for (size_t f = 0; f < MODEL_FIELDS - 1; f++) {
        byte_writer_init(&out->bytes[f], memory_default());
        assert_int_equal(column_new(memory_default(), model_fields[f].type, &out->columns[f]),
                         VEER_OK);
        model_append(random, out->columns[f], rows, f, first, end);
        assert_int_equal(column_rows(out->columns[f]), end - first);
    }
}

/* Writes parts as one sealed form, with leading bytes before each column. */
static void seal(const form *const *parts, const uint32_t *const *maps, size_t parts_count,
                 size_t total, form *out)
{
    veer_error error = {0};
    memset(out, 0, sizeof *out);
    out->rows = total;
    for (size_t f = 0; f < MODEL_FIELDS - 1; f++) {
        const column *columns[8];
        size_t rows[8];
        for (size_t p = 0; p < parts_count; p++) {
            columns[p] = parts[p]->columns[f];
            rows[p] = parts[p]->rows;
        }
        byte_writer_init(&out->bytes[f], memory_default());
        byte_writer_zeros(&out->bytes[f], f * 3);
        assert_int_equal(column_write(model_fields[f].type, columns, maps, rows, parts_count, total,
                                      memory_default(), &out->bytes[f], &error),
                         VEER_OK);
        assert_int_equal(column_open(memory_default(), model_fields[f].type,
                                     out->bytes[f].data + f * 3, out->bytes[f].bytes - f * 3, total,
                                     &out->columns[f], &error),
                         VEER_OK);
        assert_int_equal(column_rows(out->columns[f]), total);
    }
}

static void assert_same_bytes(const form *a, const form *b)
{
    for (size_t f = 0; f < MODEL_FIELDS - 1; f++) {
        assert_int_equal(a->bytes[f].bytes, b->bytes[f].bytes);
        assert_memory_equal(a->bytes[f].data, b->bytes[f].data, a->bytes[f].bytes);
    }
}

static void assert_answers(const filter *filter, const form *form, size_t rows,
                           const bool *expected, const char *text)
{
    filter_columns columns = {(void *)(uintptr_t)form, find, rows};
    uint64_t *bits = malloc((bitset_words(rows) + 1) * sizeof *bits);
    size_t matches, counted = 0;
    veer_error error = {0};
    assert_non_null(bits);
    memset(bits, 0xAA, (bitset_words(rows) + 1) * sizeof *bits);
    assert_int_equal(filter_evaluate(filter, &columns, memory_default(), bits, &matches, &error),
                     VEER_OK);
    for (size_t i = 0; i < rows; i++) {
        if (bitset_get(bits, i) != expected[i]) fail_msg("row %zu of %s", i, text);
        counted += expected[i];
    }
    assert_int_equal(matches, counted);
    assert_true(bits[bitset_words(rows)] == 0xAAAAAAAAAAAAAAAAu);
    if (rows % 64 != 0) assert_true(bits[bitset_words(rows) - 1] >> (rows % 64) == 0);
    free(bits);
}

static const filter *parse(const model_text *text, bool is_object, arena *memory)
{
    const filter *filter = NULL;
    veer_error error = {0};
    veer_status status =
        model_parse(text->text, text->bytes, is_object, text->parameters, memory, &filter, &error);
    if (status != VEER_OK) fail_msg("%s: %s", error.message, text->text);
    return filter;
}

/* Tree -> text -> tree. */
static void assert_round_trip(const filter *filter, arena *memory)
{
    byte_writer printed;
    byte_writer_init(&printed, memory_default());
    filter_print(filter, &printed);
    byte_writer_u8(&printed, 0);
    model_text text = {.text = (char *)printed.data, .bytes = printed.bytes - 1};
    const struct filter *again = parse(&text, false, memory);
    if (!filter_equal(filter, again)) fail_msg("not the same again: %s", text.text);
    byte_writer_fini(&printed);
}

static void check_tree(rng *random, const model_row *rows, const form *const *forms,
                       size_t forms_count)
{
    model_node *tree = model_tree_new(random, (unsigned)rng_below(random, 4));
    size_t count = forms[0]->rows;
    bool *expected = malloc(count + MODEL_EMPTY_ROWS);
    assert_non_null(expected);
    for (size_t i = 0; i < count + MODEL_EMPTY_ROWS; i++)
        expected[i] = model_matches(tree, &rows[i]);
    for (int spelling = 0; spelling < 3; spelling++) {
        arena memory;
        model_text text;
        arena_init(&memory, memory_default());
        bool printed = true;
        if (spelling < 2) {
            text = model_print_text(random, tree, spelling == 1);
        } else {
            printed = model_print_object(tree, &text);
        }
        if (printed) {
            const filter *filter = parse(&text, spelling == 2, &memory);
            assert_round_trip(filter, &memory);
            for (size_t f = 0; f < forms_count; f++) {
                /* All rows; a prefix, as a reader of a growing segment asks; or more rows than
                 * the column has, which are rows without a value. */
                size_t any = rng_below(random, count + MODEL_EMPTY_ROWS);
                size_t asked = rng_below(random, 3) == 0 ? any : count;
                assert_answers(filter, forms[f], asked, expected, text.text);
            }
        }
        model_text_free(&text);
        arena_fini(&memory);
    }
    free(expected);
    model_tree_free(tree);
}

static void shuffle(rng *random, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = rng_below(random, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* Three parts, one of them sealed, whose rows are dropped or moved anywhere; `rows` are permuted
 * to what comes out. Returns how many rows do. */
static size_t merge(rng *random, model_row *rows, size_t count, form *out, form *again)
{
    size_t cuts[4] = {0, rng_below(random, count + 1), rng_below(random, count + 1), count};
    if (cuts[1] > cuts[2]) {
        size_t cut = cuts[1];
        cuts[1] = cuts[2];
        cuts[2] = cut;
    }
    uint32_t *places = malloc((count + 1) * sizeof *places);
    model_row *kept = calloc(count + 1, sizeof *kept);
    assert_non_null(places);
    assert_non_null(kept);
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        places[i] = rng_below(random, 5) == 0 ? UINT32_MAX : (uint32_t)total++;
    if (rng_below(random, 2) == 0) { /* not in order */
        uint32_t *targets = malloc((total + 1) * sizeof *targets);
        assert_non_null(targets);
        for (size_t i = 0; i < total; i++)
            targets[i] = (uint32_t)i;
        shuffle(random, targets, total);
        for (size_t i = 0; i < count; i++)
            if (places[i] != UINT32_MAX) places[i] = targets[places[i]];
        free(targets);
    }
    form parts[3], sealed;
    for (size_t p = 0; p < 3; p++)
        grow(random, rows, cuts[p], cuts[p + 1], &parts[p]);
    const form *middle = &parts[1];
    seal(&middle, NULL, 1, parts[1].rows, &sealed);
    const form *mixed[3] = {&parts[0], &sealed, &parts[2]};
    const form *growing[3] = {&parts[0], &parts[1], &parts[2]};
    const uint32_t *maps[3] = {places, places + cuts[1], places + cuts[2]};
    seal(mixed, maps, 3, total, out);
    seal(growing, maps, 3, total, again);
    for (size_t i = 0; i < count; i++)
        if (places[i] != UINT32_MAX) kept[places[i]] = rows[i];
    memset(rows, 0, count * sizeof *rows);
    memcpy(rows, kept, total * sizeof *rows);
    for (size_t p = 0; p < 3; p++)
        form_fini(&parts[p]);
    form_fini(&sealed);
    free(kept);
    free(places);
    return total;
}

static void check_forms(rng *random, const model_row *rows, size_t count)
{
    form growing, sealed;
    grow(random, rows, 0, count, &growing);
    const form *whole = &growing;
    seal(&whole, NULL, 1, count, &sealed);
    const form *both[2] = {&growing, &sealed};
    for (size_t i = 0; i < TREES; i++)
        check_tree(random, rows, both, 2);
    form_fini(&growing);
    form_fini(&sealed);
}

static void check_merged(rng *random, model_row *rows, size_t count, size_t trees)
{
    form merged, again, fresh, resealed;
    size_t total = merge(random, rows, count, &merged, &again);
    grow(random, rows, 0, total, &fresh);
    const form *whole = &fresh;
    seal(&whole, NULL, 1, total, &resealed);
    assert_same_bytes(&merged, &again);
    assert_same_bytes(&merged, &resealed);
    const form *both[2] = {&merged, &fresh};
    for (size_t i = 0; i < trees; i++)
        check_tree(random, rows, both, 2);
    form_fini(&merged);
    form_fini(&again);
    form_fini(&fresh);
    form_fini(&resealed);
}

static void test_random_filters(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 700, 1024, 1025, 3000};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        rng random;
        rng_init(&random, 1000 + round);
        size_t count = sizes[round % TEST_COUNT(sizes)];
        model_row *rows = model_rows_new(&random, count);
        check_forms(&random, rows, count);
        check_merged(&random, rows, count, TREES);
        free(rows);
    }
}

/* ---- visiting gives back what was appended */

typedef struct visited {
    const model_row *rows;
    size_t field;
    size_t counts[4096];
    uint32_t last;
} visited;

static void visit(void *context, uint32_t row, const column_value *value)
{
    visited *seen = context;
    assert_true(row >= seen->last);
    seen->last = row;
    seen->counts[row]++;
    const model_cell *cell = &seen->rows[row].cells[seen->field];
    bool found = false;
    for (size_t i = 0; i < cell->count && !found; i++) {
        const column_value *known = &cell->values[i];
        switch (model_fields[seen->field].type) {
        case COLUMN_NUMBER:
            found = known->as.number == value->as.number;
            break;
        case COLUMN_TIME:
            found = known->as.time == value->as.time;
            break;
        case COLUMN_BOOL:
            found = known->as.boolean == value->as.boolean;
            break;
        default:
            found = known->as.keyword.bytes == value->as.keyword.bytes &&
                    memcmp(known->as.keyword.text, value->as.keyword.text,
                           value->as.keyword.bytes) == 0;
            break;
        }
    }
    assert_true(found);
}

static size_t distinct_values(const model_cell *cell, bool is_keyword)
{
    size_t distinct = 0;
    for (size_t i = 0; i < cell->count; i++) {
        bool repeats = false;
        for (size_t j = 0; is_keyword && j < i; j++) {
            repeats = repeats || cell->values[i].as.keyword.text == cell->values[j].as.keyword.text;
        }
        distinct += !repeats;
    }
    return distinct;
}

static void test_visit(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 5);
    model_row *rows = model_rows_new(&random, 3000);
    form forms[2];
    grow(&random, rows, 0, 3000, &forms[0]);
    const form *whole = &forms[0];
    seal(&whole, NULL, 1, 3000, &forms[1]);
    visited *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    for (size_t i = 0; i < 2 * (MODEL_FIELDS - 1); i++) {
        const form *form = &forms[i % 2];
        memset(seen, 0, sizeof *seen);
        seen->rows = rows;
        seen->field = i / 2;
        assert_int_equal(column_visit(form->columns[i / 2], 2500, memory_default(), visit, seen),
                         VEER_OK);
        bool is_keyword = model_fields[i / 2].type == COLUMN_KEYWORD;
        for (size_t row = 0; row < 3000; row++) {
            size_t known = distinct_values(&rows[row].cells[i / 2], is_keyword);
            assert_int_equal(seen->counts[row], row < 2500 ? known : 0);
        }
    }
    free(seen);
    form_fini(&forms[0]);
    form_fini(&forms[1]);
    free(rows);
}

/* ---- more rows than a chunk or a container holds */

static void test_large(void **state)
{
    (void)state;
    const size_t count = 70000;
    static const char *const texts[] = {"year >= 2000 AND year < 2010",
                                        "tag = 'a'",
                                        "tag IN ('a','b','w20') OR draft = true",
                                        "NOT (tag CONTAINS ALL ('a', 'b'))",
                                        "tag != 'a' AND year = 2001",
                                        "(tag = 'aa' AND draft = true) OR \"in\" > 1500",
                                        "at < '1970-01-01' AND tag EXISTS",
                                        "owner.name-x = 'w30' AND tag = 'w31' AND draft = false",
                                        "tag BETWEEN 'a' AND 'b'"};
    rng random;
    rng_init(&random, 77);
    model_row *rows = model_rows_new(&random, count);
    form growing, sealed, narrow;
    grow(&random, rows, 0, count, &growing);
    const form *whole = &growing;
    seal(&whole, NULL, 1, count, &sealed);
    const form *sealed_form = &sealed;
    seal(&sealed_form, NULL, 1, count, &narrow);
    assert_same_bytes(&sealed, &narrow);
    uint64_t *bits[2];
    size_t words = bitset_words(count), matches[2];
    bits[0] = calloc(words, sizeof **bits);
    bits[1] = calloc(words, sizeof **bits);
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        arena memory;
        const filter *filter;
        arena_init(&memory, memory_default());
        assert_int_equal(
            model_parse(texts[i], strlen(texts[i]), false, NULL, &memory, &filter, NULL), VEER_OK);
        for (size_t f = 0; f < 2; f++) {
            filter_columns columns = {f == 0 ? &growing : &sealed, find, count};
            assert_int_equal(
                filter_evaluate(filter, &columns, memory_default(), bits[f], &matches[f], NULL),
                VEER_OK);
        }
        assert_int_equal(matches[0], matches[1]);
        assert_memory_equal(bits[0], bits[1], words * sizeof **bits);
        assert_int_equal(bitset_count(bits[0], count), matches[0]);
        assert_true(matches[0] > 0 && matches[0] < count);
        arena_fini(&memory);
    }
    free(bits[0]);
    free(bits[1]);
    form_fini(&growing);
    form_fini(&sealed);
    form_fini(&narrow);
    free(rows);
}

/* Many steps, sets of all forms, in order and not. */
static void test_large_merge(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 3; round++) {
        rng random;
        rng_init(&random, 300 + round);
        model_row *rows = model_rows_new(&random, 70000);
        check_merged(&random, rows, 70000, 0);
        free(rows);
    }
}

/* ---- the order by a column's values */

typedef struct timed_row {
    int64_t time;
    uint32_t row;
} timed_row;

static int by_time(const void *a, const void *b)
{
    const timed_row *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static column *new_times(rng *random, uint32_t *map, size_t rows, size_t total, int64_t few,
                         timed_row *expected, size_t *count)
{
    column *made;
    assert_int_equal(column_new(memory_default(), COLUMN_TIME, &made), VEER_OK);
    assert_int_equal(column_reserve(made, rows, rows, 0), VEER_OK);
    for (size_t i = 0; i < rows; i++) {
        column_value value = {.as.time = (int64_t)rng_below(random, (uint64_t)few) - few / 2};
        bool has = rng_below(random, 5) > 0;
        column_append(made, &value, has);
        map[i] = rng_below(random, 4) > 0 ? (uint32_t)total++ : UINT32_MAX;
        if (has && map[i] != UINT32_MAX) expected[(*count)++] = (timed_row){value.as.time, map[i]};
    }
    return made;
}

/* Two parts, growing and sealed in turn, of few and of many times. */
static void test_order(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    for (uint64_t round = 0; round < 12; round++) {
        rng random;
        rng_init(&random, 4000 + round);
        size_t rows[2] = {round < 2 ? round : ROWS, round < 4 ? 0 : ROWS / 2}, count = 0, total = 0;
        int64_t few = (int64_t)2 << (round * 5 % 61);
        timed_row *expected = calloc(2 * ROWS, sizeof *expected);
        uint32_t *maps = calloc(2 * ROWS, sizeof *maps);
        assert_non_null(expected);
        assert_non_null(maps);
        const uint32_t *both[2] = {maps, maps + ROWS};
        column *parts[2];
        byte_writer bytes;
        byte_writer_init(&bytes, memory_default());
        for (size_t p = 0; p < 2; p++) {
            parts[p] = new_times(&random, maps + p * ROWS, rows[p], total, few, expected, &count);
            for (size_t i = 0; i < rows[p]; i++)
                total += both[p][i] != UINT32_MAX;
        }
        column *sealed = NULL;
        const column *first = parts[0];
        if (round % 2 == 0) {
            assert_int_equal(column_write(COLUMN_TIME, &first, NULL, rows, 1, rows[0],
                                          memory_default(), &bytes, NULL),
                             VEER_OK);
            assert_int_equal(column_open(memory_default(), COLUMN_TIME, bytes.data, bytes.bytes,
                                         rows[0], &sealed, NULL),
                             VEER_OK);
            first = sealed;
        }
        const column *sources[2] = {first, parts[1]};
        column_writer *writer = NULL;
        assert_int_equal(column_writer_new(COLUMN_TIME, sources, both, rows, 2, total,
                                           memory_default(), &writer, NULL),
                         VEER_OK);
        for (bool done = false; !done;)
            assert_int_equal(column_writer_sort_step(writer, &done, NULL), VEER_OK);
        qsort(expected, count, sizeof *expected, by_time);
        size_t found;
        const uint64_t *presence;
        const uint32_t *order = column_writer_sorted(writer, &found, &presence);
        assert_int_equal(found, count);
        assert_int_equal(bitset_count(presence, total), count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(order[i], expected[i].row);
            assert_true(bitset_get(presence, order[i]));
        }
        column_writer_free(writer);
        column_free(sealed);
        column_free(parts[0]);
        column_free(parts[1]);
        byte_writer_fini(&bytes);
        free(expected);
        free(maps);
    }
}

/* ---- sets that are sparse against many rows: CRoaring's part of the evaluation */

#define SPARSE_ROWS 300000u
#define SPARSE_WORDS ((SPARSE_ROWS + 63) / 64)
#define SPARSE_KEYWORDS 12u

typedef struct sparse_data {
    form forms[2];
    uint64_t *keywords[SPARSE_KEYWORDS]; /* rows that have r0, r1, ... */
    uint64_t *drafts;
} sparse_data;

static uint64_t *new_bits(void)
{
    uint64_t *bits = calloc(SPARSE_WORDS, sizeof *bits);
    assert_non_null(bits);
    return bits;
}

/* Prints a random filter and computes its rows with bitsets. */
static void sparse_tree(rng *random, const sparse_data *data, unsigned depth, FILE *text,
                        uint64_t *rows)
{
    size_t k = rng_below(random, SPARSE_KEYWORDS), l = rng_below(random, SPARSE_KEYWORDS);
    uint64_t kind = depth == 0 ? 3 + rng_below(random, 5) : rng_below(random, 8);
    memset(rows, 0, SPARSE_WORDS * sizeof *rows);
    if (kind < 2) {
        uint64_t *term = new_bits();
        size_t count = 2 + rng_below(random, 2);
        if (kind == 0) bitset_set_range(rows, 0, SPARSE_ROWS);
        for (size_t i = 0; i < count; i++) {
            fputs(i == 0 ? "(" : kind == 0 ? " AND " : " OR ", text);
            sparse_tree(random, data, depth - 1, text, term);
            if (kind == 0) {
                bitset_and(rows, term, SPARSE_WORDS);
            } else {
                bitset_or(rows, term, SPARSE_WORDS);
            }
        }
        fputs(")", text);
        free(term);
    } else if (kind == 2) {
        fputs("NOT (", text);
        sparse_tree(random, data, depth - 1, text, rows);
        fputs(")", text);
        bitset_not(rows, SPARSE_ROWS);
    } else if (kind == 3) {
        fprintf(text, "tag IN ('r%zu', 'nobody', 'r%zu')", k, l);
        bitset_or(rows, data->keywords[k], SPARSE_WORDS);
        bitset_or(rows, data->keywords[l], SPARSE_WORDS);
    } else if (kind == 4) {
        fprintf(text, "tag CONTAINS ALL ('r%zu', 'r%zu')", k, l);
        bitset_or(rows, data->keywords[k], SPARSE_WORDS);
        bitset_and(rows, data->keywords[l], SPARSE_WORDS);
    } else if (kind == 5) {
        fputs("draft = true", text);
        bitset_or(rows, data->drafts, SPARSE_WORDS);
    } else {
        fprintf(text, kind == 6 ? "tag = 'r%zu'" : "tag != 'r%zu'", k);
        bitset_or(rows, data->keywords[k], SPARSE_WORDS);
        if (kind == 7) bitset_not(rows, SPARSE_ROWS);
    }
}

static void sparse_new(rng *random, sparse_data *made)
{
    form *growing = &made->forms[0];
    char texts[SPARSE_KEYWORDS][8];
    memset(made, 0, sizeof *made);
    growing->rows = SPARSE_ROWS;
    made->drafts = new_bits();
    for (size_t k = 0; k < SPARSE_KEYWORDS; k++) {
        made->keywords[k] = new_bits();
        snprintf(texts[k], sizeof texts[k], "r%zu", k);
    }
    for (size_t i = 0; i < 400; i++) { /* single rows, runs, and rows that have several */
        uint64_t *bits = made->keywords[rng_below(random, SPARSE_KEYWORDS - 1)];
        size_t first = rng_below(random, SPARSE_ROWS - 2000);
        if (i < 8) bitset_set_range(bits, first, first + rng_below(random, 2000));
        bitset_set(bits, first);
        bitset_set(made->keywords[rng_below(random, SPARSE_KEYWORDS - 1)], first);
        bitset_set(made->drafts, first % 3 == 0 ? first : first + 1);
    }
    for (size_t i = 0; i < SPARSE_ROWS; i += 2) /* and one that is not sparse */
        bitset_set(made->keywords[SPARSE_KEYWORDS - 1], i);
    for (size_t f = 0; f < MODEL_FIELDS; f++)
        byte_writer_init(&growing->bytes[f], memory_default());
    for (size_t f = 0; f < MODEL_FIELDS - 1; f++) {
        assert_int_equal(column_new(memory_default(), model_fields[f].type, &growing->columns[f]),
                         VEER_OK);
        assert_int_equal(
            column_reserve(growing->columns[f], SPARSE_ROWS, SPARSE_ROWS * SPARSE_KEYWORDS, 100),
            VEER_OK);
        for (size_t i = 0; i < SPARSE_ROWS; i++) {
            column_value values[SPARSE_KEYWORDS];
            size_t count = 0;
            for (size_t k = 0; f == 0 && k < SPARSE_KEYWORDS; k++) {
                if (!bitset_get(made->keywords[k], i)) continue;
                values[count].as.keyword.text = texts[k];
                values[count++].as.keyword.bytes = (uint32_t)strlen(texts[k]);
            }
            if (f == 4) values[count++].as.boolean = bitset_get(made->drafts, i);
            column_append(growing->columns[f], values, count);
        }
    }
    const form *whole = growing;
    seal(&whole, NULL, 1, SPARSE_ROWS, &made->forms[1]);
}

static void test_sparse(void **state)
{
    (void)state;
    rng random;
    sparse_data *data = calloc(1, sizeof *data);
    uint64_t *expected = new_bits(), *bits = new_bits();
    assert_non_null(data);
    rng_init(&random, 21);
    sparse_new(&random, data);
    for (size_t i = 0; i < 300; i++) {
        arena memory;
        model_text text = {0};
        veer_error error = {0};
        FILE *to = open_memstream(&text.text, &text.bytes);
        assert_non_null(to);
        sparse_tree(&random, data, 1 + (unsigned)rng_below(&random, 3), to, expected);
        fclose(to);
        arena_init(&memory, memory_default());
        const filter *filter = parse(&text, false, &memory);
        for (size_t f = i % 10 == 0 ? 0 : 1; f < 2; f++) {
            size_t matches;
            filter_columns columns = {&data->forms[f], find, SPARSE_ROWS};
            assert_int_equal(
                filter_evaluate(filter, &columns, memory_default(), bits, &matches, &error),
                VEER_OK);
            if (memcmp(bits, expected, SPARSE_WORDS * sizeof *bits) != 0) fail_msg("%s", text.text);
            assert_int_equal(matches, bitset_count(expected, SPARSE_ROWS));
        }
        arena_fini(&memory);
        model_text_free(&text);
    }
    for (size_t k = 0; k < SPARSE_KEYWORDS; k++)
        free(data->keywords[k]);
    free(data->drafts);
    form_fini(&data->forms[0]);
    form_fini(&data->forms[1]);
    free(data);
    free(expected);
    free(bits);
}

/* ---- -0 and 0 are one value, in any form and in the bytes */

static void test_negative_zero(void **state)
{
    (void)state;
    byte_writer bytes[2];
    for (size_t i = 0; i < 2; i++) {
        column *growing;
        column_value zero = {.as.number = i == 0 ? 0.0 : -0.0};
        assert_int_equal(column_new(memory_default(), COLUMN_NUMBER, &growing), VEER_OK);
        assert_int_equal(column_reserve(growing, 1, 1, 0), VEER_OK);
        column_append(growing, &zero, 1);
        byte_writer_init(&bytes[i], memory_default());
        const column *part = growing;
        const size_t rows = 1;
        assert_int_equal(column_write(COLUMN_NUMBER, &part, NULL, &rows, 1, 1, memory_default(),
                                      &bytes[i], NULL),
                         VEER_OK);
        column_free(growing);
    }
    assert_int_equal(bytes[0].bytes, bytes[1].bytes);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].bytes);
    byte_writer_fini(&bytes[0]);
    byte_writer_fini(&bytes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_filters), cmocka_unit_test(test_visit),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_large_merge),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_negative_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
