#!/usr/bin/env bash
# No picture passes unseen: what predict, train, calibrate and eval do with folders as people have them. How folders are
# looked through stands in tests/data/test_find.c, what readers make of files in tests/file.
# usage: test_pictures.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

verdicts() { [ "$(grep -c 'score' out)" = "$1" ] || fail "not $1 verdicts: $(cat out err)"; }

gear 1 1
quick="--untrained --size 64 --batch 2 --epochs 1"
expect 0 "learned" train data/gear $quick -o m
one=data/gear/test/good/000.png
predict() { local status=$1 words=$2; shift 2; expect "$status" "$words" predict --untrained m "$@"; }

# Subfolders, a loop of links, a pipe, what others leave behind; the results keep the folders.
mkdir -p in/left in/right in/@eaDir
cp $one in/left/a.png
cp $one in/right/a.png
cp $one in/right/camera # no extension
cp $one in/@eaDir/a.png
ln -s .. in/left/up
mkfifo in/pipe.png
predict 0 "in/right/a.png" in -o out1
verdicts 3
says "'in/pipe.png' is a pipe"
says "@eaDir"
for f in left/a right/a right/camera; do [ -s "out1/maps/$f.tiff" ] || fail "no map out1/maps/$f.tiff"; done
# The same names from two folders that are given apart, and beside each other.
predict 0 "in/left/a.png" in/left in/right -o out2
[ -s out2/masks/in/left/a.png ] && [ -s out2/masks/in/right/a.png ] || fail "two pictures of one name: $(find out2)"
cp $one in/left/a.tif
predict 0 "in/left/a.tif" in/left -o out3
[ -s out3/maps/a.png.tiff ] && [ -s out3/maps/a.tif.tiff ] || fail "a.png and a.tif: $(find out3)"

# Results below the input are no input: of this run, of an earlier one with another name, of eval.
mkdir again
cp $one again/
for i in 1 2; do predict 0 "again/000.png" again -o again/results --no-maps; done
verdicts 1
predict 0 "again/000.png" again -o again/other
verdicts 1
expect 0 "results:" eval m data/gear -o again/eval
predict 0 "left out: results of flawmap in 'again/eval'" again -o again
verdicts 1
predict 0 "again/000.png" again -o again
verdicts 1

# What is not read is named and counted; the others are looked at.
mkdir mixed
cp $one mixed/good.png
printf 'GIF89a\1\0\1\0' >mixed/a.gif
printf 'P5\n1 1\n255\nx' >mixed/scan
head -c 300 $one >mixed/cut.png
ln -s nowhere mixed/lost.png
predict 1 "4 of 5 pictures could not be read" mixed -o out4
verdicts 1
for f in a.gif scan cut.png lost.png; do says "mixed/$f"; done
rm mixed/good.png mixed/cut.png mixed/lost.png
predict 1 "none of 2 pictures" mixed -o out4
expect 1 "a.gif" calibrate m mixed -o c
[ ! -e c ] || fail "calibrate passed over pictures"
cp -r data/gear odd
cp mixed/a.gif odd/train/good/
expect 1 "odd/train/good/a.gif" train odd $quick -o no
mv odd/train/good/a.gif odd/test/dent/
expect 1 "odd/test/dent/a.gif" eval m odd -o no
mv odd/test/dent/a.gif odd/ground_truth/dent/
expect 1 "odd/ground_truth/dent/a.gif" eval m odd -o no
rm odd/ground_truth/dent/a.gif
cp $one odd/test/stray.png
expect 1 "odd/test/stray.png" eval m odd -o no
rm odd/test/stray.png
# Subfolders of train/good and of a kind, with their masks.
mkdir -p odd/train/good/line2 odd/test/dent/line2 odd/ground_truth/dent/line2 odd/test/@eaDir
mv odd/train/good/000.png odd/train/good/line2/
cp odd/test/dent/000.png odd/test/dent/line2/
cp odd/ground_truth/dent/000_mask.png odd/ground_truth/dent/line2/
expect 0 "3 good pictures learned, 1 held out" train odd $quick -o m2
expect 0 "results:" eval m odd -o out5
[ -s out5/maps/dent/line2/000.tiff ] || fail "a subfolder of a kind has no map: $(find out5 | head -20)"

# One picture whose results cannot be written does not end the batch.
mkdir -p out6/maps
mkdir out6/maps/a.tiff
cp $one mixed/a.png
cp $one mixed/b.png
rm mixed/a.gif mixed/scan
predict 1 "of 2 pictures could not be written" mixed -o out6
verdicts 2
[ -s out6/maps/b.tiff ] || fail "the picture after one that cannot be written has no map"

# A full disk behind standard output.
if [ -c /dev/full ]; then
  "$flawmap" predict --untrained m $one -o out7 >/dev/full 2>err && fail "predict lost its verdict and ended with 0"
  grep -q "standard output could not be written" err || fail "predict does not say that its verdict is lost: $(cat err)"
fi
exit 0
