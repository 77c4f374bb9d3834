# How everything of ours is compiled: warnings, hardening, sanitizers.
option(CURFEW_WERROR "Treat warnings as errors" OFF)
set(CURFEW_SANITIZE "" CACHE STRING "Comma-separated sanitizers, e.g. address,undefined")
option(CURFEW_COVERAGE "Instrument for coverage" OFF)
option(CURFEW_FUZZ "Build the libFuzzer targets" OFF)
option(CURFEW_MUTANTS "Build the wrong variants that the simulation must catch; never for use" OFF)

add_library(curfew_flags INTERFACE)
target_compile_options(curfew_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wextra-semi -Wnull-dereference
  -Wdouble-promotion -Wundef -Wvla -fno-omit-frame-pointer -fstack-protector-strong
)
if(NOT CURFEW_COVERAGE)  # coverage tools look for the files where they are
  target_compile_options(curfew_flags INTERFACE
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(curfew_flags INTERFACE -Wswitch-enum -Wsuggest-override
    -Wno-missing-designated-field-initializers)  # members that are not named have their defaults
endif()
if(CURFEW_WERROR)
  target_compile_options(curfew_flags INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  target_compile_options(curfew_flags INTERFACE -fcf-protection -fstack-clash-protection)
endif()
if(CURFEW_SANITIZE)
  target_compile_options(curfew_flags INTERFACE -fsanitize=${CURFEW_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(curfew_flags INTERFACE -fsanitize=${CURFEW_SANITIZE})
  target_compile_definitions(curfew_flags INTERFACE BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(curfew_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(CURFEW_FUZZ)  # all of ours leads the fuzzer on, not only its targets
  target_compile_options(curfew_flags INTERFACE -O1 -fsanitize=fuzzer-no-link)
endif()
if(CURFEW_COVERAGE)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "Coverage is Clang's own (-fcoverage-mapping): use clang-19.")
  endif()
  # Counters live in a mapped file (%c in LLVM_PROFILE_FILE), so that a killed process keeps them.
  target_compile_options(curfew_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping
    "SHELL:-Xclang -fprofile-list=${CMAKE_SOURCE_DIR}/cmake/coverage.list"  # so that ccache goes on caching
    "SHELL:-mllvm -runtime-counter-relocation")
  target_link_options(curfew_flags INTERFACE -fprofile-instr-generate)
endif()
target_compile_definitions(curfew_flags INTERFACE
  _GLIBCXX_ASSERTIONS
  JSON_USE_IMPLICIT_CONVERSIONS=0
  SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
if(CURFEW_MUTANTS)
  target_compile_definitions(curfew_flags INTERFACE CURFEW_MUTANTS)
endif()
target_link_options(curfew_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(LLD_PROGRAM NAMES ld.lld-19 ld.lld)
if(LLD_PROGRAM AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(--ld-path=${LLD_PROGRAM})
endif()
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
