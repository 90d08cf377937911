# The operators as other classes of devices build them (blocks of 4 and 8, work-groups of 64), on a reduced table of shapes;
# and under Oclgrind and on Mesa's rusticl where these are installed.
set(FM_OP_SUBJECTS conv expand norm simple loss map adam gemm planes shadow coreset neighbour patch mahalanobis repair flow)
foreach(subject IN LISTS FM_OP_SUBJECTS)
  set_tests_properties(op.${subject} PROPERTIES ENVIRONMENT "FLAWMAP_CACHE=off")
  foreach(variant "block8:FLAWMAP_BLOCK=8 FLAWMAP_DOUBLE=off FLAWMAP_TEST_SMALL=1"
          "block4:FLAWMAP_BLOCK=4 FLAWMAP_DOUBLE=off FLAWMAP_TEST_SMALL=2"
          "group64:FLAWMAP_BLOCK=4 FLAWMAP_GROUP=64 FLAWMAP_TEST_SMALL=1")
    string(REGEX REPLACE ":.*" "" name "${variant}")
    string(REGEX REPLACE "^[^:]*:" "" environment "${variant}")
    string(REPLACE " " ";" environment "${environment}")
    add_test(NAME op.${subject}.${name} COMMAND test_op_${subject})
    set_tests_properties(op.${subject}.${name} PROPERTIES TIMEOUT 900
                         ENVIRONMENT "FLAWMAP_CACHE=off;${environment}")
  endforeach()
endforeach()
# The lines of models/tuned.txt for other classes of devices, and the tiles of their rows.
foreach(variant "block8:FLAWMAP_BLOCK=8" "group64:FLAWMAP_BLOCK=4 FLAWMAP_GROUP=64")
  string(REGEX REPLACE ":.*" "" name "${variant}")
  string(REGEX REPLACE "^[^:]*:" "" environment "${variant}")
  string(REPLACE " " ";" environment "${environment}")
  foreach(subject op_tile check_tune)
    string(REPLACE "_" "." test "${subject}")
    add_test(NAME ${test}.${name} COMMAND test_${subject})
    set_tests_properties(${test}.${name} PROPERTIES TIMEOUT 900 ENVIRONMENT "${environment}")
  endforeach()
endforeach()
# Rows of op/variant.h that a CPU would not take; compilers need long for these tiles, so the smallest table.
foreach(row conv_tiled wgrad_tiled)
  add_test(NAME op.conv.${row} COMMAND test_op_conv)
  set_tests_properties(op.conv.${row} PROPERTIES TIMEOUT 900 ENVIRONMENT
                       "FLAWMAP_CACHE=off;FLAWMAP_BLOCK=4;FLAWMAP_GROUP=64;FLAWMAP_TEST_SMALL=2;FLAWMAP_VARIANT=${row}")
endforeach()
add_test(NAME op.conv.few_registers COMMAND test_op_conv)
set_tests_properties(op.conv.few_registers PROPERTIES TIMEOUT 900 ENVIRONMENT
                     "FLAWMAP_CACHE=off;FLAWMAP_BLOCK=4;FLAWMAP_GROUP=64;FLAWMAP_REGISTERS=128;FLAWMAP_TEST_SMALL=2;FLAWMAP_VARIANT=wgrad_tiled")
# Searches by tiles through local memory, and with the tile of a device of few registers.
foreach(registers 128 256)
  add_test(NAME op.neighbour.tiled${registers} COMMAND test_op_neighbour)
  set_tests_properties(op.neighbour.tiled${registers} PROPERTIES TIMEOUT 900 ENVIRONMENT
                       "FLAWMAP_CACHE=off;FLAWMAP_BLOCK=4;FLAWMAP_GROUP=64;FLAWMAP_REGISTERS=${registers};FLAWMAP_TEST_SMALL=1;FLAWMAP_VARIANT=nearest_tiled")
endforeach()
add_test(NAME op.gemm.few_registers COMMAND test_op_gemm)
set_tests_properties(op.gemm.few_registers PROPERTIES TIMEOUT 900 ENVIRONMENT
                     "FLAWMAP_CACHE=off;FLAWMAP_BLOCK=4;FLAWMAP_GROUP=64;FLAWMAP_REGISTERS=128;FLAWMAP_TEST_SMALL=1")
# And rows that a CPU takes for some of its shapes, wherever they fit.
foreach(row winograd4 winograd2)
  foreach(block 16 8)
    add_test(NAME op.conv.${row}.block${block} COMMAND test_op_conv)
    set_tests_properties(op.conv.${row}.block${block} PROPERTIES TIMEOUT 900 ENVIRONMENT
                         "FLAWMAP_CACHE=off;FLAWMAP_BLOCK=${block};FLAWMAP_TEST_SMALL=1;FLAWMAP_VARIANT=${row}")
  endforeach()
endforeach()
foreach(tool oclgrind rusticl)
  add_test(NAME op.${tool} COMMAND bash ${CMAKE_SOURCE_DIR}/tests/tools/${tool}.sh ${CMAKE_CURRENT_BINARY_DIR} quick)
  set_tests_properties(op.${tool} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
endforeach()
