/* Force-included into CRoaring's sources (cmake/dependencies.cmake), and only there: every
 * allocation goes to src/filter/bitmap_memory.c, since CRoaring 0.2.66 has no allocator hook, and
 * its messages on a failed allocation go nowhere, since a library does not print.
 *
 * The headers below come first because they declare these names, or (mm_malloc.h, by way of
 * x86intrin.h) call them. The macros take arguments, so that a member or a type of the same name
 * stays what it is. CRoaring's only aligned allocations are in portability.h, by posix_memalign. */

#ifndef VEER_ROARING_MEMORY_H
#define VEER_ROARING_MEMORY_H

#include <stdio.h>
#include <stdlib.h>
#ifdef __linux__
#include <malloc.h>
#endif
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

void *veer_roaring_malloc(size_t size);
void *veer_roaring_calloc(size_t count, size_t size);
void *veer_roaring_realloc(void *block, size_t size);
void veer_roaring_free(void *block);
int veer_roaring_posix_memalign(void **block, size_t alignment, size_t size);

#define malloc(size) veer_roaring_malloc(size)
#define calloc(count, size) veer_roaring_calloc(count, size)
#define realloc(block, size) veer_roaring_realloc(block, size)
#define free(block) veer_roaring_free(block)
#define posix_memalign(block, alignment, size) veer_roaring_posix_memalign(block, alignment, size)

#define printf(...) ((void)0)
#define fprintf(...) ((void)0)

#endif
