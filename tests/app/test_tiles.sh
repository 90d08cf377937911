#!/usr/bin/env bash
# Pictures in tiles, from training to verdicts: eval and predict say the same,
# calibrate and info know tiles, what does not go with them is refused, and a hint names what would see small flaws.
# usage: test_tiles.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 160 --train 6 --good 2 --flawed 1 --product gear
train() { "$flawmap" train --untrained data/gear --method padim --channels 20 --hold-out 30% "$@" >out 2>err; }

train --size 64 --tile 64 -o m || fail "train failed: $(cat err)"
grep -q "to 45 tiles" err || fail "not as many tiles as there are: $(cat err)"
"$flawmap" info m >out 2>err || fail "info failed: $(cat err)"
grep -q "64 x 64 of the picture's own pixels" out || fail "info knows no tiles: $(cat out)"
for how in "" "--refine f2pad"; do
  [ "$how" ] && { train --size 64 --tile 64 --refine -o m || fail "train --refine failed: $(cat err)"; }
  rm -rf all some
  "$flawmap" eval m data --category gear -o all --no-overlays --no-maps $how >out 2>err || fail "eval failed: $(cat err)"
  "$flawmap" predict --untrained m data/gear/test -o some --no-overlays --no-maps --json $how >lines 2>err ||
    fail "predict failed: $(cat err)"
  tail -n +2 all/images.csv | cut -d, -f2-4 | sed 's|,|/|;s|,| |' | sort >want
  sed -E 's|.*"picture": ?"data/gear/test/([^"]*)\.png".*"score": ?([^,}]*).*|\1 \2|' lines | sort >got
  [ -s want ] && cmp -s want got || fail "predict $how scores otherwise than eval: $(diff want got)"
  for mask in $(cd all/masks && find . -name '*.png'); do
    cmp -s "all/masks/$mask" "some/masks/$mask" || fail "predict $how cuts $mask elsewhere than eval"
  done
done
"$flawmap" calibrate m data/gear/test/good -o c >out 2>err || fail "calibrate failed: $(cat err)"

"$flawmap" update m data/gear/test/good -o u >out 2>err && fail "update took a model of tiles"
grep -q "train it again" err || fail "update: $(cat err)"

# What does not go together names what to change.
for wrong in "--crop 32" "--light auto" "--align auto"; do
  train --size 64 --tile 64 $wrong -o x && fail "--tile goes with $wrong"
  grep -q -- "--tile" err || fail "$wrong with --tile: $(cat err)"
done
train --size 64 --tile 16 -o x && fail "tiles of 16 pixels"

# Flaws that the network cannot see.
train --size 64 -o m || fail "train failed: $(cat err)"
grep -q "a flaw of fewer than 5 pixels of your 160x160 pictures is less than 2 pixels.*--size 96 or --tile 128" err ||
  fail "no hint: $(cat err)"
train --size 96 -o m || fail "train failed: $(cat err)"
grep -q "a flaw of fewer" err && fail "a hint where it is not needed: $(cat err)"
exit 0
