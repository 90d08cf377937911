#!/usr/bin/env bash
# flawmap bench --share: proves, measures, writes a file that says nothing about whose machine it is; without proof there is
# no file. --compare: devices side by side, from files that anyone may have written.
# usage: test_bench_share.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# Valid JSON: whichever reader of it there is.
is_json() {
  if command -v python3 >/dev/null; then python3 -m json.tool "$1" >/dev/null
  elif command -v jq >/dev/null; then jq . "$1" >/dev/null
  else echo "test_bench_share: neither python3 nor jq is here; only the keys are checked" >&2; fi
}

# What cannot be written is said before anything is measured, and what does not go together.
mkdir folder
refuses 1 "folder" bench --quick --share folder
refuses 1 "nowhere" bench --quick --share nowhere/file.json
refuses 2 "suite of its own" bench --share a.json --passes infer1
refuses 2 "suite of its own" bench --share a.json --no-peak
refuses 2 "only reads files" bench --compare --quick a.json
refuses 2 "takes 1 to 16 files" bench --compare
[ ! -e a.json ] || fail "a refused --share wrote a file"

# A device that exceeds a golden has no speed, and a file that is there stays.
cp -r "$source/cl" cl
sed -i 's|/ (FV)(count), stat + 3|/ (FV)(2.0f * count), stat + 3|' cl/norm.cl
cmp -s "$source/cl/norm.cl" cl/norm.cl && fail "nothing was broken"
echo mine >a.json
FLAWMAP_SELFTEST=off FLAWMAP_CACHE=off FLAWMAP_CL_DIR=$work/cl "$flawmap" bench --quick --share a.json >out 2>err
[ $? = 1 ] || fail "a device that computes wrong was measured: $(cat out err)"
says "does not compute right (golden "
says "no file was written"
[ "$(cat a.json)" = mine ] || fail "a file that was there was touched without proof"
rm a.json

# A tuned line that holds for the device is counted, whatever its class.
printf '%s\n' "flawmap tuned 1" >lines.txt
for class in cpu16x1 cpu8x1 cpu4x1 gpu4x64; do
  echo "$class | class | forward 1x1/1 8>8 8x8 | 1 | conv | blocks 1 pixels 4 | 1 us | 2 us" >>lines.txt
done
FLAWMAP_TUNE=$work/lines.txt run bench --quick --share a.json
is_json a.json || fail "no JSON: $(head -c 400 a.json)"
for field in '"schema": "flawmap-bench/2"' '"flawmap": "' '"quick": true' '"os": "' '"cpu": ' '"vendor": "' '"driver": "' '"version": "' \
  '"compute_units": [1-9]' '"commit": ' '"own": 1,' '"shipped": 0' '"outcome": "right' '"share_of_allowed": [0-9]' '"fma_gflops": [0-9]' '"copy_gb_s": [0-9]' '"triad_gb_s": [0-9]' \
  '"launch_us": [0-9]' '"kernels_sha256": "[0-9a-f]\{64\}"'; do
  grep -q "$field" a.json || fail "no $field in the file"
