/* zstd with our allocator, level 3.
 *
 * Level 3 means the strategy "dfast" for every size; it is set nevertheless, because the
 * WebAssembly module holds no other (cmake/zstd_unused.c).
 *
 * zstd's hooks give no size when they free; each allocation therefore has its size in 16 bytes
 * before it, which also keeps the alignment that zstd expects.
 *
 * Nothing is decompressed into memory that zstd asks for: the caller knows the size, has compared
 * it with a limit, and gives exactly that much. A frame that states another size is damaged.
 *
 * Threads: as the header says.
 */
#define ZSTD_STATIC_LINKING_ONLY
#define ZSTD_DISABLE_DEPRECATE_WARNINGS /* one call with parameters is not for new users */
#include "storage/zstd_memory.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/sizes.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define COMPRESSION_LEVEL 3
#define SIZE_HEADER_BYTES 16u

static void *hook_allocate(void *opaque, size_t bytes)
{
    const veer_allocator *allocator = opaque;
    size_t total;
    if (!size_add(bytes, SIZE_HEADER_BYTES, &total)) return NULL;
    uint8_t *block = allocator->allocate(allocator->context, total, SIZE_HEADER_BYTES);
    if (block == NULL) return NULL;
    *(size_t *)(void *)block = total;
    return block + SIZE_HEADER_BYTES;
}

static void hook_release(void *opaque, void *memory)
{
    const veer_allocator *allocator = opaque;
    if (memory == NULL) return;
    uint8_t *block = (uint8_t *)memory - SIZE_HEADER_BYTES;
#ifdef UNDER_ASAN
    /* zstd forbids access to free parts of its workspace, and leaves them so. */
    __asan_unpoison_memory_region(block, *(size_t *)(void *)block);
#endif
    allocator->release(allocator->context, block, *(size_t *)(void *)block, SIZE_HEADER_BYTES);
}

static ZSTD_customMem hooks(const veer_allocator *allocator)
{
    /* The hooks only read through it; zstd wants a pointer without const. */
    union {
        const veer_allocator *in;
        void *out;
    } opaque = {allocator};
    return (ZSTD_customMem){hook_allocate, hook_release, opaque.out};
}

void zstd_pool_init(zstd_pool *pool, const veer_allocator *allocator)
{
    pool->allocator = allocator;
    atomic_init(&pool->spare, NULL);
}

void zstd_pool_fini(zstd_pool *pool)
{
    ZSTD_freeDCtx(atomic_exchange(&pool->spare, NULL));
}

veer_status zstd_decompress(zstd_pool *pool, void *raw, size_t raw_bytes, const void *frame,
                            size_t frame_bytes, veer_error *error)
{
    if (ZSTD_getFrameContentSize(frame, frame_bytes) != raw_bytes)
        VEER_FAIL(error, VEER_E_CORRUPT, "A compressed block does not state its size of %zu bytes.",
                  raw_bytes);
    ZSTD_DCtx *context = atomic_exchange(&pool->spare, NULL);
    if (context == NULL) context = ZSTD_createDCtx_advanced(hooks(pool->allocator));
    if (context == NULL) return error_nomem(error, "decompressing", 0);
    size_t n = ZSTD_decompressDCtx(context, raw, raw_bytes, frame, frame_bytes);
    ZSTD_freeDCtx(atomic_exchange(&pool->spare, context));
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return error_nomem(error, "decompressing", raw_bytes);
    if (ZSTD_isError(n) || n != raw_bytes)
        VEER_FAIL(error, VEER_E_CORRUPT, "A compressed block of %zu bytes does not decompress.",
                  frame_bytes);
    return VEER_OK;
}

struct zstd_compressor {
    const veer_allocator *allocator;
    ZSTD_CCtx *context;
};

veer_status zstd_compressor_new(const veer_allocator *allocator, zstd_compressor **out,
                                veer_error *error)
{
    *out = NULL;
    zstd_compressor *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a compressor", sizeof *self);
    self->allocator = allocator;
    self->context = ZSTD_createCCtx_advanced(hooks(allocator));
    if (self->context == NULL) {
        zstd_compressor_free(self);
        return error_nomem(error, "a compressor", 0);
    }
    *out = self;
    return VEER_OK;
}

void zstd_compressor_free(zstd_compressor *self)
{
    if (self == NULL) return;
    ZSTD_freeCCtx(self->context);
    memory_free(self->allocator, self, sizeof *self);
}

size_t zstd_bound(size_t n)
{
    return ZSTD_compressBound(n);
}

veer_status zstd_compress(zstd_compressor *self, void *frame, size_t capacity, const void *raw,
                          size_t raw_bytes, size_t *frame_bytes, veer_error *error)
{
    *frame_bytes = 0;
    ZSTD_parameters parameters = ZSTD_getParams(COMPRESSION_LEVEL, raw_bytes, 0);
    parameters.cParams.strategy = ZSTD_dfast;
    size_t n =
        ZSTD_compress_advanced(self->context, frame, capacity, raw, raw_bytes, NULL, 0, parameters);
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return error_nomem(error, "compressing", raw_bytes);
    if (ZSTD_isError(n))
        VEER_FAIL(error, VEER_E_INTERNAL, "zstd failed with error %d on %zu bytes.",
                  (int)ZSTD_getErrorCode(n), raw_bytes);
    *frame_bytes = n;
    return VEER_OK;
}
