#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char model_schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":24,\"metric\":\"cosine\"},"
    "\"tag\":{\"type\":\"keyword\"},\"year\":{\"type\":\"number\"},\"draft\":{\"type\":\"bool\"},"
    "\"at\":{\"type\":\"time\"},\"note\":{\"type\":\"text\"}}}";

void model_init(model *model, uint64_t seed, uint32_t ids)
{
    memset(model, 0, sizeof *model);
    rng_init(&model->rng, seed);
    model->ids = ids;
    model->text = malloc(MODEL_TEXT);
}

void model_fini(model *model)
{
    free(model->text);
}

static uint32_t below(model *model, uint32_t bound)
{
    return (uint32_t)rng_below(&model->rng, bound);
}

/* Values in eighths, so that they print and read back exactly; four clusters, some duplicates. */
static void random_vector(model *model, float *vector)
{
    uint32_t cluster = below(model, 4), copies = below(model, 20);
    for (int i = 0; i < MODEL_DIMS; i++) {
        float centre = (float)((int)((cluster * 7 + (uint32_t)i * 5) % 9) - 4);
        float noise = copies == 0 ? 0.0f : (float)((int)below(model, 33) - 16) / 8.0f;
        vector[i] = centre + noise;
    }
    vector[0] += 8.0f; /* never zero */
}

/* ---------------------------------------------------------------- filters */

static const char *const relations[] = {"=", "!=", "<", "<=", ">", ">="};

static int random_term(model *model, model_filter *filter, int depth)
{
    int at = filter->count++;
    model_term term = {0};
    uint32_t pick = depth < 2 ? below(model, 13) : below(model, 7);
    term.kind = pick < 7 ? (model_term_kind)pick : (model_term_kind)(TERM_AND + (pick - 7) % 3);
    term.relation = (int)below(model, 6);
    switch (term.kind) {
    case TERM_TAG_EQ:
    case TERM_TAG_NE:
        term.tags = 1u << below(model, MODEL_TAGS);
        break;
    case TERM_TAG_IN:
        term.tags = 1u + below(model, (1u << MODEL_TAGS) - 1);
        break;
    case TERM_YEAR:
        term.number = 1990 + below(model, 40);
        break;
    case TERM_AT:
        term.number = (double)((int64_t)below(model, 2000) - 1000) * 86400000.0;
        break;
    case TERM_DRAFT:
        term.number = below(model, 2);
        break;
    case TERM_AND:
    case TERM_OR:
        term.left = random_term(model, filter, depth + 1);
        term.right = random_term(model, filter, depth + 1);
        break;
    case TERM_NOT:
        term.left = random_term(model, filter, depth + 1);
        break;
    case TERM_HAS_YEAR:
        break;
    }
    filter->terms[at] = term;
    return at;
}

static size_t print_term(const model_filter *filter, int at, char *to, size_t room)
{
    const model_term *term = &filter->terms[at];
    size_t n = 0;
#define PRINT(...) n += (size_t)snprintf(to + n, room - n, __VA_ARGS__)
    int tag = 0;
    while (term->tags && !(term->tags >> tag & 1))
        tag++;
    switch (term->kind) {
    case TERM_TAG_EQ:
        PRINT("tag = 't%d'", tag);
        break;
    case TERM_TAG_NE:
        PRINT("tag != 't%d'", tag);
        break;
    case TERM_TAG_IN:
        PRINT("tag IN (");
        for (int i = 0, first = 1; i < MODEL_TAGS; i++)
            if (term->tags >> i & 1) {
                PRINT("%s't%d'", first ? "" : ", ", i);
                first = 0;
            }
        PRINT(")");
        break;
    case TERM_YEAR:
        PRINT("year %s %.17g", relations[term->relation], term->number);
        break;
    case TERM_AT:
        PRINT("at %s %.17g", relations[term->relation], term->number);
        break;
    case TERM_DRAFT:
        PRINT("draft = %s", term->number > 0 ? "true" : "false");
        break;
    case TERM_HAS_YEAR:
        PRINT("year EXISTS");
        break;
    case TERM_AND:
    case TERM_OR:
        PRINT("(");
        n += print_term(filter, term->left, to + n, room - n);
        PRINT(term->kind == TERM_AND ? " AND " : " OR ");
        n += print_term(filter, term->right, to + n, room - n);
        PRINT(")");
        break;
    case TERM_NOT:
        PRINT("NOT (");
        n += print_term(filter, term->left, to + n, room - n);
        PRINT(")");
        break;
    }
#undef PRINT
    return n;
}

static bool related(int relation, double value, double than)
{
    switch (relation) {
    case 0:
        return value == than;
    case 1:
        return value != than;
    case 2:
        return value < than;
    case 3:
        return value <= than;
    case 4:
        return value > than;
    default:
        return value >= than;
    }
}

