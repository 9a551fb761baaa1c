# Third-party code compiled into the core, from unmodified upstream source in .toolchain/src:
#   veer_zstd, veer_roaring, veer_yyjson   object libraries
# Their object files go into libveer.a and libveer.so, their symbols stay hidden there. With
# VEER_SYSTEM_DEPS the same names stand for the system's libraries, which the user then links.
#
# A room that uses one says so in its list: veer_uses(zstd). Headers are system headers, so that
# our warnings do not apply to them.

set(VEER_DEPS_DIR "${CMAKE_CURRENT_SOURCE_DIR}/.toolchain/src" CACHE PATH
  "Folder with the sources of croaring, zstd and yyjson, as scripts/setup makes it")

set(veer_third_party_objects "")
set(veer_third_party_links "")

# veer_system_library(<name> <header> <library>)
function(veer_system_library name header library)
  string(TOUPPER "VEER_${name}" prefix)
  find_path(${prefix}_INCLUDE_DIR ${header} REQUIRED)
  find_library(${prefix}_LIBRARY ${library} REQUIRED)
  add_library(veer_${name} INTERFACE)
  target_include_directories(veer_${name} SYSTEM INTERFACE ${${prefix}_INCLUDE_DIR})
  list(APPEND veer_third_party_links ${${prefix}_LIBRARY})
  set(veer_third_party_links "${veer_third_party_links}" PARENT_SCOPE)
endfunction()

if(VEER_SYSTEM_DEPS)
  veer_system_library(zstd zstd.h zstd)
  veer_system_library(roaring roaring/roaring.h roaring)
  veer_system_library(yyjson yyjson.h yyjson)
  # The system's CRoaring allocates with malloc, whatever bitmap_memory.c would like.
  target_compile_definitions(veer_roaring INTERFACE VEER_ROARING_USES_MALLOC=1)
  return()
endif()

foreach(probe zstd/lib/zstd.h croaring/src/roaring.c yyjson/src/yyjson.c)
  if(NOT EXISTS "${VEER_DEPS_DIR}/${probe}")
    message(FATAL_ERROR
      "${VEER_DEPS_DIR}/${probe} is missing. Run scripts/setup first, or configure with "
      "-DVEER_SYSTEM_DEPS=ON to use the system's libraries.")
  endif()
endforeach()

# veer_third_party(<name> FOLDER <include folder> SOURCES <files> [DEFINITIONS ...] [OPTIONS ...])
function(veer_third_party name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "SOURCES;DEFINITIONS;OPTIONS")
  add_library(veer_${name} OBJECT ${arg_SOURCES})
  target_include_directories(veer_${name} SYSTEM PUBLIC ${arg_FOLDER})
  target_compile_definitions(veer_${name} PRIVATE ${arg_DEFINITIONS})
  target_compile_options(veer_${name} PRIVATE ${arg_OPTIONS})
  target_link_libraries(veer_${name} PRIVATE veer_third_party_flags)
  # gnu11: CRoaring and zstd use asm and builtins in the GNU spelling.
  set_target_properties(veer_${name} PROPERTIES C_EXTENSIONS ON)
  list(APPEND veer_third_party_objects $<TARGET_OBJECTS:veer_${name}>)
  set(veer_third_party_objects "${veer_third_party_objects}" PARENT_SCOPE)
endfunction()

# The size of the WebAssembly module counts more than the last percent of speed in these. The
# definitions choose one Huffman decoder and one sequence decoder out of two each.
set(veer_small_options "")
set(veer_small_zstd "")
set(veer_small_yyjson "")
set(veer_small_yyjson_options "")
if(VEER_WASM)
  set(veer_small_options -Oz)
  set(veer_small_yyjson
    yyjson_inline=inline # not always inline: a third of its size
    YYJSON_DISABLE_WRITER=1 YYJSON_DISABLE_FAST_FP_CONV=1
  )
  set(veer_small_yyjson_options -include "${CMAKE_CURRENT_SOURCE_DIR}/cmake/yyjson_numbers.h")
  set(veer_small_zstd
    ZSTD_STRIP_ERROR_STRINGS=1 HUF_FORCE_DECOMPRESS_X1 ZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT
    ZSTD_NO_INLINE=1
  )
