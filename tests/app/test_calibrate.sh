#!/usr/bin/env bash
# Thresholds that people can trust: chosen from pictures that the model has not seen and that are good, or named by hand;
# whatever else is said. And nothing is replaced without a word.
# usage: test_calibrate.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

says() { grep -q -- "$1" "$2" || fail "no '$1' in: $(cat "$2")"; }
silent() { ! grep -q -- "$1" err || fail "'$1' is said without a reason: $(cat err)"; }
refuses() {
  local words=$1
  shift
  "$flawmap" "$@" >out 2>err
  [ $? = 2 ] || fail "'$*' was not refused as wrong usage: $(cat err)"
  says "$words" err
}

run synth data --size 64 --train 10 --good 3 --flawed 3 --product gear
run synth other --size 64 --train 3 --good 3 --flawed 1 --product weave
run train --untrained data --category gear --method patchcore --size 64 --hold-out 20% -o m
test=data/gear/test

# The training's own pictures: left out where others are there, whatever they are called; else nothing is promised.
good=data/gear/train/good
run calibrate m $good -o c
says "warning: 8 of 10 good pictures for calibration are among those the model learned from" err
says "threshold .*from the largest score of 2 good pictures for calibration" out
silent "over the threshold"
mkdir fresh learned
cp $test/good/*.png fresh
n=0
for picture in "$good"/*.png; do
  n=$((n + 1))
  [ $((n % 5)) = 0 ] || cp "$picture" "learned/copy$n.png"
done
run calibrate m fresh -o c
silent "warning: [^U]"
says "it was .* before" out
run calibrate m learned -o c
says "warning: all 8 good pictures for calibration are among those the model learned from" err
says "without a promise" out
! grep -q "expected false alarms" out || fail "the training's pictures promise something: $(cat out)"
run train --untrained data --category gear --method padim --size 64 --hold-out 20% --calibrate learned -o t
says "warning: all 8" err
# A model from before pictures were remembered.
sed 's/"data\.pictures"/"data.pictured"/' m >old
run calibrate old learned -o c
silent "learned from"
sed 's/\("data\.pictures":"\)....../\1zzzzzz/' m >hostile
"$flawmap" info hostile >out 2>err && fail "a hostile list of pictures was accepted"
says "data.pictures" err

# Flawed pictures, which raise a threshold: by their scores, and by their folder.
mkdir mixed
cp fresh/*.png mixed
for picture in other/weave/test/good/*.png; do cp "$picture" "mixed/not_a_gear_$(basename "$picture")"; done
run calibrate m mixed -o c
says "warning: [3-6] of 6 pictures score over the threshold that the model had, .* far; the highest: 'mixed/not_a_gear_.*'mixed/not_a_gear_.*'mixed/not_a_gear_.*if they are flawed" err
silent "name of a flaw"
mkdir -p parts/left parts/Scratches
cp fresh/000.png parts/left
cp fresh/001.png fresh/002.png parts/Scratches
run calibrate m parts -o c
says "warning: 2 of 3 pictures lie in a folder with the name of a flaw ('Scratches')" err
# None of them far beyond, but far more of them over the threshold than its rate allows.
run predict --untrained m $test -o p --json --no-maps --no-masks --no-overlays
sed -E 's|.*"picture": *"([^"]*)".*"score": *([^,}]*).*|\2 \1|' out | sort -g >ranked
mkdir low higher
head -4 ranked | while read -r _ picture; do cp "$picture" "low/$(echo "$picture" | tr / _)"; done
sed -n 5,14p ranked | while read -r _ picture; do cp "$picture" "higher/$(echo "$picture" | tr / _)"; done
run calibrate m low -o lowest
run calibrate lowest higher -o c
says "warning: 10 of 10 pictures score over .*, more than good ones should" err
run train --untrained data --category gear --method padim --size 64 --calibrate parts -o t
says "folder with the name of a flaw ('Scratches')" err
run calibrate m $test/misprint -o c # beside test/good
says "folder with the name of a flaw ('misprint')" err
run calibrate m $test/good -o c
silent "name of a flaw"

# One that is no gear at all among the good ones: it is named, and on request the thresholds do without it.
run synth many --product gear --size 64 --train 1 --good 19 --flawed 1 --seed 5
cp -r many/gear/test/good odd
cp other/weave/test/good/000.png odd/weave.png
run calibrate m odd -o decided
says "1 of 20 good pictures for calibration scores far over the others: 'odd/weave.png'" err
run calibrate m odd -o without --leave-out-odd
says "It does not count" err
says "19 good pictures for calibration (1 far over them left out)" out
[ "$(head -c 4 without.odd.png | tail -c 3)" = PNG ] || fail "no sheet of odd pictures"
run calibrate m many/gear/test/good -o alone
silent "far over"
[ ! -e alone.odd.png ] || fail "a sheet without an odd picture"
number=$(sed -n 's/.*: threshold \([^,]*\),.*/\1/p' out)
run info without
says "^threshold *$number," out