static bool term_matches(const model_filter *filter, int at, const model_document *document)
{
    const model_term *term = &filter->terms[at];
    switch (term->kind) {
    case TERM_TAG_EQ:
    case TERM_TAG_IN:
        return (document->tags & term->tags) != 0;
    case TERM_TAG_NE:
        return (document->tags & term->tags) == 0;
    case TERM_YEAR:
        if (!document->has_year) return term->relation == 1;
        return related(term->relation, document->year, term->number);
    case TERM_AT:
        if (!document->has_at) return term->relation == 1;
        return related(term->relation, (double)document->at, term->number);
    case TERM_DRAFT:
        return document->has_draft && document->draft == (term->number > 0);
    case TERM_HAS_YEAR:
        return document->has_year;
    case TERM_AND:
        return term_matches(filter, term->left, document) &&
               term_matches(filter, term->right, document);
    case TERM_OR:
        return term_matches(filter, term->left, document) ||
               term_matches(filter, term->right, document);
    default:
        return !term_matches(filter, term->left, document);
    }
}

bool model_matches(const model_filter *filter, const model_document *document)
{
    return document->exists && (!filter || term_matches(filter, filter->root, document));
}

static void random_filter(model *model, model_operation *operation)
{
    operation->has_filter = true;
    operation->filter.count = 0;
    operation->filter.root = random_term(model, &operation->filter, 0);
    size_t n = 0;
    operation->filter_text[n++] = '"';
    n += print_term(&operation->filter, operation->filter.root, operation->filter_text + n,
                    sizeof operation->filter_text - n - 2);
    operation->filter_text[n++] = '"';
    operation->filter_text[n] = 0;
}

/* ---------------------------------------------------------------- operations */

static size_t print_document(model *model, const model_operation *operation, uint32_t id,
                             size_t number, const model_document *document, char *to)
{
    size_t n = 0;
    n += (size_t)sprintf(to + n, "{\"id\":\"d%u\",\"serial\":%u", id, document->serial);
    if (document->tags) {
        bool single = (document->tags & (document->tags - 1)) == 0 && model->serial % 2;
        n += (size_t)sprintf(to + n, ",\"tag\":%s", single ? "" : "[");
        for (int i = 0, first = 1; i < MODEL_TAGS; i++)
            if (document->tags >> i & 1) {
                n += (size_t)sprintf(to + n, "%s\"t%d\"", first ? "" : ",", i);
                first = 0;
            }
        n += (size_t)sprintf(to + n, "%s", single ? "" : "]");
    }
    if (document->has_year) n += (size_t)sprintf(to + n, ",\"year\":%.17g", document->year);
    if (document->has_draft)
        n += (size_t)sprintf(to + n, ",\"draft\":%s", document->draft ? "true" : "false");
    if (document->has_at) n += (size_t)sprintf(to + n, ",\"at\":%lld", (long long)document->at);
    n += (size_t)sprintf(to + n, ",\"note\":\"n\\u00e9 %u\"", document->serial);
    if (document->has_vector && !operation->binary) {
        n += (size_t)sprintf(to + n, ",\"v\":[");
        for (int i = 0; i < MODEL_DIMS; i++)
            n += (size_t)sprintf(to + n, "%s%.9g", i ? "," : "",
                                 (double)operation->vectors[number][i]);
        n += (size_t)sprintf(to + n, "]");
    }
    n += (size_t)sprintf(to + n, "}");
    return n;
}

static void next_upsert(model *model, model_operation *operation)
{
    operation->count = 1 + below(model, below(model, 4) ? 4 : 32);
    operation->binary = below(model, 2);
    memset(operation->present, 0, sizeof operation->present);
    size_t n = (size_t)sprintf(model->text, "[");
    for (size_t i = 0; i < operation->count; i++) {
        model_document document = {.exists = true, .serial = ++model->serial};
        uint32_t id = below(model, model->ids);
        operation->ids[i] = id;
        document.has_vector = below(model, 12) != 0;
        random_vector(model, operation->vectors[i]);
        if (document.has_vector) operation->present[i / 8] |= (uint8_t)(1u << (i % 8));
        document.has_year = below(model, 8) != 0;
        document.year = 1990 + below(model, 40);
        document.has_draft = below(model, 3) != 0;
        document.draft = below(model, 2);
        document.has_at = below(model, 4) != 0;
        document.at = ((int64_t)below(model, 2000) - 1000) * 86400000;
        if (below(model, 6)) document.tags = 1u << below(model, MODEL_TAGS);
        if (below(model, 5) == 0) document.tags |= 1u << below(model, MODEL_TAGS);
        n += (size_t)sprintf(model->text + n, "%s", i ? "," : "");
        n += print_document(model, operation, id, i, &document, model->text + n);
        memcpy(document.vector, operation->vectors[i], sizeof document.vector);
        model->documents[id] = document;
    }
    sprintf(model->text + n, "]");
}

