#!/usr/bin/env bash
# predict says what eval says: scores and masks of a detector that has a score of its own, with thresholds of pictures and
# of pixels that differ, plain and sharpened, of squares and of rectangles.
# usage: test_scores.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 64 --train 8 --good 2 --flawed 2 --product gear
for size in 64 32x64; do # a square, and a network that is higher than wide
  run train --untrained data --category gear --method patchcore --size $size --hold-out 20% --false-alarms 0.4 --refine -o m
  for how in "--refine off" "--refine f2pad"; do
    rm -rf all some
    "$flawmap" eval m data -o all --no-overlays --no-maps $how >out 2>err || fail "eval failed: $(cat err)"
    "$flawmap" predict --untrained m data/gear/test -o some --no-overlays --no-maps --json $how >lines 2>err || fail "predict failed: $(cat err)"
    # KIND/NAME SCORE of both
    tail -n +2 all/images.csv | cut -d, -f2-4 | sed 's|,|/|;s|,| |' | sort >want
    sed -E 's|.*"picture": ?"data/gear/test/([^"]*)\.png".*"score": ?([^,}]*).*|\1 \2|' lines | sort >got
    cmp -s want got || fail "predict $how scores otherwise than eval: $(diff want got)"
    over=0
    for mask in $(cd all/masks && find . -name '*.png'); do
      cmp -s "all/masks/$mask" "some/masks/$mask" || fail "predict $how cuts $mask elsewhere than eval"
      [ "$(stat -c %s "all/masks/$mask")" = "$(stat -c %s all/masks/good/000.png)" ] || over=1
    done
    [ $over = 1 ] || fail "no mask $how has anything in it: nothing was compared"
    mv want "want-${how#* }"
  done
  run predict --untrained m data/gear/test -o default --no-overlays --no-maps # sharpened, as the model can
  ls default | grep -q repaired || grep -q "^sharpening *none" out || fail "a model that can sharpen does not by itself"
  run info m
  if grep -q "a picture's score comes from them" out; then
    ! cmp -s want-off want-f2pad || fail "scores are not those of the sharpened maps"
  else
    cmp -s want-off want-f2pad || fail "sharpened maps change scores: $(diff want-off want-f2pad)"
  fi
done
exit 0
