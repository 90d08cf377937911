#!/usr/bin/env bash
# tests/tools/sign_flips.sh FLAWMAP SOURCE [all|self-test|quick]: each sign that sign_flips.txt names is flipped, one at a time, and
# `flawmap verify` run: does the self-test say that the device computes wrong, do the goldens? A row of a Markdown table for each,
# then the count. Exit 1 where not all who should (its line says) call it wrong or where a golden is "not judged", where a line no
# longer changes its file, and where a family or a kernel has no line.
#   self-test    without goldens
#   quick        the same, one flip a file and no other class of devices
#   ONLY="..."   these files of cl/
set -euo pipefail
flawmap=$(realpath "$1") source=$(realpath "$2") how=${3:-all} only=${ONLY:-}
table=$source/tests/tools/sign_flips.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset FLAWMAP_CL_DIR FLAWMAP_SELFTEST FLAWMAP_BLOCK FLAWMAP_GROUP FLAWMAP_DOUBLE
export FLAWMAP_CACHE=$work/cache # what a flip leaves alone is compiled once
files=() # for verify; of a file that is not there it says so after the self-test
[ "$how" = all ] || files=("$work/none")
flips=0 complaints=0
complain() { echo "sign_flips: $*" >&2; complaints=$((complaints + 1)); }

# Every family and every kernel has a line.
FLAWMAP_VERBOSE=launch "$flawmap" verify "${files[@]}" >"$work/out" 2>"$work/err" || [ "$how" != all ] || { cat "$work/out"; exit 1; }
grep -q '^kernels: every family gives its known answers' "$work/out" || { cat "$work/out"; exit 1; }
for family in $(sed -n 's/^check: //p' "$work/err"); do
  grep -q "^$family " "$table" || complain "the family '$family' has no line in $table"
done
for file in "$source"/cl/*.cl; do
  for kernel in $(sed -n 's/^\(KERNEL\|__kernel .*\) void \([a-z0-9_]*\)(.*/\2/p' "$file"); do
    grep -q "^$(basename "$file" .cl) $kernel[ /]" "$table" || complain "$(basename "$file"): '$kernel' has no line in $table"
  done
done

# What verify said: "what (family)" of the self-test, and the goldens' groups that are exceeded, of all goldens together.
said_by_selftest() { sed -n "s/^kernels: .* computes wrong: \(.*\) (kernels '\(.*\)') gives.*/\1 (\2)/p" "$work/out"; }
said_by_goldens() { awk '/ EXCEEDED at / && !seen[$1]++ { printf "%s%s", sep, $1; sep = ", " }' "$work/out"; }

# judge FILE KERNEL WHO OLD NEW
judge() {
  local selftest exceeded status=0
  FLAWMAP_CL_DIR=$work/cl timeout 600 "$flawmap" verify "${files[@]}" >"$work/out" 2>"$work/err" || status=$?
  selftest=$(said_by_selftest) exceeded=$(said_by_goldens)
  echo "| $1 | $2 | \`$4\` | \`$5\` | ${selftest:--} | ${exceeded:--} |"
  ! grep -q 'building ' "$work/err" || complain "$1 $2: '$5' does not compile"
  [ "$status" != 0 ] || complain "$1 $2: '$5' passes unseen"
  [ "$selftest" ] || [ "$3" = goldens ] || complain "$1 $2: '$5' passes the self-test ($(tail -n 1 "$work/err"))"
  [ "$exceeded" ] || [ "$3" = self-test ] || [ "$how" != all ] || complain "$1 $2: '$5' passes the goldens"
  [ "$3" = self-test ] || ! grep -q 'not judged' "$work/out" || complain "$1 $2: '$5' is not judged by a golden"
}

echo "| file | kernel | sign | flipped | the self-test says | the goldens exceed |"
echo "|---|---|---|---|---|---|"
variables=() seen=""
while IFS= read -r line; do
  case $line in
  "#"* | "") continue ;;
  golden*)
    [ "$how" != all ] || read -ra files <<<"${line#golden}"
    [ "$how" != all ] || files=("${files[@]/#/$source/}")
    continue
    ;;
  environment*)
    unset "${variables[@]%%=*}"
    read -ra variables <<<"${line#environment}"
    [ ${#variables[@]} = 0 ] || export "${variables[@]}"
    [ "$how" = quick ] || [ ${#variables[@]} = 0 ] || echo "| with ${variables[*]} | | | | | |"
    continue
    ;;
  esac
  read -r file where who text <<<"$line"
  if [ "$only" ] && [[ " $only " != *" $file "* ]]; then continue; fi
  [ "$how" = all ] || [ "$who" != goldens ] || continue
  if [ "$how" = quick ] && { [[ " $seen common " == *" $file "* ]] || [ ${#variables[@]} != 0 ]; }; then continue; fi
  seen="$seen $file" flips=$((flips + 1))
  rm -rf "$work/cl"
  cp -r "$source/cl" "$work/cl"
  path=$(cd "$work/cl" && ls "$file".cl*)
  if NAME=${where#*/} OLD=${text%% => *} NEW=${text#* => } awk -f "$source/tests/tools/sign_flip.awk" "$source/cl/$path" >"$work/cl/$path"; then
    judge "$file" "${where%/*}" "$who" "${text%% => *}" "${text#* => }"
  else
    complain "$path: '${text%% => *}' does not stand once in ${where#*/}"
  fi
done <"$table"
echo
echo "$flips signs flipped one by one, $complaints complaints"
[ "$flips" != 0 ] && [ "$complaints" = 0 ]
