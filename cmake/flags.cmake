# Compiler flags. `veer_build_flags` holds what every translation unit of a flavour needs, third
# party included (sanitizers, visibility); `veer_warnings` what our own code is held to.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
if(VEER_WASM)
  # Every engine with SIMD has these too; long copies are several times as fast with memory.copy.
  add_compile_options(-mbulk-memory -mnontrapping-fptoint)
  add_link_options(-mbulk-memory -mnontrapping-fptoint)
else()
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -DNDEBUG")
# The sanitizers' flavours: optimised enough to be bearable, with assertions.
set(CMAKE_C_FLAGS_SANITIZED "-O1 -g")

find_package(Threads)

add_library(veer_build_flags INTERFACE)
if(VEER_SANITIZE OR VEER_FUZZ)
  target_compile_options(veer_build_flags INTERFACE -fno-omit-frame-pointer)
endif()
if(VEER_SANITIZE)
  target_link_options(veer_build_flags INTERFACE -fsanitize=${VEER_SANITIZE})
endif()
if(VEER_COVERAGE)
  target_link_options(veer_build_flags INTERFACE --coverage)
endif()

# Third-party code is watched for memory errors and races, not for undefined behaviour: CRoaring
# and zstd load unaligned words on purpose where the processor allows it.
add_library(veer_third_party_flags INTERFACE)
target_link_libraries(veer_third_party_flags INTERFACE veer_build_flags)
target_compile_options(veer_third_party_flags INTERFACE -w)
if(VEER_SANITIZE)
  string(REGEX REPLACE ",?undefined" "" veer_third_party_sanitize "${VEER_SANITIZE}")
  string(REGEX REPLACE "^," "" veer_third_party_sanitize "${veer_third_party_sanitize}")
  if(veer_third_party_sanitize)
    target_compile_options(veer_third_party_flags INTERFACE -fsanitize=${veer_third_party_sanitize})
  endif()
endif()
if(VEER_FUZZ)
  target_compile_options(veer_third_party_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

add_library(veer_warnings INTERFACE)
target_link_libraries(veer_warnings INTERFACE veer_build_flags)
# gcc's -Wshadow also warns where a variable bears a type's name (`schema *schema`), which we like
# to write; clang's does not. Both catch variables that hide variables.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(veer_shadow -Wshadow=local)
else()
  set(veer_shadow -Wshadow)
endif()
target_compile_options(veer_warnings INTERFACE
  -Wall -Wextra -Wpedantic ${veer_shadow} -Wconversion -Wstrict-prototypes -Wvla
  -ffp-contract=off -fno-math-errno -fno-trapping-math
)
if(VEER_SANITIZE)
  target_compile_options(veer_warnings INTERFACE
    -fsanitize=${VEER_SANITIZE} -fno-sanitize-recover=all
  )
endif()
if(VEER_FUZZ)
  target_compile_options(veer_warnings INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(VEER_COVERAGE)
  target_compile_options(veer_warnings INTERFACE --coverage)
endif()
if(VEER_WERROR)
  target_compile_options(veer_warnings INTERFACE -Werror)
endif()

add_library(veer_shipped INTERFACE)
# Frames stay under 4 KB in what is shipped; instrumented and unoptimised code has larger ones.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT VEER_SANITIZE AND NOT VEER_FUZZ AND NOT VEER_COVERAGE)
  target_compile_options(veer_shipped INTERFACE -Wframe-larger-than=4096)
endif()
