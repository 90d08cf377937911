#!/usr/bin/env bash
# What large pictures take is said before they are looked at; where that is more than there is, so is what to do about it.
# usage: test_memory.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# number WIDTH VALUE: in so many bytes, the least one first.
number() {
  local i value=$2
  # shellcheck disable=SC2059
  for ((i = 0; i < $1; i++, value >>= 8)); do printf "\\x$(printf %x $((value & 255)))"; done
}

# bmp SIDE: a black one of 24 bits; a hole takes no room on the disk.
bmp() {
  local bytes=$(($1 * 3 * $1))
  printf BM
  number 4 $((bytes + 54)); number 4 0; number 4 54
  number 4 40; number 4 "$1"; number 4 "$1"; number 2 1; number 2 24
  number 4 0; number 4 $bytes; number 4 0; number 4 0; number 4 0; number 4 0
}

gear 1 1
run train --untrained data --category gear --method padim --channels 10 --size 64 -o m
mkdir large
bmp 4000 >large/a.bmp
truncate -s $((4000 * 4000 * 3 + 54)) large/a.bmp
cp --sparse=always large/a.bmp large/b.bmp

# Small pictures are no matter; large ones are, and the whole program stays below what was said.
run predict --untrained m data/gear/test/good -o small
! grep -q "^memory:" err || fail "small pictures take memory: $(cat err)"
clock=$(type -P time) || clock=
${clock:+"$clock" -v} "$flawmap" predict --untrained m large -o results >out 2>err || fail "predict failed: $(cat err)"
sed '/^memory:/q' err | grep -q "^memory: pictures of up to 4000 x 4000 pixels take [0-9]* MiB, . at a time, and the whole program up to [0-9]* MiB; [0-9]* MiB are free$" ||
  fail "predict does not say what it takes: $(cat err)"
said=$(sed -n 's/^memory: .* up to \([0-9]*\) MiB.*/\1/p' err)
peak=$(sed -n 's/.*Maximum resident set size (kbytes): //p' err)
if ! ldd "$flawmap" | grep -q san; then # a sanitizer's own memory is no matter, and takes more space than any limit
  [ -z "$peak" ] || [ $((peak / 1024)) -le "$said" ] || fail "the program took $((peak / 1024)) MiB, not up to $said"
  # Limits from below the program's own needs upwards: somewhere it starts, and pictures do not fit.
  for ((limit = 400000; limit < 6000000; limit += 100000)); do
    (ulimit -v $limit && timeout 60 "$flawmap" predict --untrained m large -o tight --no-maps --no-masks >out 2>err)
    grep -q "^memory:.* MiB are free," err && break
  done
  says "which may not be enough: leave out what is not needed (--no-overlays), or make them smaller"
fi

# eval: before it begins, in proportion to the largest picture and not to their number.
mkdir -p set/train/good set/test/good
cp large/a.bmp set/train/good
for i in 1 2 3 4; do ln large/a.bmp set/test/good/$i.bmp; done
expect 0 "results:" eval m set -o evaluated --no-maps --no-masks --no-overlays
grep -q "^memory: the metrics and the report of 4 pictures take [0-9]* MiB, and the whole program up to [0-9]* MiB" err ||
  fail "eval does not say what it takes: $(cat err)"
exit 0
