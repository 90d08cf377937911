#!/usr/bin/env bash
# This device agrees with the goldens that tests/reference/golden.py made of further networks.
set -euo pipefail
out=$(mktemp)
"$1" verify "$2"/tests/check/goldens/*.safetensors >"$out" || { cat "$out"; rm -f "$out"; echo "FAIL: a golden is not met"; exit 1; }
grep -c "^$2" "$out"
rm -f "$out"
