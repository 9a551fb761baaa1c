# How veer.wasm is linked: a standalone module without JavaScript glue. Its exports are the lines
# of exports.txt; what it imports beyond imports.txt is an error (tests/lint).

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

# veer_wasm_module(SOURCES ...): the module from the core and these; nothing while the list is empty.
function(veer_wasm_module)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES")
  if(NOT arg_SOURCES)
    message(STATUS "wasm/CMakeLists.txt lists no source yet: no module is built")
    return()
  endif()

  veer_read_symbols(exports.txt exports)
  list(TRANSFORM exports PREPEND "_")
  list(JOIN exports "\n" exports)
  set(response "${CMAKE_CURRENT_BINARY_DIR}/exports.rsp")
  file(CONFIGURE OUTPUT "${response}" CONTENT "${exports}\n")

  add_executable(veer_wasm
    ${arg_SOURCES} $<TARGET_OBJECTS:veer_core> ${veer_third_party_objects}
  )
  target_include_directories(veer_wasm PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(veer_wasm PRIVATE veer_warnings)
  target_link_options(veer_wasm PRIVATE
    -Oz -msimd128 --no-entry -sSTANDALONE_WASM -sWASM_BIGINT
    -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=2MB -sSTACK_SIZE=256KB
    -sMALLOC=emmalloc -sEXPORTED_FUNCTIONS=@${response}
    # wasm-opt moves no function into its only caller: bodies of moderate size compress better.
    -sBINARYEN_EXTRA_PASSES=--one-caller-inline-max-function-size=1
  )
  set_target_properties(veer_wasm PROPERTIES
    OUTPUT_NAME $<IF:$<BOOL:${VEER_WASM_RELAXED}>,veer-relaxed,veer>
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LINK_DEPENDS "${response}"
  )
endfunction()
