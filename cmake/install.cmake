# Install rules: libraries, veer.h, the command, veer.pc and the files of find_package(veer).

if(VEER_SANITIZE OR VEER_COVERAGE)
  return()
endif()

include(CMakePackageConfigHelpers)

set(veer_cmake_folder "${CMAKE_INSTALL_LIBDIR}/cmake/veer")

install(TARGETS veer_static veer_shared EXPORT veer-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
)
install(FILES src/veer.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(NOT veer_cli_is_empty)
  install(TARGETS veer_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# Without VEER_SYSTEM_DEPS the third-party code is inside.
set(VEER_PC_PRIVATE_LIBS "-lm -lpthread")
if(VEER_SYSTEM_DEPS)
  string(PREPEND VEER_PC_PRIVATE_LIBS "-lzstd -lroaring -lyyjson ")
endif()
# Relative to where veer.pc lies, so that an installed tree can be moved.
file(RELATIVE_PATH VEER_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" VEER_PC_PREFIX "${VEER_PC_PREFIX}")
configure_file(cmake/veer.pc.in veer.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/veer.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

configure_package_config_file(cmake/veer-config.cmake.in veer-config.cmake
  INSTALL_DESTINATION ${veer_cmake_folder}
)
write_basic_package_version_file(veer-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/veer-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/veer-config-version.cmake"
  DESTINATION ${veer_cmake_folder}
)
install(EXPORT veer-targets NAMESPACE veer:: DESTINATION ${veer_cmake_folder})
