# The body of the test `install`; see CMakeLists.txt beside this file.

set(prefix "${FOLDER}/prefix")
set(consumer_build "${FOLDER}/consumer")
file(REMOVE_RECURSE "${prefix}" "${consumer_build}")

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${code}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(must_say_version program)
  must(${program})
  string(STRIP "${output}" output)
  if(NOT output STREQUAL VERSION)
    message(FATAL_ERROR "${program} says \"${output}\" instead of \"${VERSION}\"")
  endif()
  message(STATUS "${program}: ${output}")
endfunction()

must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

must(${CMAKE_COMMAND} -S ${CONSUMER} -B ${consumer_build} -G Ninja
  -DCMAKE_C_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${prefix})
must(${CMAKE_COMMAND} --build ${consumer_build})
must_say_version(${consumer_build}/with_shared)
must_say_version(${consumer_build}/with_static)

set(library_folder "${prefix}/${LIBRARY_FOLDER}")
set(ENV{PKG_CONFIG_PATH} "${library_folder}/pkgconfig")
must(pkg-config --cflags --libs veer)
separate_arguments(flags UNIX_COMMAND "${output}")
must(${COMPILER} ${CONSUMER}/print_version.c -o ${consumer_build}/with_pkg_config ${flags}
  -Wl,-rpath,${library_folder})
must_say_version(${consumer_build}/with_pkg_config)

# The archive needs nothing beside it but the maths and thread libraries.
must(${COMPILER} ${CONSUMER}/print_version.c -o ${consumer_build}/with_archive
  -I${prefix}/include ${library_folder}/libveer.a -lm -lpthread)
must_say_version(${consumer_build}/with_archive)