static void next_ids(model *model, model_operation *operation)
{
    operation->count = 1 + below(model, 6);
    size_t n = (size_t)sprintf(model->text, "[");
    for (size_t i = 0; i < operation->count; i++) {
        operation->ids[i] = below(model, model->ids);
        n += (size_t)sprintf(model->text + n, "%s\"d%u\"", i ? "," : "", operation->ids[i]);
    }
    sprintf(model->text + n, "]");
}

void model_next(model *model, model_operation *operation, bool durable)
{
    operation->documents = model->text;
    operation->has_filter = false;
    operation->count = 0;
    uint32_t pick = below(model, 1000);
    if (pick < 400)
        operation->kind = MODEL_UPSERT;
    else if (pick < 480)
        operation->kind = MODEL_DELETE;
    else if (pick < 484)
        operation->kind = MODEL_DELETE_WHERE;
    else if (pick < 800)
        operation->kind = MODEL_SEARCH;
    else if (pick < 880)
        operation->kind = MODEL_GET;
    else if (pick < 950)
        operation->kind = MODEL_COUNT;
    else if (pick < 953)
        operation->kind = MODEL_SCAN;
    else if (pick < 992)
        operation->kind = MODEL_WORK;
    else if (pick < 995)
        operation->kind = MODEL_CHECKPOINT;
    else if (pick < 996)
        operation->kind = MODEL_COMPACT;
    else if (pick < 999)
        operation->kind = durable ? MODEL_REOPEN : MODEL_WORK;
    else
        operation->kind = durable ? MODEL_BACKUP : MODEL_WORK;
    switch (operation->kind) {
    case MODEL_UPSERT:
        next_upsert(model, operation);
        break;
    case MODEL_DELETE:
    case MODEL_GET:
        next_ids(model, operation);
        break;
    case MODEL_DELETE_WHERE:
        random_filter(model, operation);
        break;
    case MODEL_SEARCH:
        random_vector(model, operation->vectors[0]);
        operation->k = 1 + (int)below(model, below(model, 10) ? 20 : 200);
        operation->exact = below(model, 2);
        if (below(model, 3)) random_filter(model, operation);
        break;
    case MODEL_COUNT:
    case MODEL_SCAN:
        if (below(model, 3)) random_filter(model, operation);
        break;
    default:
        break;
    }
}

uint64_t model_apply(model *model, const model_operation *operation)
{
    uint64_t deleted = 0;
    if (operation->kind == MODEL_DELETE)
        for (size_t i = 0; i < operation->count; i++) {
            deleted += model->documents[operation->ids[i]].exists;
            model->documents[operation->ids[i]].exists = false;
        }
    if (operation->kind == MODEL_DELETE_WHERE)
        for (uint32_t i = 0; i < model->ids; i++)
            if (model_matches(&operation->filter, &model->documents[i])) {
                model->documents[i].exists = false;
                deleted++;
            }
    return deleted;
}

uint64_t model_count(const model *model, const model_filter *filter)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < model->ids; i++)
        count += model_matches(filter, &model->documents[i]);
    return count;
}

double model_distance(const model_document *document, const float *query)
{
    double dot = 0, a = 0, b = 0;
    for (int i = 0; i < MODEL_DIMS; i++) {
        dot += (double)document->vector[i] * query[i];
        a += (double)document->vector[i] * document->vector[i];
        b += (double)query[i] * query[i];
    }
    return 1 - dot / sqrt(a * b);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

size_t model_nearest(const model *model, const model_operation *operation, double *distances)
{
    double *all = malloc(model->ids * sizeof *all);
    size_t n = 0;
    for (uint32_t i = 0; i < model->ids; i++) {
        const model_document *document = &model->documents[i];
        if (!model_matches(operation->has_filter ? &operation->filter : NULL, document)) continue;
        if (document->has_vector) all[n++] = model_distance(document, operation->vectors[0]);
    }
    qsort(all, n, sizeof *all, by_value);
    if (n > (size_t)operation->k) n = (size_t)operation->k;
    memcpy(distances, all, n * sizeof *all);
    free(all);
    return n;
}

uint32_t model_id(const char *id, size_t bytes)
{
    uint32_t number = 0;
    if (bytes < 2 || id[0] != 'd') return MODEL_IDS;
    for (size_t i = 1; i < bytes; i++) {
        if (id[i] < '0' || id[i] > '9') return MODEL_IDS;
        number = number * 10 + (uint32_t)(id[i] - '0');
    }
    return number < MODEL_IDS ? number : MODEL_IDS;
}
