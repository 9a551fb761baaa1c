# How veer.wasm and veer-relaxed.wasm are linked: standalone modules without JavaScript glue. Their
# exports are the lines of exports.txt; what they import beyond imports.txt is an error (tests/lint).
#
# The relaxed one differs in two objects: simd128.c and simd128_sq.c with relaxed SIMD, which are the
# tier "relaxed". Nothing else is compiled for it, so that no compiler chooses a relaxed operation
# whose result depends on the machine.

if(NOT VEER_WASM)
  message(FATAL_ERROR "wasm/ is built with the wasm preset.")
endif()

# Reads a list file of the wasm folder: one symbol a line, '#' starts a comment.
function(veer_read_symbols file result)
  set(symbols "")
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" lines)
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "#.*" "" line "${line}")
      string(STRIP "${line}" line)
      if(line)
        list(APPEND symbols "${line}")
      endif()
    endforeach()
  endif()
  set(${result} "${symbols}" PARENT_SCOPE)
endfunction()

# veer_wasm_module(<target> <name> SOURCES ... [OPTIONS ...]): <name>.wasm from these sources, which are
# the core's objects too.
function(veer_wasm_module target name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;OPTIONS")
  veer_read_symbols(exports.txt exports)
  list(TRANSFORM exports PREPEND "_")
  list(JOIN exports "\n" exports)
  set(response "${CMAKE_CURRENT_BINARY_DIR}/exports.rsp")
  file(CONFIGURE OUTPUT "${response}" CONTENT "${exports}\n")

  add_executable(${target} ${arg_SOURCES} ${veer_third_party_objects})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE veer_warnings)
  target_link_options(${target} PRIVATE
    -Oz -msimd128 ${arg_OPTIONS} --no-entry -sSTANDALONE_WASM -sWASM_BIGINT
    -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=2MB -sSTACK_SIZE=256KB
    -sMALLOC=emmalloc -sEXPORTED_FUNCTIONS=@${response}
    # wasm-opt moves no function into its only caller: bodies of moderate size compress better.
    -sBINARYEN_EXTRA_PASSES=--one-caller-inline-max-function-size=1
  )
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LINK_DEPENDS "${response}"
  )
endfunction()
