#!/usr/bin/env bash
# Every network has a golden that tests/reference/golden.py made, and this device agrees with all of them.
set -euo pipefail
flawmap=$1 source=$2
fail() { echo "FAIL: $*"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$flawmap" bench --backbone none 2>"$work/names" >/dev/null && fail "a network called none"
names=$(sed -n "s/.*there is no backbone 'none'; there are //p" "$work/names" | tr -d ',')
[ "$(wc -w <<<"$names")" -ge 10 ] || fail "the table of networks: $(cat "$work/names")"
for name in $names; do
  compgen -G "$source/tests/check/goldens/$name-b*" >/dev/null || compgen -G "$source/models/goldens/$name-b*" >/dev/null ||
    fail "$name has no golden: tests/reference/golden.py tests/check/goldens/$name-b2-s64.safetensors --backbone $name --every 8 --next"
done

"$flawmap" verify "$source"/tests/check/goldens/*.safetensors >"$work/out" || { cat "$work/out"; fail "a golden is not met"; }
echo "goldens: one of each of $(wc -w <<<"$names") networks, $(grep -c "^$source" "$work/out") met here"
