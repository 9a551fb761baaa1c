/* Clustered Gaussian vectors with exact ground truth, the same for a seed:
 *
 *   make_vectors FOLDER ROWS DIMS METRIC SEED QUERIES
 *
 * 256 clusters. A row is a point near its cluster's centre in a 24-dimension space that all share,
 * plus a point in 16 directions that only its cluster has, plus isotropic noise with a tenth of the
 * energy. Queries are drawn like rows and are not among them. METRIC cosine makes unit vectors.
 * Writes base.fvecs, query.fvecs and gt_METRIC.ivecs (the 100 nearest, in double precision, ties by the
 * smaller number) into FOLDER.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdbool.h>

#include "vecs_file.h"

enum { CLUSTERS = 256, SHARED = 24, PRIVATE = 16, TRUTH = 100 };

/* Energies: of the centres, around them in the shared space, in the private directions, of noise. The
 * last is as the file header says; the others are arbitrary, chosen so that clusters overlap. */
static const double energies[] = {0.45, 0.2, 0.25, 0.1};

typedef struct generator {
    uint64_t state;
    size_t dims;
    float *shared;  /* SHARED rows of dims */
    float *centres; /* CLUSTERS rows of SHARED */
    float *private; /* CLUSTERS * PRIVATE rows of dims */
} generator;

/* SplitMix64 (Steele, Lea and Flood). */
static uint64_t next(generator *g)
{
    uint64_t z = g->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Normal, by Box and Muller's method. */
static float normal(generator *g)
{
    double u = ((double)(next(g) >> 11) + 1) * 0x1p-53;
    double v = (double)(next(g) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static void *allocated(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return memory;
}

/* `count` numbers of variance energy / per. */
static float *normals(generator *g, size_t count, double energy, double per)
{
    float *values = allocated(count * sizeof *values);
    float scale = (float)sqrt(energy / per);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * normal(g);
    return values;
}

static void make_row(generator *g, bool is_unit, float *row)
{
    size_t cluster = next(g) % CLUSTERS;
    float noise = (float)sqrt(energies[3] / (double)g->dims);
    float spread = (float)sqrt(energies[1] / SHARED);
    for (size_t i = 0; i < g->dims; i++)
        row[i] = noise * normal(g);
    for (size_t j = 0; j < SHARED; j++) {
        float weight = g->centres[cluster * SHARED + j] + spread * normal(g);
        for (size_t i = 0; i < g->dims; i++)
            row[i] += weight * g->shared[j * g->dims + i];
    }
    for (size_t j = 0; j < PRIVATE; j++) {
        const float *direction = g->private + (cluster * PRIVATE + j) * g->dims;
        float weight = normal(g);
        for (size_t i = 0; i < g->dims; i++)
            row[i] += weight * direction[i];
    }
    if (!is_unit) return;
    double square = 0;
    for (size_t i = 0; i < g->dims; i++)
        square += (double)row[i] * (double)row[i];
    for (size_t i = 0; i < g->dims; i++)
        row[i] *= (float)(1 / sqrt(square));
}

static FILE *created(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(1);
    }
    return file;
}

static void finish(FILE *file)
{
    if (ferror(file) != 0 || fclose(file) != 0) {
        fprintf(stderr, "a file could not be written to its end\n");
        exit(1);
    }
}

static void write_rows(const char *folder, const char *name, const void *rows, size_t count,
                       size_t dims)
{
    FILE *file = created(folder, name);
    int32_t length = (int32_t)dims;
    for (size_t i = 0; i < count; i++) {
        fwrite(&length, 4, 1, file);
        fwrite((const char *)rows + i * dims * 4, 4, dims, file);
    }
    finish(file);
}

/* Keeps the TRUTH nearest in order; rows come in order of their numbers. */
static void keep(double distance, int32_t row, double *distances, int32_t *rows)
{
    if (distance >= distances[TRUTH - 1]) return;
    size_t at = TRUTH - 1;
    for (; at > 0 && distances[at - 1] > distance; at--) {
        distances[at] = distances[at - 1];
        rows[at] = rows[at - 1];
    }
    distances[at] = distance;
    rows[at] = row;
}

static void find_truth(const float *query, const float *base, size_t rows, size_t dims, bool is_l2,
                       int32_t *nearest)
{
    double distances[TRUTH];
    for (size_t i = 0; i < TRUTH; i++)
        distances[i] = INFINITY;
    for (size_t i = 0; i < rows; i++) {
        const float *row = base + i * dims;
        double sum = 0;
        if (is_l2) {
            for (size_t j = 0; j < dims; j++) {
                double d = (double)row[j] - (double)query[j];
                sum += d * d;
            }
        } else {
            for (size_t j = 0; j < dims; j++)
                sum -= (double)row[j] * (double)query[j];
        }
        keep(sum, (int32_t)i, distances, nearest);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "make_vectors FOLDER ROWS DIMS cosine|l2 SEED QUERIES\n");
        return 2;
    }
    size_t rows = strtoul(argv[2], NULL, 10), dims = strtoul(argv[3], NULL, 10);
    size_t queries = strtoul(argv[6], NULL, 10);
    bool is_unit = strcmp(argv[4], "cosine") == 0;
    if (rows < TRUTH || rows > INT32_MAX || dims < 1 || dims > 8192 || queries < 1 ||
        queries > 1000000 || (!is_unit && strcmp(argv[4], "l2") != 0)) {
        fprintf(stderr, "ROWS is at least %d, DIMS 1-8192, METRIC cosine or l2\n", TRUTH);
        return 2;
    }
    generator g = {.state = strtoull(argv[5], NULL, 10), .dims = dims};
    g.shared = normals(&g, SHARED * dims, 1, (double)dims);
    g.centres = normals(&g, (size_t)CLUSTERS * SHARED, energies[0], SHARED);
    g.private = normals(&g, (size_t)CLUSTERS * PRIVATE * dims, energies[2], PRIVATE * (double)dims);
    float *base = allocated(rows * dims * sizeof *base);
    float *asked = allocated(queries * dims * sizeof *asked);
    int32_t *truth = allocated(queries * TRUTH * sizeof *truth);
    for (size_t i = 0; i < rows; i++)
        make_row(&g, is_unit, base + i * dims);
    for (size_t i = 0; i < queries; i++)
        make_row(&g, is_unit, asked + i * dims);
    for (size_t i = 0; i < queries; i++)
        find_truth(asked + i * dims, base, rows, dims, !is_unit, truth + i * TRUTH);
    write_rows(argv[1], "base.fvecs", base, rows, dims);
    write_rows(argv[1], "query.fvecs", asked, queries, dims);
    write_rows(argv[1], is_unit ? "gt_cosine.ivecs" : "gt_l2.ivecs", truth, queries, TRUTH);
    free(truth);
    free(asked);
    free(base);
    free(g.shared);
    free(g.centres);
    free(g.private);
    return 0;
}
