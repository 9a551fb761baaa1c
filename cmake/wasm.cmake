# Toolchain file of the WebAssembly build: the Emscripten that scripts/setup chose, by the wrappers
# in .toolchain/bin. Emscripten's own CMake platform files are not needed for a module without
# JavaScript glue.

set(VEER_WASM ON)

get_filename_component(veer_root "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
set(veer_bin "${veer_root}/.toolchain/bin")
if(NOT EXISTS "${veer_bin}/emcc")
  message(FATAL_ERROR "${veer_bin}/emcc is missing. Run scripts/setup first.")
endif()

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_C_COMPILER "${veer_bin}/emcc")
set(CMAKE_AR "${veer_bin}/emar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${veer_bin}/emranlib" CACHE FILEPATH "")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_EXECUTABLE_SUFFIX_C ".wasm")

# Every object of the modules is compiled with 128-bit SIMD, third party included.
set(CMAKE_C_FLAGS_INIT "-msimd128")
