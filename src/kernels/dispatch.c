/* Chooses the kernel table: the best tier that the machine has, unless VEER_FORCE_TIER names
 * another one that it has too.
 *
 * The choice is one atomic pointer, the only mutable global of the library. Several threads may
 * choose at once: they choose the same table.
 */
#include <stdatomic.h>
#include <string.h>

#include "kernels/kernels.h"
#include "platform/cpu.h"

typedef struct tier {
    const kernels *table;
    uint32_t needs; /* CPU_ bits */
} tier;

/* Best first. */
static const tier tiers[] = {
#if defined(__x86_64__)
    {&kernels_avx512, CPU_AVX512},
    {&kernels_avx2, CPU_AVX2},
#endif
#if defined(__aarch64__)
#if defined(KERNELS_NEON_DOT)
    {&kernels_neon_dot, CPU_NEON | CPU_NEON_DOT},
#endif
    {&kernels_neon, CPU_NEON},
#endif
#if defined(__wasm_simd128__)
    {&kernels_simd128, CPU_SIMD128},
#endif
    {&kernels_scalar, 0},
};

static _Atomic(const kernels *) chosen;

/* The best tier of that name (NULL: of any), or NULL. */
static const kernels *choose(const char *name)
{
    uint32_t has = cpu_features();
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        bool fits = (tiers[i].needs & ~has) == 0;
        if (fits && (name == NULL || strcmp(name, tiers[i].table->name) == 0)) {
            return tiers[i].table;
        }
    }
    return NULL;
}

const kernels *kernels_find(const char *name)
{
    return choose(name);
}

void kernels_force(const kernels *table)
{
    atomic_store_explicit(&chosen, table, memory_order_release);
}

const kernels *kernels_get(void)
{
    const kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table != NULL) return table;
    const char *forced = cpu_forced_tier();
    if (forced != NULL) table = choose(forced);
    if (table == NULL) table = choose(NULL);
    kernels_force(table);
    return table;
}
