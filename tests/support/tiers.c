/* The kernel tiers that a test runs on. */
#define _GNU_SOURCE
#include "support/tiers.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tier_flags {
    const char *name;
    const char *flags[8]; /* in /proc/cpuinfo */
} tier_flags;

#if defined(__x86_64__)
static const tier_flags expected[] = {
    {"avx2", {"avx2", "fma", "f16c", "popcnt"}},
    {"avx512",
     {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_vpopcntdq", "gfni"}},
};
#elif defined(__aarch64__)
static const tier_flags expected[] = {{"neon", {NULL}}, {"neon_dot", {"asimddp"}}};
#else
static const tier_flags expected[] = {{"scalar", {NULL}}}; /* no other */
#endif

/* The machine's flags, a space around each. */
static void read_flags(char *flags, size_t room)
{
    flags[0] = 0;
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) return;
    char *line = NULL;
    size_t line_room = 0;
    while (getline(&line, &line_room, file) > 0) {
        char *colon = strchr(line, ':');
        if (colon == NULL) continue;
        if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0) continue;
        colon[strcspn(colon, "\n")] = ' ';
        snprintf(flags, room, "%s", colon + 1);
        break;
    }
    free(line);
    fclose(file);
}

static bool machine_has(const tier_flags *tier, const char *flags)
{
    const char *names = getenv("VEER_EXPECTED_TIERS");
    if (names != NULL) {
        for (size_t length; *names != 0; names += length + (names[length] == ' ')) {
            length = strcspn(names, " ");
            if (length == strlen(tier->name) && memcmp(names, tier->name, length) == 0) return true;
        }
        return false;
    }
    for (size_t i = 0; tier->flags[i] != NULL; i++) {
        char word[32];
        snprintf(word, sizeof word, " %s ", tier->flags[i]);
        if (strstr(flags, word) == NULL) return false;
    }
    return true;
}

size_t tiers_find(const kernels *tiers[TIERS_MAX])
{
    static char flags[8192];
    size_t count = 0;
    read_flags(flags, sizeof flags);
    tiers[count++] = &kernels_scalar;
    printf("tiers: scalar");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const kernels *found = kernels_find(expected[i].name);
        if (found == &kernels_scalar) continue;
        if (found != NULL) {
            tiers[count++] = found;
            printf(" %s", found->name);
        } else if (machine_has(&expected[i], flags)) {
            printf("\n%s is missing, and the machine has it\n", expected[i].name);
            exit(1);
        }
    }
    printf("\n");
    return count;
}
