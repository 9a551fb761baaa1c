/* Which instruction sets this machine and its operating system offer. */
#ifndef VEER_PLATFORM_CPU_H
#define VEER_PLATFORM_CPU_H

#include <stdint.h>

enum {
    CPU_AVX2 = 1,   /* with FMA, F16C, POPCNT */
    CPU_AVX512 = 2, /* F, BW, DQ, VL, VNNI, VPOPCNTDQ, GFNI */
    CPU_NEON = 4,
    CPU_NEON_DOT = 8,
    CPU_SIMD128 = 16,
};

uint32_t cpu_features(void);
/* VEER_FORCE_TIER from the environment, or NULL. */
const char *cpu_forced_tier(void);

#endif
