/* The kernels' inner loops on synthetic rows, without a clock: natively kernel_rates_main.c times them,
 * in WebAssembly wasm_kernels.mjs does. */
#ifndef VEER_BENCH_KERNEL_RATES_H
#define VEER_BENCH_KERNEL_RATES_H

#include <stddef.h>

typedef struct rates rates;

/* Random rows of `dims` (a multiple of 64) as f32 and as codes. `tier` NULL: the best one here.
 * NULL where there is no memory. */
rates *rates_new(const char *tier, size_t dims, size_t rows);
/* One pass of dot products over all f32 rows; the result depends on all of them. */
float rates_f32(rates *r);
/* `repeats` scans over the codes of the first `rows` rows, none of which passes the threshold. */
size_t rates_codes(rates *r, size_t rows, int repeats);
/* Reads the f32 rows once and adds them up: what memory can give. */
float rates_read(const rates *r);
void rates_free(rates *r);

#endif
