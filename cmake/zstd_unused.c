/* What zstd_compress.c refers to and our compression never reaches, for the WebAssembly module.
 *
 * zstd_memory.c compresses with the strategy "dfast" only, without dictionary, long distance
 * matching or a target for the size of compressed blocks. zstd_compress.c nevertheless links the
 * match finders of all levels, since it holds them in a table; they were a tenth of the module. So
 * the WebAssembly build leaves out zstd_fast.c, zstd_lazy.c, zstd_opt.c, zstd_ldm.c and
 * zstd_compress_superblock.c, gives two functions of zstd_double_fast.c other names
 * (cmake/dependencies.cmake) and links these instead: block compressors that fail with an error
 * code, which zstd_compress() then reports, and functions that do nothing. Native builds link
 * zstd's own; both write the same bytes.
 *
 * Threads: there is no state.
 */
#include "common/zstd_internal.h"
#include "compress/zstd_compress_superblock.h"
#include "compress/zstd_double_fast.h"
#include "compress/zstd_fast.h"
#include "compress/zstd_lazy.h"
#include "compress/zstd_ldm.h"
#include "compress/zstd_opt.h"

#define NO_BLOCK_COMPRESSOR(name)                                                           \
    size_t name(ZSTD_matchState_t *state, seqStore_t *sequences, U32 repeats[ZSTD_REP_NUM], \
                void const *source, size_t bytes)                                           \
    {                                                                                       \
        (void)state, (void)sequences, (void)repeats, (void)source, (void)bytes;             \
        return ERROR(parameter_unsupported);                                                \
    }

NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_doubleFast_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_doubleFast_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_fast)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_fast_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_fast_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btlazy2)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btlazy2_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_dictMatchState_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_dictMatchState_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_dictMatchState_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_dedicatedDictSearch)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_dedicatedDictSearch)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_dedicatedDictSearch)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_dedicatedDictSearch_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_dedicatedDictSearch_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_dedicatedDictSearch_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_greedy_extDict_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy_extDict_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_lazy2_extDict_row)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btlazy2_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btopt)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btultra)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btultra2)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btopt_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btultra_dictMatchState)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btopt_extDict)
NO_BLOCK_COMPRESSOR(ZSTD_compressBlock_btultra_extDict)

void ZSTD_fillHashTable(ZSTD_matchState_t *state, void const *end,
                        ZSTD_dictTableLoadMethod_e method, ZSTD_tableFillPurpose_e purpose)
{
    (void)state, (void)end, (void)method, (void)purpose;
}

U32 ZSTD_insertAndFindFirstIndex(ZSTD_matchState_t *state, const BYTE *at)
{
    (void)state, (void)at;
    return 0;
}

void ZSTD_row_update(ZSTD_matchState_t *const state, const BYTE *at)
{
    (void)state, (void)at;
}

void ZSTD_dedicatedDictSearch_lazy_loadDictionary(ZSTD_matchState_t *state, const BYTE *const at)
{
    (void)state, (void)at;
}

void ZSTD_updateTree(ZSTD_matchState_t *state, const BYTE *at, const BYTE *end)
{
    (void)state, (void)at, (void)end;
}

void ZSTD_ldm_fillHashTable(ldmState_t *state, const BYTE *at, const BYTE *end,
                            ldmParams_t const *parameters)
{
    (void)state, (void)at, (void)end, (void)parameters;
}

size_t ZSTD_ldm_generateSequences(ldmState_t *state, rawSeqStore_t *sequences,
                                  ldmParams_t const *parameters, void const *source, size_t bytes)
{
    (void)state, (void)sequences, (void)parameters, (void)source, (void)bytes;
    return ERROR(parameter_unsupported);
}

size_t ZSTD_ldm_blockCompress(rawSeqStore_t *raw, ZSTD_matchState_t *state, seqStore_t *sequences,
                              U32 repeats[ZSTD_REP_NUM], ZSTD_paramSwitch_e by_rows,
                              void const *source, size_t bytes)
{
    (void)raw, (void)state, (void)sequences, (void)repeats, (void)by_rows, (void)source;
    (void)bytes;
    return ERROR(parameter_unsupported);
}

void ZSTD_ldm_skipSequences(rawSeqStore_t *sequences, size_t bytes, U32 const shortest)
{
    (void)sequences, (void)bytes, (void)shortest;
}

void ZSTD_ldm_skipRawSeqStoreBytes(rawSeqStore_t *sequences, size_t bytes)
{
    (void)sequences, (void)bytes;
}

size_t ZSTD_ldm_getTableSize(ldmParams_t parameters)
{
    (void)parameters;
    return 0;
}

size_t ZSTD_ldm_getMaxNbSeq(ldmParams_t parameters, size_t chunk_bytes)
{
    (void)parameters, (void)chunk_bytes;
    return 0;
}

void ZSTD_ldm_adjustParameters(ldmParams_t *parameters, ZSTD_compressionParameters const *level)
{
    (void)parameters, (void)level;
}

size_t ZSTD_compressSuperBlock(ZSTD_CCtx *context, void *frame, size_t capacity, void const *source,
                               size_t bytes, unsigned is_last)
{
    (void)context, (void)frame, (void)capacity, (void)source, (void)bytes, (void)is_last;
    return ERROR(parameter_unsupported);
}
