#!/usr/bin/env bash
# The goldens built into the program agree with this device, and with a broken kernel they do not.
set -euo pipefail
flawmap=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$flawmap" verify >"$work/good" || { cat "$work/good"; echo "FAIL: the built-in goldens do not agree"; exit 1; }
grep -q "verified: this device computes right" "$work/good"
cp -r "$source/cl" "$work/cl"
sed -i 's|/ (FV)(count), stat + 3|/ (FV)(2.0f * count), stat + 3|' "$work/cl/norm.cl"
! cmp -s "$source/cl/norm.cl" "$work/cl/norm.cl" || { echo "FAIL: nothing was broken"; exit 1; }
status=0
FLAWMAP_CACHE=off FLAWMAP_CL_DIR=$work/cl "$flawmap" verify >"$work/bad" || status=$?
[ "$status" = 1 ] && grep -q "EXCEEDED" "$work/bad" || { cat "$work/bad"; echo "FAIL: a broken gradient went unseen"; exit 1; }

# A loss that is no number is a result like another.
NAME=discrepancy OLD="se = FMA(e, e, se)" NEW="se = FMA(-e, e, se)" awk -f "$source/tests/tools/sign_flip.awk" "$source/cl/cdo.cl" >"$work/cl/cdo.cl"
cp "$source/cl/norm.cl" "$work/cl/norm.cl"
status=0
FLAWMAP_CACHE=off FLAWMAP_CL_DIR=$work/cl "$flawmap" verify >"$work/bad" || status=$?
[ "$status" = 1 ] && [ "$(grep -c "EXCEEDED at loss" "$work/bad")" = 2 ] && grep -q "^FAILED" "$work/bad" ||
  { cat "$work/bad"; echo "FAIL: a loss that is no number is not called wrong"; exit 1; }
# A kernel that does not compile: one sentence, with the compiler's line that says why.
(echo "#error for the test" && cat "$source/cl/cdo.cl") >"$work/cl/cdo.cl"
! FLAWMAP_CACHE=off FLAWMAP_CL_DIR=$work/cl "$flawmap" verify >"$work/out" 2>"$work/err"
[ "$(grep -c 'building cdo.cl.*for the test' "$work/err")" = 1 ] && ! grep -qF '\n' "$work/err" || { cat "$work/err"; echo "FAIL: why a kernel does not compile is not said"; exit 1; }
echo "verify: agrees, and sees a broken kernel"
