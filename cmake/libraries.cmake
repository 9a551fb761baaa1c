# libveer.a, libveer.so and the `veer` command, all in the top of the build folder.
#
# Both libraries contain the third-party code and show only the symbols of src/veer.h: in
# libveer.so by visibility and a version script; in libveer.a by linking all objects into one and
# making its hidden symbols local, so that a program may have a zstd of its own beside ours.

include(GNUInstallDirs)

set(veer_linker_map "${CMAKE_CURRENT_SOURCE_DIR}/cmake/libveer.map")
set(veer_all_objects $<TARGET_OBJECTS:veer_core> ${veer_third_party_objects})

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_OBJCOPY AND NOT VEER_SANITIZE AND NOT VEER_FUZZ
    AND NOT VEER_COVERAGE)
  set(veer_one_object "${CMAKE_BINARY_DIR}/veer_all.o")
  add_custom_command(
    OUTPUT ${veer_one_object}
    COMMAND ${CMAKE_LINKER} -r -o ${veer_one_object} ${veer_all_objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${veer_one_object}
    DEPENDS ${veer_all_objects}
    COMMAND_EXPAND_LISTS VERBATIM
  )
  set_source_files_properties(${veer_one_object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  add_library(veer_static STATIC ${veer_one_object})
else()
  add_library(veer_static STATIC ${veer_all_objects})
endif()
add_library(veer_shared SHARED ${veer_all_objects})

foreach(library veer_static veer_shared)
  target_include_directories(${library} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/src>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
  )
  set_target_properties(${library} PROPERTIES
    OUTPUT_NAME veer
    LINKER_LANGUAGE C
    ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
  )
endforeach()
target_link_libraries(veer_static PUBLIC Threads::Threads m ${veer_third_party_links})
target_link_libraries(veer_shared
  PUBLIC Threads::Threads m
  PRIVATE ${veer_third_party_links} $<BUILD_INTERFACE:veer_build_flags>
)
set_target_properties(veer_static PROPERTIES EXPORT_NAME static)
set_target_properties(veer_shared PROPERTIES
  EXPORT_NAME shared
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  target_link_options(veer_shared PRIVATE "LINKER:--version-script=${veer_linker_map}")
  set_target_properties(veer_shared PROPERTIES LINK_DEPENDS ${veer_linker_map})
endif()
if(VEER_SANITIZE OR VEER_COVERAGE)
  # Nobody installs these; tests link veer_internal and run the command.
  set_target_properties(veer_shared PROPERTIES EXCLUDE_FROM_ALL ON)
endif()
add_library(veer::static ALIAS veer_static)
add_library(veer::shared ALIAS veer_shared)

if(NOT veer_cli_is_empty)
  target_link_libraries(veer_cli PRIVATE veer_static veer_warnings)
  set_target_properties(veer_cli PROPERTIES
    OUTPUT_NAME veer
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    EXCLUDE_FROM_ALL OFF
  )
endif()
