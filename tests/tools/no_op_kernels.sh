#!/usr/bin/env bash
# tests/tools/no_op_kernels.sh FLAWMAP SOURCE: each kernel of cl/ in turn does nothing; is its family's self-test the
# one that says so? A line for each that is missed, then the count; exit 1 where one is missed.
set -euo pipefail
flawmap=$(realpath "$1") source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export FLAWMAP_CACHE=$work/cache
"$flawmap" verify >/dev/null
kernels=0 missed=0
for file in "$source"/cl/*.cl; do
  family=$(basename "$file" .cl)
  for kernel in $(sed -n 's/^KERNEL void \([a-z0-9_]*\)(.*/\1/p' "$file"); do
    rm -rf "$work/cl"
    cp -r "$source/cl" "$work/cl"
    awk -v only="$kernel" -f "$source/tests/tools/no_op.awk" "$file" >"$work/cl/$family.cl"
    cmp -s "$file" "$work/cl/$family.cl" && { echo "$family.cl $kernel: not emptied"; missed=$((missed + 1)); }
    kernels=$((kernels + 1))
    FLAWMAP_CL_DIR=$work/cl FLAWMAP_CACHE=off timeout 120 "$flawmap" bench --quick --size 64 --no-peak >"$work/out" 2>&1 &&
      { echo "$family.cl $kernel: missed, exit 0"; missed=$((missed + 1)); continue; }
    grep -q "(kernels '$family')" "$work/out" || { echo "$family.cl $kernel: $(tail -n 1 "$work/out")"; missed=$((missed + 1)); }
  done
done
echo "$kernels kernels emptied one by one: $((kernels - missed)) refused with their family's name, $missed not"
[ "$missed" = 0 ]
