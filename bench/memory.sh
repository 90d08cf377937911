#!/usr/bin/env bash
# How much memory large pictures take, beside what flawmap says before it begins: predict on eight pictures of 9000 x 9000 with
# everything written, eval on 500 of 12 megapixels. Fails where the process took more than was said, or nothing was said.
# Prints and writes OUT/memory.csv. Needs GNU time, 10 GB of disk and an hour or so; what is drawn already is not drawn again.
#   WEIGHTS=efficientnet_lite0.safetensors [FLAWMAP=build/release/flawmap] [OUT=build/memory] [METHOD=padim] [SIDE=9000]
#   [GOOD=4] [PICTURES=500] [ONLY="predict eval"] bench/memory.sh
# GOOD: drawn good pictures of 12 megapixels, beside six flawed ones; all of them get PICTURES names.
set -euo pipefail
cd "$(dirname "$0")/.."
flawmap=$(realpath "${FLAWMAP:-build/release/flawmap}") out=${OUT:-build/memory} method=${METHOD:-padim} side=${SIDE:-9000}
good=${GOOD:-4} pictures=${PICTURES:-500} only=${ONLY:-predict eval}
: "${WEIGHTS:?the pretrained weights of efficientnet_lite0}"
weights=$(realpath "$WEIGHTS") clock=$(type -P time) || { echo "memory: GNU time is not there" >&2; exit 1; }
mkdir -p "$out"
cd "$out"

# number WIDTH VALUE: in so many bytes, the least one first.
number() {
  local i value=$2
  # shellcheck disable=SC2059
  for ((i = 0; i < $1; i++, value >>= 8)); do printf "\\x$(printf %x $((value & 255)))"; done
}

# noise BYTES: those of a drawn PNG, over and over.
noise() {
  local file=small/gear/test/good/000.png
  yes $file | xargs -n 100 cat 2>/dev/null | head -c "$1" || true
}

draw_bmp() { # 24 bits
  local bytes=$((side * 3 * side))
  printf BM
  number 4 $((bytes + 54)); number 4 0; number 4 54
  number 4 40; number 4 "$side"; number 4 "$side"; number 2 1; number 2 24
  number 4 0; number 4 $bytes; number 4 0; number 4 0; number 4 0; number 4 0
  noise $bytes
}

# entry TAG TYPE COUNT VALUE of a TIFF's directory
entry() { number 2 "$1"; number 2 "$2"; number 4 "$3"; number 4 "$4"; }

draw_tiff() { # RGB, 16 bits a channel, in one strip
  local bytes=$((side * 6 * side))
  printf 'II*\0'
  number 4 8
  number 2 10
  entry 256 4 1 "$side"; entry 257 4 1 "$side"; entry 258 3 3 134; entry 259 3 1 1; entry 262 3 1 2
  entry 273 4 1 140; entry 277 3 1 3; entry 278 4 1 "$side"; entry 279 4 1 $bytes; entry 284 3 1 1
  number 4 0
  number 2 16; number 2 16; number 2 16
  noise $bytes
}

# measure NAME COMMAND...: a line of the table, from what it says and what it takes.
measure() {
  local name=$1 said peak verdict=ok
  shift
  "$clock" -v "$flawmap" "$@" >"$name.out" 2>"$name.err" || { cat "$name.err" >&2; exit 1; }
  said=$(sed -nE 's/^memory: .* program up to ([0-9]+) MiB.*/\1/p' "$name.err" | tail -1)
  peak=$(($(sed -n 's/.*Maximum resident set size (kbytes): //p' "$name.err") / 1024))
  [ -n "$said" ] && [ "$peak" -le "$said" ] || verdict=MORE bad=1
  grep '^memory:' "$name.err" >&2 || true
  echo "$name,$method,${said:-nothing},$peak,$(sed -n 's/.*Elapsed.*: //p' "$name.err"),$verdict" | tee -a memory.csv
}

predict() {
  rm -rf in results
  mkdir in
  [ -s picture.bmp ] || draw_bmp >picture.bmp
  [ -s picture.tif ] || draw_tiff >picture.tif
  for i in 1 2 3 4; do ln picture.bmp in/$i.bmp; ln picture.tif in/$i.tif; done
  measure predict predict "$method.flawmap" in -o results
  rm -rf results
}

evaluate() {
  local kind file n=0
  [ -d big ] || { "$flawmap" synth drawing --size 3464 --product gear --train 1 --good "$good" --flawed 1 && mv drawing big; }
  rm -rf many results
  while [ $n -lt "$pictures" ]; do
    for file in big/gear/test/*/*.png; do
      kind=$(basename "$(dirname "$file")")
      [ $n -lt "$pictures" ] || break
      mkdir -p "many/gear/test/$kind" "many/gear/ground_truth/$kind"
      ln "$file" "many/gear/test/$kind/$n.png"
      [ "$kind" = good ] || ln "big/gear/ground_truth/$kind/000_mask.png" "many/gear/ground_truth/$kind/${n}_mask.png"
      n=$((n + 1))
    done
  done
  measure eval eval "$method.flawmap" many --category gear -o results --no-maps --no-masks --no-overlays
}

bad=0
echo "command,method,said_MiB,peak_MiB,time,verdict" | tee memory.csv
[ -d small ] || "$flawmap" synth small --product gear --train 20 --good 2 --flawed 1 >synth.out
[ -s "$method.flawmap" ] ||
  "$flawmap" train small --category gear --method "$method" --weights "$weights" -o "$method.flawmap" >train.out
for part in $only; do
  case $part in predict) predict ;; eval) evaluate ;; esac
done
exit $bad
