/* Distances to 8-bit and 4-bit codes as a walk asks for them, 32 random nodes a call, without a
 * clock: natively kernels.c times them, in WebAssembly wasm_codes.mjs does. */
#ifndef VEER_BENCH_CODE_RATES_H
#define VEER_BENCH_CODE_RATES_H

#include "kernels/kernels.h"

/* More than caches hold, but for the shortest codes. */
#define CODE_RATES_NODES 400000u
/* So few that their codes, up to 768 dimensions, stay in a cache of the first level. */
#define CODE_RATES_IN_CACHE 32u
#define CODE_RATES_VISITS 16000u

typedef enum code_rates_kind {
    CODE_RATES_DOT_SQ8,
    CODE_RATES_L2_SQ8,
    CODE_RATES_DOT_SQ4,
    CODE_RATES_KINDS, /* how many */
} code_rates_kind;

typedef struct code_rates code_rates;

/* Random codes of `dims` dimensions, a multiple of 64. NULL where there is no memory. */
code_rates *code_rates_new(size_t dims);
/* Chooses the nodes of the next visits among the first `count`. */
void code_rates_draw(code_rates *r, size_t count);
/* CODE_RATES_VISITS distances by these kernels (NULL: the best here). */
int32_t code_rates_visit(const code_rates *r, const kernels *k, code_rates_kind kind);
void code_rates_free(code_rates *r);

#endif
