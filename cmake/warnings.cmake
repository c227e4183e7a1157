# Warnings that both compilers are kept clean of, as errors; sanitizers and analyzers on request;
# link-time optimisation where it was measured to help.
add_compile_options(
  -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wundef -Wvla -Wswitch-enum -Wformat=2 -Wcast-qual -Wwrite-strings
  -Wnull-dereference -Wimplicit-fallthrough -fno-common -fstack-protector-strong)
add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
                      -Walloca)
endif()
if(OTTLA_SANITIZE)
  add_compile_options(-fsanitize=${OTTLA_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OTTLA_SANITIZE})
else()
  add_compile_definitions($<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
if(OTTLA_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "OTTLA_FUZZ needs clang: -DCMAKE_C_COMPILER=clang-14")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(OTTLA_THREAD_ROLES)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "OTTLA_THREAD_ROLES needs clang: -DCMAKE_C_COMPILER=clang-14")
  endif()
  add_compile_definitions(OTTLA_THREAD_ROLES)
  add_compile_options(-Wthread-safety)
endif()
if(OTTLA_ANALYZE)
  add_compile_options(-fanalyzer)
endif()
# Calls between modules are short and many: whole-program optimisation makes small batches up to
# twice as fast to check. Objects hold both forms, so that tests link quickly without it.
set(whole_program "")
set(part_by_part "")
if(OTTLA_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release"
   AND NOT OTTLA_SANITIZE AND NOT OTTLA_ANALYZE)
  add_compile_options(-flto=auto -ffat-lto-objects)
  set(whole_program -O2 -flto=auto)
  set(part_by_part -fno-lto)
endif()
