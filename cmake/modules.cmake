# A library a module, its tests, and the program. Modules do not link sys: an executable chooses
# sys (the machine) or sim (the simulated world) when it is linked.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(libevent REQUIRED IMPORTED_TARGET libevent_core libevent_extra)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)

file(STRINGS ${CMAKE_SOURCE_DIR}/src/LAYERS layers)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/LAYERS)
if(OTTLA_MODULES)
  set(wanted "")
  foreach(module ${layers})
    if(module IN_LIST OTTLA_MODULES)
      list(APPEND wanted ${module})
    endif()
  endforeach()
  set(layers ${wanted})
endif()

# ---- generated messages ----
set(gen ${CMAKE_BINARY_DIR}/gen)
set(wiregen ${CMAKE_SOURCE_DIR}/tools/wiregen/wiregen.py)
if(EXISTS ${wiregen})
  file(GLOB_RECURSE spec_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/spec/*.msg)
  file(GLOB wiregen_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/wiregen/*.py)
  # The headers are outputs too: otherwise a changed one is seen only by the build after.
  set(wire_headers ${spec_files})
  list(TRANSFORM wire_headers REPLACE "^.*/([^/]+)\\.msg$" "${gen}/wire/msg/\\1.h")
  add_custom_command(
    OUTPUT ${gen}/wire/messages.c ${gen}/wiregen.stamp ${wire_headers}
    COMMAND ${Python3_EXECUTABLE} ${wiregen} --spec ${CMAKE_SOURCE_DIR}/spec --out ${gen}
    DEPENDS ${spec_files} ${wiregen_files}
    COMMENT "messages from spec/")
  add_custom_target(wire_messages DEPENDS ${gen}/wire/messages.c ${gen}/wiregen.stamp)
endif()

# ---- libraries ----
set(libs_base PkgConfig::isal)
set(libs_wire PkgConfig::isal PkgConfig::zlib PkgConfig::lz4 snappy PkgConfig::zstd
    PkgConfig::jansson)
set(libs_log PkgConfig::jansson)
set(libs_raft PkgConfig::jansson)
# cmd loads librdkafka when produce or consume run, and not before: no other start waits for it.
set(libs_server PkgConfig::libevent)

set(lower "")
foreach(module sim ${layers})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${module}/*.c)
  if(module STREQUAL "wire" AND TARGET wire_messages)
    list(APPEND sources ${gen}/wire/messages.c)
  endif()
  if(module STREQUAL "cmd")
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  endif()
  if(NOT sources)
    set(upto_${module} ${lower})
    continue()
  endif()
  add_library(ottla_${module} STATIC ${sources})
  target_include_directories(ottla_${module} PUBLIC ${CMAKE_SOURCE_DIR}/src ${gen})
  target_link_libraries(ottla_${module} PUBLIC ${lower} ${libs_${module}} Threads::Threads)
  if(TARGET wire_messages)
    add_dependencies(ottla_${module} wire_messages)
  endif()
  if(NOT module MATCHES "^(sys|sim)$")
    list(PREPEND lower ottla_${module})
  endif()
  set(upto_${module} ${lower})
endforeach()
set(upto_sim ${upto_shard})
list(GET layers -1 highest)

# The modules up to one, highest first, then the world they run in; the linker goes round until all
# is found.
function(ottla_link target world module)
  target_link_libraries(${target} PRIVATE -Wl,--start-group ${upto_${module}} ottla_${world}
                        -Wl,--end-group)
endfunction()

# A program on the machine, and one in the simulated world.
function(ottla_executable name)
  add_executable(${name} ${ARGN})
  ottla_link(${name} sys ${highest})
endfunction()
function(ottla_sim_executable name)
  add_executable(${name} ${ARGN})
  ottla_link(${name} sim ${highest})
endfunction()

# ---- the program ----
if(EXISTS ${CMAKE_SOURCE_DIR}/src/cmd/main.c AND TARGET ottla_cmd)
  ottla_executable(ottla ${CMAKE_SOURCE_DIR}/src/cmd/main.c)
  target_compile_definitions(ottla_cmd PRIVATE OTTLA_VERSION="${PROJECT_VERSION}")
endif()

# ---- unit tests: a process each ----
enable_testing()
if(OTTLA_TESTS)
  foreach(module ${layers} sim)
    file(GLOB all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${module}/test/*.c)
    set(support ${all})
    list(FILTER support EXCLUDE REGEX "_(test|fuzz)\\.c$")
    list(FILTER all INCLUDE REGEX "_test\\.c$")
    foreach(file ${all})
      get_filename_component(stem ${file} NAME_WE)
      string(REGEX REPLACE "_test$" "" stem ${stem})
      set(world sys)
      if(module STREQUAL "sim" OR stem MATCHES "_sim$")
        set(world sim)
      endif()
      add_executable(${module}_${stem}_test ${file} ${support})
      ottla_link(${module}_${stem}_test ${world} ${module})
      target_link_libraries(${module}_${stem}_test PRIVATE cmocka)
      target_compile_definitions(${module}_${stem}_test PRIVATE
        TEST_FOLDER="${CMAKE_SOURCE_DIR}/src/${module}/test")
      add_test(NAME ${module}_${stem} COMMAND ${module}_${stem}_test)
      set_tests_properties(${module}_${stem} PROPERTIES TIMEOUT 120)
    endforeach()
  endforeach()
endif()

# ---- fuzz targets and benchmarks ----
if(OTTLA_FUZZ)
  file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*/test/*_fuzz.c)
  foreach(file ${fuzzers})
    get_filename_component(stem ${file} NAME_WE)
    ottla_executable(${stem} ${file})
    target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
file(GLOB benches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.c)
foreach(file ${benches})
  get_filename_component(stem ${file} NAME_WE)
  ottla_executable(${stem} ${file})
endforeach()
