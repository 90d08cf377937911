#!/usr/bin/env bash
# Runs the tests of the operators and of the device layer on Mesa's rusticl with llvmpipe: another compiler, another
# implementation of OpenCL, no instruction for fma.
#
#   tests/tools/rusticl.sh FOLDER [quick]      FOLDER holds the programs test_op_conv, ...: BUILD/tests
set -u
folder=${1:?usage: rusticl.sh FOLDER [quick]}
export RUSTICL_ENABLE=llvmpipe FLAWMAP_DEVICE=rusticl FLAWMAP_CACHE=off
if ! "$folder/test_op_adam" 2>/dev/null | grep -q "rusticl"; then
  echo "skipped: no rusticl device here (Debian and Ubuntu: apt-get install mesa-opencl-icd)"
  exit 77
fi
[ "${2:-}" = quick ] && export FLAWMAP_TEST_SMALL=2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
bad=0
for test in device_device op_conv op_norm op_simple op_loss op_map op_adam op_gemm op_selftest; do
  start=$SECONDS
  if "$folder/test_$test" > "$out" 2>&1; then
    echo "ok: $test: $(grep -c '  OK' "$out") tests, $((SECONDS - start)) s"
    grep "MESA" "$out" | sort | uniq -c
  else
    bad=1
    echo "FAILED: $test"
    grep -v "RUN\|  OK" "$out" | head -40
  fi
done
exit $bad
