#!/usr/bin/env bash
# doctor and a driver that cannot be loaded, aborts or hangs: a finding each, and doctor goes on to its last line.
set -u
flawmap=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
fail() {
  echo "test_doctor: $*" >&2
  failed=1
}
# looked WHAT: doctor came to its end with a problem
looked() {
  [ "$status" = 1 ] || fail "$1: exit status $status"
  grep -qE "^[1-9][0-9]* problem" out || fail "$1: doctor did not come to its end: $(cat out err)"
}

# drivers that are registered and are none: each is named with the reason
mkdir icd
echo libdriver-that-is-not-there.so.1 >icd/lost.icd
: >icd/empty.icd
echo nothing >icd/note.txt
OCL_ICD_VENDORS=$work/icd "$flawmap" doctor >out 2>err
status=$?
looked "a library that is not there"
grep -q "^problem .*lost.icd.*'libdriver-that-is-not-there.so.1' cannot be loaded: .*No such file" out || fail "the lost library is not named: $(cat out)"
grep -q "^problem .*empty.icd.*names no library" out || fail "an empty .icd file is not named: $(cat out)"
grep -q "note.txt" out && fail "a file that no loader reads is taken for a driver: $(cat out)"

# a library that ends whoever loads it
if command -v cc >/dev/null; then
  printf '#include <stdlib.h>\n__attribute__((constructor)) static void die(void) { abort(); }\n' >die.c
  printf '#include <stdio.h>\n#include <unistd.h>\n__attribute__((constructor)) static void leave(void) { puts("goodbye\\n\\33[2Jnow"); fflush(stdout); _exit(0); }\n' >leave.c
  printf 'int nothing;\n' >nothing.c
  for name in die leave nothing; do
    cc -shared -fPIC -o $name.so $name.c || fail "the compiler fails"
    echo "$work/$name.so" >icd/$name.icd
  done
  OCL_ICD_VENDORS=$work/icd "$flawmap" doctor >out 2>err
  status=$?
  looked "a library that aborts"
  grep -q "^problem .*die.icd.*signal 6" out || fail "an abort is not told: $(cat out)"
  grep -q "^problem .*leave.icd.*goodbye; " out || fail "an exit is not told: $(cat out)"
  grep -q "^problem .*nothing.icd.*not an OpenCL driver" out || fail "a library that is no driver is not told: $(cat out)"
  grep -q "^problem .*devices: not listed" out || fail "a driver that aborts is loaded again: $(cat out)"
  grep -q "$(printf '\33')" out && fail "a driver's last words reach the terminal raw"
fi

# a library that leaves in the middle, even with status 0, is a failure of the command
if command -v cc >/dev/null; then
  printf '#include <stdlib.h>\n__attribute__((constructor)) static void leave(void) { exit(0); }\n' >quit.c
  cc -shared -fPIC -o quit.so quit.c || fail "the compiler fails"
  mkdir quits && echo "$work/quit.so" >quits/quit.icd
  OCL_ICD_VENDORS=$work/quits "$flawmap" devices >out 2>err
  status=$?
  [ $status = 1 ] && grep -q "^flawmap: something called exit" err || fail "a driver that exits: status $status, $(cat err)"
fi

# the one driver that is there from here on; others would be used instead
"$flawmap" devices 2>/dev/null | grep -q "Portable Computing Language" || exit $failed
pocl=$(cat /etc/OpenCL/vendors/pocl.icd 2>/dev/null)
[ -n "$pocl" ] || exit $failed
rm -r icd && mkdir icd && echo "$pocl" >icd/pocl.icd
export OCL_ICD_VENDORS=$work/icd FLAWMAP_CACHE=off

# rusticl that is registered and offers nothing
echo "$pocl" >icd/rusticl.icd
mkdir kept
POCL_CACHE_DIR=$work/kept "$flawmap" doctor >out 2>err || fail "doctor finds problems: $(cat out)"
grep -q "^warning .*RUSTICL_ENABLE is not set" out || fail "rusticl that is switched off is not told: $(cat out)"
rm icd/rusticl.icd

# a damaged cache: the folder to delete is named, and deleting it mends it
find kept -name '*.so' -exec truncate -s 0 {} +
POCL_CACHE_DIR=$work/kept "$flawmap" doctor >out 2>err
status=$?
looked "a damaged cache"
grep -q "^problem .*cache is damaged.*signal 6" out || fail "the damaged cache is not named: $(cat out)"
grep -q -- "-> rm -r $work/kept$" out || fail "the cure is not named: $(cat out)"

# no linker
mkdir none
PATH=$work/none POCL_CACHE_DIR=$work/fresh "$flawmap" doctor >out 2>err
status=$?
looked "no linker"
grep -q "^problem .*no ld in PATH" out || fail "the linker is not missed: $(cat out)"
grep -q -- "-> .*binutils" out || fail "the cure of a missing linker is not named: $(cat out)"

# another command says where to look, and ends with an exit status
PATH=$work/none POCL_CACHE_DIR=$work/fresh2 "$flawmap" verify >out 2>err
status=$?
[ $status = 1 ] || fail "verify without a linker: exit status $status"
grep -q "flawmap doctor" err || fail "verify does not send to doctor: $(cat err)"
POCL_CACHE_DIR=$work/kept "$flawmap" verify >out 2>err
status=$?
[ $status = 1 ] || fail "verify with a damaged cache: exit status $status"
grep -q "rm -r $work/kept$" err || fail "verify does not name the cure: $(cat err)"
[ $failed = 0 ] && echo "doctor: whatever a driver does is a finding"
exit $failed
