/* Reading fvecs, bvecs and ivecs files for benchmarks: whole files, little-endian. */
#ifndef VEER_BENCH_VECS_FILE_H
#define VEER_BENCH_VECS_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef struct vecs {
    size_t rows, dims;
    float *values;   /* fvecs and bvecs */
    int32_t *places; /* ivecs */
} vecs;

static inline double bench_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Exits with a message where the file cannot be read. */
static inline vecs vecs_read(const char *path)
{
    vecs read = {0, 0, NULL, NULL};
    FILE *file = fopen(path, "rb");
    int32_t dims = 0;
    if (file == NULL || fread(&dims, 4, 1, file) != 1 || dims < 1 || dims > 1 << 20) {
        fprintf(stderr, "%s: not readable as a vector file\n", path);
        exit(1);
    }
    size_t length = strlen(path);
    char kind = length > 5 ? path[length - 5] : 0;
    size_t each = kind == 'b' ? 1 : 4;
    fseek(file, 0, SEEK_END);
    read.dims = (size_t)dims;
    read.rows = (size_t)ftell(file) / (4 + each * read.dims);
    rewind(file);
    uint8_t *row = malloc(each * read.dims);
    if (posix_memalign((void **)&read.values, 2u << 20, read.rows * read.dims * 4 + 1) != 0) {
        exit(1);
    }
    /* As the library's own allocator does for arrays of this size. */
    madvise(read.values, read.rows * read.dims * 4 & ~(((size_t)2 << 20) - 1), MADV_HUGEPAGE);
    read.places = (int32_t *)(void *)read.values;
    for (size_t i = 0; i < read.rows; i++) {
        if (fread(&dims, 4, 1, file) != 1 || fread(row, each, read.dims, file) != read.dims) {
            fprintf(stderr, "%s: ends within row %zu\n", path, i);
            exit(1);
        }
        if (each == 4) {
            memcpy(read.values + i * read.dims, row, 4 * read.dims);
        } else {
            for (size_t j = 0; j < read.dims; j++)
                read.values[i * read.dims + j] = row[j];
        }
    }
    free(row);
    fclose(file);
    return read;
}

#endif