done
in_suite() { [ "$(sed -n '/"suite"/,$p' a.json | grep -c "\"$1\": [\"0-9]")" = "$2" ] || fail "'$1' is not there $2 times in the suite"; }
for field in name network pass median_s least_s most_s runs; do in_suite $field 11; done
for field in gflops share_of_peak; do in_suite $field 9; done # of whole passes
for work_of in patchcore8 f2pad1; do
  grep -q "\"name\": \"efficientnet_lite0 $work_of 64\"" a.json || fail "no $work_of in the suite"
done
for network in efficientnet_lite0 resnet18 hrnet32; do
  for pass in infer1 infer2 train2; do
    grep -q "\"name\": \"$network $pass 64\"" a.json || fail "no $network $pass in the suite"
    grep -q "^$network $pass 64 " out || fail "no line for $network $pass"
  done
done
for secret in "$(uname -n)" "$work" "$HOME/"; do
  grep -qF -- "\"$secret" a.json && fail "the file says '$secret'"
done

# Two files, of which one is half as fast: no device is needed, and the first is the measure.
sed 's/"median_s": .*,/"median_s": 4,/; s/"least_s": .*,/"least_s": 2,/; s/"most_s": .*,/"most_s": 8,/' a.json >four.json
sed 's/"median_s": .*,/"median_s": 8,/; s/"least_s": .*,/"least_s": 8,/; s/"most_s": .*,/"most_s": 8,/; s/resnet18 infer2 64/other infer2 64/' a.json >eight.json
FLAWMAP_DEVICE=none OCL_ICD_VENDORS=$work/folder "$flawmap" bench --compare four.json eight.json >out 2>err || fail "no comparison: $(cat err)"
grep -Eq '^hrnet32 train2 64 +4000\.000 +8000\.000 +x 0\.50 *$' out || fail "not half as fast: $(cat out)"
grep -Eq '^resnet18 infer2 64 +4000\.000 +- *$' out || fail "a line of the first file alone: $(cat out)"
grep -Eq '^other infer2 64 +- +8000\.000 *$' out || fail "a line of the second file alone: $(cat out)"
says "tuned lines: 1 of its own, 0 that flawmap brings"
grep -Eq '^efficientnet_lite0 f2pad1 64 +4000\.000 +8000\.000 +x 0\.50 *$' out || fail "F2PAD's line: $(cat out)"
grep -Eq '^peak, GFLOP/s .* x 1\.00 *$' out || fail "no peak: $(cat out)"

# Names from outside are shown, not obeyed.
printf 's/"name": "\\(.*\\)",/"name": "\\\\u001b[31m\\\\nred\\\\u202e\\1",/; s/\\(.\\{100\\}\\).*",$/\\1",/' >hostile.sed
sed -f hostile.sed a.json >hostile.json
run bench --compare a.json hostile.json
grep -q $'\x1b' out && fail "a control character of a file came through"
says '\x1b[31m\nred\u202e'

# Everything else is refused in one sentence that names the file.
wrong() {
  local text=$1
  shift
  sed "$@" a.json >wrong.json
  cmp -s a.json wrong.json && fail "'$*' changed nothing"
  refuses 1 "'wrong.json': .*$text" bench --compare a.json wrong.json
  [ ! -s out ] || fail "something was printed beside '$text': $(cat out)"
}
wrong 'is not a JSON object' '$d'
wrong 'is not a JSON object' '1s/.*/[/; $s/.*/]/'
wrong 'something follows' '$s/.*/} x/'
wrong 'not flawmap-bench/2' 's/flawmap-bench.2/flawmap-bench\/1/'
wrong 'not flawmap-bench/2' '/"schema"/d'
wrong 'without proof' 's/"outcome": "right"/"outcome": "exceeded"/'
wrong '"verify" is not there' 's/"verify"/"verity"/'
wrong '"fma_gflops" is not a number that' 's/"fma_gflops": .*,/"fma_gflops": 0,/'
wrong '"fma_gflops" is not a number that' 's/"fma_gflops": .*,/"fma_gflops": 1e999,/'
wrong '"copy_gb_s" is not there once' 's/"copy_gb_s": .*,/"copy_gb_s": "fast",/'
wrong '"copy_gb_s" is not there once' 's/"copy_gb_s": .*,/& "copy_gb_s": 1,/'
wrong '"median_s" is not a number that' '0,/"median_s": .*,/s//"median_s": -1,/'
wrong 'not between least_s and most_s' '0,/"median_s": .*,/s//"median_s": 1e9,/'
wrong '"runs" is not a whole' 's/"runs": 1,/"runs": 1.5,/'
wrong 'resnet18 infer2 64" is there twice' 's/resnet18 infer1 64/resnet18 infer2 64/'
wrong 'longer than any' "s/\"os\": \"/&$(printf '%0200d' 0)/"
wrong '"own" is not a number that' 's/"own": 1,/"own": -1,/'
wrong '"tuned_lines" is not there' 's/"tuned_lines"/"tunes"/'
wrong '"commit" is not there' 's/"commit": .*,/"commit": 7,/'
wrong '"gflops" is not a number that' '0,/"gflops": .*,/s//"gflops": -1,/'
wrong '"os" is not there' 's/"os": ".*",/"os": {},/'
head -c 1100000 /dev/zero >wrong.json
refuses 1 "wrong.json" bench --compare wrong.json
refuses 1 "missing.json" bench --compare a.json missing.json
echo "bench --share: proves, measures, tells nothing; --compare: side by side, and trusts nobody"