endif()

# The module compresses with one strategy; zstd_unused.c says what stands in for the others. The
# renamed functions have no caller, so the linker drops them.
set(zstd "${VEER_DEPS_DIR}/zstd/lib")
set(zstd_strategies
  ${zstd}/compress/zstd_compress_superblock.c
  ${zstd}/compress/zstd_fast.c
  ${zstd}/compress/zstd_lazy.c
  ${zstd}/compress/zstd_ldm.c
  ${zstd}/compress/zstd_opt.c
)
if(VEER_WASM)
  set(zstd_strategies "${CMAKE_CURRENT_SOURCE_DIR}/cmake/zstd_unused.c")
  set_source_files_properties(${zstd}/compress/zstd_double_fast.c PROPERTIES COMPILE_DEFINITIONS
    "ZSTD_compressBlock_doubleFast_dictMatchState=veer_unused_dictionary_blocks;ZSTD_compressBlock_doubleFast_extDict=veer_unused_external_blocks"
  )
endif()
veer_third_party(zstd
  FOLDER ${zstd}
  SOURCES
    ${zstd}/common/debug.c
    ${zstd}/common/entropy_common.c
    ${zstd}/common/error_private.c
    ${zstd}/common/fse_decompress.c
    ${zstd}/common/xxhash.c
    ${zstd}/common/zstd_common.c
    ${zstd}/compress/fse_compress.c
    ${zstd}/compress/hist.c
    ${zstd}/compress/huf_compress.c
    ${zstd}/compress/zstd_compress.c
    ${zstd}/compress/zstd_compress_literals.c
    ${zstd}/compress/zstd_compress_sequences.c
    ${zstd}/compress/zstd_double_fast.c
    ${zstd_strategies}
    ${zstd}/decompress/huf_decompress.c
    ${zstd}/decompress/zstd_ddict.c
    ${zstd}/decompress/zstd_decompress.c
    ${zstd}/decompress/zstd_decompress_block.c
  DEFINITIONS
    # A test allocator looks at what is released, so zstd may not poison its workspace under ASan.
    ZSTD_ASAN_DONT_POISON_WORKSPACE=1
    ZSTD_DISABLE_ASM ZSTD_TRACE=0 XXH_NAMESPACE=ZSTD_ DEBUGLEVEL=0 ZSTD_LEGACY_SUPPORT=0
    ZSTDLIB_VISIBLE= ZSTDERRORLIB_VISIBLE= ${veer_small_zstd}
  OPTIONS ${veer_small_options}
)

set(croaring "${VEER_DEPS_DIR}/croaring")
veer_third_party(roaring
  FOLDER ${croaring}/include
  SOURCES
    ${croaring}/src/array_util.c
    ${croaring}/src/bitset_util.c
    ${croaring}/src/containers/array.c
    ${croaring}/src/containers/bitset.c
    ${croaring}/src/containers/containers.c
    ${croaring}/src/containers/convert.c
    ${croaring}/src/containers/mixed_andnot.c
    ${croaring}/src/containers/mixed_equal.c
    ${croaring}/src/containers/mixed_intersection.c
    ${croaring}/src/containers/mixed_negation.c
    ${croaring}/src/containers/mixed_subset.c
    ${croaring}/src/containers/mixed_union.c
    ${croaring}/src/containers/mixed_xor.c
    ${croaring}/src/containers/run.c
    ${croaring}/src/roaring.c
    ${croaring}/src/roaring_array.c
    ${croaring}/src/roaring_priority_queue.c
  DEFINITIONS _GNU_SOURCE
  # Sends every allocation of CRoaring to src/filter/bitmap_memory.c, and its messages nowhere.
  OPTIONS -include "${CMAKE_CURRENT_SOURCE_DIR}/cmake/roaring_memory.h" ${veer_small_options}
)

set(yyjson "${VEER_DEPS_DIR}/yyjson/src")
veer_third_party(yyjson
  FOLDER ${yyjson}
  SOURCES ${yyjson}/yyjson.c
  DEFINITIONS yyjson_api= YYJSON_DISABLE_NON_STANDARD=1 ${veer_small_yyjson}
  OPTIONS ${veer_small_options} ${veer_small_yyjson_options}
)
