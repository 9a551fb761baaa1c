/* What the processor and its operating system offer, in tiers that the kernels ask for whole.
 *
 * On x86 the compiler's own feature word is used (it knows whether the operating system saves the
 * wide registers); F16C is missing there in clang 14 and read from CPUID. WebAssembly engines
 * refuse a module with instructions that they lack, so there the answer is what the module was
 * compiled with. Threads: any; nothing is cached here.
 */
#if defined(__linux__) && !defined(__wasm__)
#define _GNU_SOURCE
#include <sys/auxv.h>
#endif

#include "platform/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>

uint32_t cpu_features(void)
{
    uint32_t features = 0;
    unsigned eax;
    unsigned ebx;
    unsigned ecx = 0;
    unsigned edx;
    __builtin_cpu_init();
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return 0;
    bool has_f16c = ecx & bit_F16C;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("popcnt") && has_f16c) {
        features |= CPU_AVX2;
    }
    if ((features & CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("gfni")) {
        features |= CPU_AVX512;
    }
    return features;
}

#elif defined(__aarch64__)

uint32_t cpu_features(void)
{
    uint32_t features = CPU_NEON;
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & (1u << 20)) features |= CPU_NEON_DOT; /* HWCAP_ASIMDDP */
#elif defined(__ARM_FEATURE_DOTPROD)
    features |= CPU_NEON_DOT;
#endif
    return features;
}

#else

uint32_t cpu_features(void)
{
    uint32_t features = 0;
#if defined(__wasm_simd128__)
    features |= CPU_SIMD128;
#endif
    return features;
}

#endif

const char *cpu_forced_tier(void)
{
#ifdef __wasm__
    return NULL;
#else
    const char *tier = getenv("VEER_FORCE_TIER");
    return tier != NULL && tier[0] != 0 ? tier : NULL;
#endif
}
