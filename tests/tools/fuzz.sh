#!/usr/bin/env bash
# Every fuzzer (tests/*/fuzz) for some seconds, under AddressSanitizer and UndefinedBehaviorSanitizer; needs clang.
# What breaks a reader is kept in build/fuzz/found.
# usage: fuzz.sh [SECONDS (10)] [NAME...]
#   JOBS=n       so many at a time (2)
#   CORPUS=DIR   inputs are kept in DIR/NAME and used again (a folder that is removed)
#   CC=clang-14  another clang
set -euo pipefail
seconds=${1:-10}
shift || true
cd "$(dirname "$0")/../.."
build=$PWD/build/fuzz
mkdir -p build
cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER="${CC:-clang}" -DFM_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$build.log" 2>&1 &&
  cmake --build "$build" --target fuzzers >>"$build.log" 2>&1 || { tail -30 "$build.log"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/tests/fuzz_seeds" "$work/seeds"
mkdir -p "$build/found"

fuzz() {
  local name=$1 corpus=${CORPUS:-$work/corpus}/$1
  export FUZZ_FOLDER=$work/files/$name XDG_DATA_HOME=$work/none
  mkdir -p "$corpus" "$FUZZ_FOLDER/split_csv" "$work/seeds/$name"
  if "$build/tests/fuzz_$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 \
    -artifact_prefix="$build/found/$name-" "$corpus" "$work/seeds/$name" >"$work/$name.log" 2>&1; then
    echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log") inputs, nothing found"
  else
    cat "$work/$name.log"
    echo "fuzz $name: FAILED; the input is in build/fuzz/found"
    return 1
  fi
}
export -f fuzz
export build work seconds
names=${*:-$(for f in tests/*/fuzz/fuzz_*.c; do basename "$f" .c; done | sed 's/^fuzz_//' | grep -v '^seeds$')}
printf '%s\n' $names | xargs -P "${JOBS:-2}" -I{} bash -c 'fuzz {}'
