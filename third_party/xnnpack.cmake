# XNNPACK and what it needs, from the sources that scripts/setup/vendor.mjs put into third_party/src.
set(NEONSENSE_SOURCES ${CMAKE_CURRENT_LIST_DIR}/src)
foreach(name XNNPACK cpuinfo pthreadpool FP16 FXdiv)
  if(NOT EXISTS ${NEONSENSE_SOURCES}/${name}/CMakeLists.txt)
    message(FATAL_ERROR "third_party/src/${name} is missing: run `node scripts/setup/vendor.mjs` first")
  endif()
endforeach()

set(CPUINFO_SOURCE_DIR ${NEONSENSE_SOURCES}/cpuinfo)
set(PTHREADPOOL_SOURCE_DIR ${NEONSENSE_SOURCES}/pthreadpool)
set(FP16_SOURCE_DIR ${NEONSENSE_SOURCES}/FP16)
set(FXDIV_SOURCE_DIR ${NEONSENSE_SOURCES}/FXdiv)
set(XNNPACK_LIBRARY_TYPE static CACHE STRING "" FORCE)
set(PTHREADPOOL_LIBRARY_TYPE static CACHE STRING "" FORCE)
set(CPUINFO_LIBRARY_TYPE static CACHE STRING "" FORCE)
set(CPUINFO_LOG_LEVEL fatal CACHE STRING "" FORCE)
# AVX512_FP16 is off because of a fault: its half precision GEMMs of this version store the second 32 columns one column
# after the first instead of 32.
foreach(option XNNPACK_BUILD_TESTS XNNPACK_BUILD_BENCHMARKS XNNPACK_BUILD_ALL_MICROKERNELS
               XNNPACK_ENABLE_KLEIDIAI XNNPACK_ENABLE_ARM_SME XNNPACK_ENABLE_ARM_SME2
               XNNPACK_ENABLE_ARM_BF16 XNNPACK_ENABLE_AVX512FP16
               CPUINFO_BUILD_TOOLS CPUINFO_BUILD_UNIT_TESTS CPUINFO_BUILD_MOCK_TESTS CPUINFO_BUILD_BENCHMARKS
               PTHREADPOOL_BUILD_TESTS PTHREADPOOL_BUILD_BENCHMARKS)
  set(${option} OFF CACHE BOOL "" FORCE)
endforeach()
add_subdirectory(${NEONSENSE_SOURCES}/XNNPACK ${CMAKE_BINARY_DIR}/XNNPACK EXCLUDE_FROM_ALL)

# It does not look whether its threads start: native/engine/thread_pool.cc starts them for it.
target_compile_definitions(pthreadpool PRIVATE pthread_create=neonsense_start_reserved_thread)
if(WIN32)
  # MinGW has POSIX threads and lacks C11's, which pthreadpool would take there.
  target_compile_definitions(pthreadpool PRIVATE PTHREADPOOL_USE_PTHREADS=1)
  # Where alloca is a macro already it includes a header that Windows lacks.
  file(WRITE ${CMAKE_BINARY_DIR}/windows/alloca.h "#include <malloc.h>\n")
  target_include_directories(pthreadpool PRIVATE ${CMAKE_BINARY_DIR}/windows)
  # It takes max from Windows' headers, which XNNPACK switches off; and Zig has said already which Windows it is.
  target_compile_options(cpuinfo PRIVATE -UNOMINMAX -Wno-macro-redefined)
endif()

# XNNPACK's x86 kernels load everything before they multiply, and GCC keeps it so: it runs out of the 16 vector registers and
# keeps an accumulator in memory. With f32-gemm 5x16 for FMA3 that made FP32 take almost twice as long (docs/benchmarks.md).
# Scheduling with an eye on registers, before they are given out, mends that. AVX-512 has registers enough.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  get_target_property(NEONSENSE_KERNELS microkernels-prod SOURCES)
  list(FILTER NEONSENSE_KERNELS INCLUDE REGEX "-(fma3|avx|avx2|sse[0-9]*|ssse3)(-|\\.c$)")
  list(TRANSFORM NEONSENSE_KERNELS PREPEND ${NEONSENSE_SOURCES}/XNNPACK/)
  set_property(SOURCE ${NEONSENSE_KERNELS} TARGET_DIRECTORY microkernels-prod
               APPEND_STRING PROPERTY COMPILE_FLAGS " -fschedule-insns -fsched-pressure")
endif()
