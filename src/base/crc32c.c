/* CRC-32C, the checksum of every stored byte (RFC 3720, appendix B.4).
 *
 * Two ways to the same number:
 *   - slicing by 8 (Kounavis and Berry, 2005): eight bytes a step by eight tables of 256 words;
 *     everywhere. A CRC without its initial value is linear over xor, so that a table's entry for
 *     a byte is the xor of the entries of its bits: the tables are spelled by 8 numbers each, and
 *     the compiler unfolds them. In WebAssembly they would be 8 KB to download that do not
 *     compress, so the module computes them when it is initialised.
 *   - the crc32 instruction of SSE4.2, on x86-64 where the processor has it; chosen in each call by
 *     a look at the compiler's own feature word, so there is no state here.
 *
 * Threads: a pure function.
 */
#include "base/crc32c.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/bytes.h"

/* tables[k][b]: what byte b contributes when k more bytes follow it. */
#if defined(__wasm__)

static uint32_t tables[8][256];

/* Runs in the module's _initialize, before anything else. */
__attribute__((constructor)) static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
        tables[0][byte] = crc;
    }
    for (size_t k = 1; k < 8; k++)
        for (size_t byte = 0; byte < 256; byte++)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xFF];
}

#else

/* b0..b7: the entries of the bytes 1, 2, 4, ..., 128. */
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                             \
    (((i)&1 ? (b0) : 0u) ^ ((i)&2 ? (b1) : 0u) ^ ((i)&4 ? (b2) : 0u) ^ ((i)&8 ? (b3) : 0u) ^ \
     ((i)&16 ? (b4) : 0u) ^ ((i)&32 ? (b5) : 0u) ^ ((i)&64 ? (b6) : 0u) ^ ((i)&128 ? (b7) : 0u))
#define ROW4(i, ...)                                                                 \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), \
        ENTRY((i) + 3, __VA_ARGS__)
#define ROW16(i, ...)                                                             \
    ROW4(i, __VA_ARGS__), ROW4((i) + 4, __VA_ARGS__), ROW4((i) + 8, __VA_ARGS__), \
        ROW4((i) + 12, __VA_ARGS__)
#define ROW64(i, ...)                                                                  \
    ROW16(i, __VA_ARGS__), ROW16((i) + 16, __VA_ARGS__), ROW16((i) + 32, __VA_ARGS__), \
        ROW16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                              \
    {                                                                           \
        ROW64(0, __VA_ARGS__), ROW64(64, __VA_ARGS__), ROW64(128, __VA_ARGS__), \
            ROW64(192, __VA_ARGS__)                                             \
    }

static const uint32_t tables[8][256] = {
    TABLE(0xF26B8303u, 0xE13B70F7u, 0xC79A971Fu, 0x8AD958CFu, 0x105EC76Fu, 0x20BD8EDEu, 0x417B1DBCu,
          0x82F63B78u),
    TABLE(0x13A29877u, 0x274530EEu, 0x4E8A61DCu, 0x9D14C3B8u, 0x3FC5F181u, 0x7F8BE302u, 0xFF17C604u,
          0xFBC3FAF9u),
    TABLE(0xA541927Eu, 0x4F6F520Du, 0x9EDEA41Au, 0x38513EC5u, 0x70A27D8Au, 0xE144FB14u, 0xC76580D9u,
          0x8B277743u),
    TABLE(0xDD45AAB8u, 0xBF672381u, 0x7B2231F3u, 0xF64463E6u, 0xE964B13Du, 0xD725148Bu, 0xABA65FE7u,
          0x52A0C93Fu),
    TABLE(0x38116FACu, 0x7022DF58u, 0xE045BEB0u, 0xC5670B91u, 0x8F2261D3u, 0x1BA8B557u, 0x37516AAEu,
          0x6EA2D55Cu),
    TABLE(0xEF306B19u, 0xDB8CA0C3u, 0xB2F53777u, 0x6006181Fu, 0xC00C303Eu, 0x85F4168Du, 0x0E045BEBu,
          0x1C08B7D6u),
    TABLE(0x68032CC8u, 0xD0065990u, 0xA5E0C5D1u, 0x4E2DFD53u, 0x9C5BFAA6u, 0x3D5B83BDu, 0x7AB7077Au,
          0xF56E0EF4u),
    TABLE(0x493C7D27u, 0x9278FA4Eu, 0x211D826Du, 0x423B04DAu, 0x847609B4u, 0x0D006599u, 0x1A00CB32u,
          0x34019664u),
};

#endif

static uint32_t crc_sliced(uint32_t crc, const uint8_t *p, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = load_u32(p) ^ crc;
        uint32_t high = load_u32(p + 4);
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
              tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^
              tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
    }
    for (; bytes > 0; bytes--, p++)
        crc = tables[0][(crc ^ *p) & 0xFF] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
                                                            size_t bytes)
{
    uint64_t state = crc;
    for (; bytes >= 8; bytes -= 8, p += 8)
        state = _mm_crc32_u64(state, load_u64(p));
    crc = (uint32_t)state;
    for (; bytes > 0; bytes--, p++)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
    return ~crc_sliced(~crc, data, bytes);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(~crc, data, bytes);
#endif
    return crc32c_portable(crc, data, bytes);
}
