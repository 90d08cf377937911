#!/usr/bin/env bash
# Formats OpenCL C with clang-format-14, which reads it as C: "UNROLL for" is hidden from it as a loop's name of the same
# length, and "#pragma unroll" as a comment, so that both are indented like what they stand before.
# usage: format_cl.sh [--check] FILE...     --check: changes nothing, prints what would change, exit status 1 if anything
set -euo pipefail
hide='s/\bUNROLL for \(/UNROLL_for (/g; s/_Pragma\("unroll"\) for \(/PRAGMA_UNROLL____for_ (/g; s|^ *(#pragma unroll.*)$|//=\1|'
show='s/\bUNROLL_for \(/UNROLL for (/g; s/PRAGMA_UNROLL____for_ \(/_Pragma("unroll") for (/g; s|^( *)//=(#pragma unroll.*)$|\1\2|'
check=
[[ ${1-} == --check ]] && check=1 && shift
failed=0
formatted=$(mktemp)
trap 'rm -f "$formatted"' EXIT
for file in "$@"; do
  sed -E "$hide" "$file" | clang-format-14 --style=file --assume-filename="$(dirname "$file")/x.c" | sed -E "$show" >"$formatted"
  if [[ ! $check ]]; then
    cmp -s "$file" "$formatted" || cat "$formatted" >"$file"
  elif ! diff -u "$file" "$formatted"; then
    failed=1
  fi
done
exit $failed
