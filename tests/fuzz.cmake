# Fuzzers (clang's libFuzzer): cmake -B build/fuzz -DFM_FUZZ=ON -DCMAKE_C_COMPILER=clang, then for NAME in safetensors, pth,
# image, ini:
#   build/fuzz/tests/fuzz_seeds SEEDS && build/fuzz/tests/fuzz_NAME -max_total_time=600 -rss_limit_mb=4096 CORPUS SEEDS/NAME
if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "FM_FUZZ needs clang: add -DCMAKE_C_COMPILER=clang")
endif()
target_compile_options(flawmap_core PRIVATE -fno-sanitize-recover=undefined)
file(GLOB FM_FUZZERS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*/fuzz/fuzz_*.c)
foreach(source IN LISTS FM_FUZZERS)
  get_filename_component(target ${source} NAME_WE)
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE flawmap_core fm_warnings)
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT target STREQUAL "fuzz_seeds")
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  endif()
endforeach()
