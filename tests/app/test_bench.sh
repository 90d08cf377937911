#!/usr/bin/env bash
# flawmap bench: runs tiny, its JSON is JSON and says what it should, wrong usage ends with status 2.
# usage: test_bench.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# Valid JSON: whichever reader of it there is.
is_json() {
  if command -v python3 >/dev/null; then python3 -m json.tool "$1" >/dev/null
  elif command -v jq >/dev/null; then jq . "$1" >/dev/null
  else echo "test_bench: neither python3 nor jq is here; only the keys are checked" >&2; fi
}

"$flawmap" bench --size 64 --batch 2 --quick --operators --backbone resnet18,efficientnet_lite0 --json >"$work/all.json" ||
  fail "bench --json failed"
is_json "$work/all.json" || fail "bench --json printed no JSON: $(head -c 400 "$work/all.json")"
for key in fma_gflops triad_gb_s passes operators share_of_peak seconds total_seconds; do
  grep -q "\"$key\":" "$work/all.json" || fail "no '$key' in the JSON"
done
for pass in infer1 infer2 train2; do
  [ "$(grep -c "\"pass\": \"$pass\"" "$work/all.json")" = 2 ] || fail "pass $pass is not there once for each network"
done
grep -qE '"(seconds|fma_gflops|triad_gb_s|gflops|gb_s)": (0|-|null)[,[:space:]]*$' "$work/all.json" &&
  fail "a time or a speed is nothing"
for operator in conv "conv dx" "conv dw" "norm back" adam gaussian loss; do
  grep -q "\"operator\": \"$operator\"" "$work/all.json" || fail "no operator '$operator'"
done

"$flawmap" bench --size 64 --passes train3 --quick --no-peak --operators >"$work/table" || fail "bench as a table failed"
grep -q "^resnet18 *train3 " "$work/table" || fail "no line for train3"
grep -q "^peak" "$work/table" && fail "--no-peak measured the peak"

for wrong in "--passes train0" "--passes fly1" "--backbone resnet19" "--size 100" "--batch 0" "picture.png"; do
  "$flawmap" bench --quick $wrong >"$work/out" 2>"$work/err"
  [ $? = 2 ] || fail "'bench $wrong' did not end with status 2"
  [ "$(wc -l <"$work/err")" = 1 ] || fail "'bench $wrong' did not say one sentence: $(cat "$work/err")"
done
"$flawmap" bench --list | grep -q "^hrnet32 " || fail "--list does not name hrnet32"