# Every good picture is learned from and scored without itself; the one that is no gear does not decide, or is not even learned from.
cp -r many strange
cp many/gear/test/good/*.png strange/gear/train/good
run train --untrained strange --category gear --method patchcore --size 64 -o whole
says "whole: gear, 19 good pictures learned, " out
says "19 good pictures, each scored without itself" out
run train --untrained strange --category gear --method patchcore --size 64 --hold-out 20% -o some
says "16 good pictures learned, 3 held out" out
cp other/weave/test/good/000.png strange/gear/train/good/weave.png
run train --untrained strange --category gear --method patchcore --size 64 -o whole
says "of 20 good pictures scores* far over the others: 'strange/gear/train/good/weave.png'" err
says "'whole.odd.png' shows them" err
says "the largest score but [12] far over the others of 20 good pictures, each scored without itself" out
run train --untrained strange --category gear --method patchcore --size 64 --leave-out-odd -o whole
says "whole: gear, 1[89] good pictures learned, " out
says "1[89] good pictures ([12] far over them left out), each scored without itself" out
[ -e whole.odd.png ] || fail "what was left out is not shown"

# By hand: verdicts, masks, table, report and every file of numbers say so; the model stays as it is.
cp m before
run predict --untrained m $test -o p --threshold 1e6 --no-maps --no-overlays
[ "$(grep -c '^good .* threshold 1000000.0000 (set by hand)' out)" = "$(find $test -name '*.png' | wc -l)" ] || fail "verdicts by hand: $(cat out)"
run predict --untrained m $test -o p --threshold=-1 --json --no-maps --no-overlays
[ "$(grep -c '"verdict": *"flawed".*"threshold_set_by_hand": *true' out)" = "$(wc -l <out)" ] || fail "JSON by hand: $(cat out)"
run predict --untrained m $test -o usual --json --no-maps --no-overlays
! grep -q by_hand out || fail "by hand without a reason: $(cat out)"
run predict --untrained m $test -o usual --pixel-threshold 1e6 --no-maps --no-overlays
! grep -q "set by hand" out || fail "--pixel-threshold changed verdicts: $(cat out)"
# What passes has no outline, whatever its pixels; what is flagged has one, if only at its strongest spot.
run predict --untrained m $test -o none --threshold 1e6 --pixel-threshold=-1 --no-maps --no-overlays
run predict --untrained m $test -o every --threshold=-1 --pixel-threshold=-1 --no-maps --no-overlays
run predict --untrained m $test -o spot --threshold=-1 --pixel-threshold 1e6 --no-maps --no-overlays
black=none/masks/good/000.png white=every/masks/good/000.png
! cmp -s $black $white || fail "--pixel-threshold does not cut masks"
for mask in $(cd none/masks && find . -name '*.png'); do
  cmp -s "none/masks/$mask" $black && cmp -s "every/masks/$mask" $white || fail "--pixel-threshold cuts $mask otherwise"
  ! cmp -s "spot/masks/$mask" $black && ! cmp -s "spot/masks/$mask" $white || fail "$mask is flagged and has no outline, or is outlined whole"
done
# Where one number is both, as with PaDiM, pixels follow pictures.
run train --untrained data --category gear --method padim --size 64 -o one
run predict --untrained one $test/good -o follow --threshold=-1 --no-maps --no-overlays
cmp -s follow/masks/000.png $white || fail "--threshold does not cut the masks of a model with one threshold"
run eval m data -o e --threshold 1e6 --no-maps --no-masks --no-overlays
says "verdicts: 0 of .* found, 0 of 3 good ones flagged" out
says "threshold 1e+06, from the command line (set by hand)" out
says "was set by hand" e/report.html
says "set by hand" e/metrics.json
cmp -s m before || fail "a threshold by hand changed the model"
refuses "is not a number" predict --untrained m $test -o p --threshold nan
refuses "is not a number from" eval m data -o e --threshold inf

# A model without thresholds takes them by hand, but not for pixels alone.
sed 's/"threshold":"yes"/"threshold": "no"/' m >bare
run predict --untrained bare $test -o p --threshold=-1 --no-maps --no-masks --no-overlays
says "21 of 21 pictures flawed" out
refuses "give --threshold too" predict --untrained bare $test -o p --pixel-threshold 1

# calibrate by hand needs no pictures, and the model remembers it.
run calibrate m --threshold 2.5 -o hand
says "hand: threshold 2.5, from the command line (set by hand)" out
says "it was .* before" out
run info hand
says "set by hand" out
run predict --untrained hand $test -o p --no-maps --no-masks --no-overlays
says "threshold 2.5000 (set by hand)" out
refuses "name a folder of good pictures.*--threshold" calibrate m

# What is there already is replaced with a word, by all who write a model.
silent "exists already"
run calibrate m --threshold 2 -o hand
says "note: 'hand' exists already" err
run calibrate hand --threshold 3
silent "exists already"
run convert m -o weights
silent "exists already"
run convert m -o weights
says "note: 'weights' exists already" err
exit 0
