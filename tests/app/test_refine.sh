#!/usr/bin/env bash
# flawmap refine: what a model that was trained without it needs to sharpen its maps, from good pictures of which it has not seen some.
# usage: test_refine.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 64 --train 10 --good 4 --flawed 1 --product gear
good=data/gear/train/good
run train --untrained data --category gear --method padim --size 64 --channels 20 --hold-out 20% -o plain
run train --untrained data --category gear --method padim --size 64 --channels 20 --hold-out 20% --refine -o sharp
expect 2 "train it with --refine" predict plain $good --untrained --refine f2pad -o p

# Given all its pictures it learns what the training would have, and the model is the same one.
run refine plain $good -o later
says "8 good pictures are references, 2 that the model did not learn from say what is normal"
cmp later sharp || fail "refined later, the model is another one"
run predict later data/gear/test --untrained --refine f2pad -o p
[ -n "$(ls p/repaired 2>/dev/null || find p -name '*repaired*')" ] || fail "nothing was repaired"
run info later
says "flaws drawn on held-out good pictures"

# Pictures it never saw: some are kept to judge with.
mkdir new learned
cp data/gear/test/good/*.png new
run refine plain new -o others
says "2 good pictures are references"
says "it learned from none of them"

# All of them learned: nothing is left to judge with, and the model stays as it is.
n=0
for picture in "$good"/*.png; do
  n=$((n + 1))
  [ $((n % 5)) = 0 ] || cp "$picture" "learned/copy$n.png"
done
cp plain before
expect 2 "the model learned from all 8 pictures" refine plain learned
cmp plain before || fail "a refused command changed the model"
expect 2 "too few" refine plain new/000.png learned/copy1.png
expect 2 "takes a model and good pictures" refine plain
expect 1 "no-such" refine no-such $good

# Where it was found not to pay, predict and eval go on without, and say why.
LC_ALL=C sed -e 's/"refine":"blend"/"refine":"off"  /' -e 's/"refine":"quilt"/"refine":"off"  /' sharp >off
cmp -s off sharp && fail "the model was not changed: nothing is tested"
run predict off data/gear/test/good --untrained --refine f2pad -o without
says "the maps are the detector's own: on flaws drawn on held-out good pictures"
says "Sharpening does not pay here, so it is off"
run predict plain data/gear/test/good --untrained -o own
[ ! -e without/repaired ] || fail "something was repaired"
cmp without/maps/000.tiff own/maps/000.tiff || fail "the maps are not the detector's own"
run eval off data --refine f2pad -o evaluated --no-overlays
says "Sharpening does not pay here"
run info off
says "Sharpening does not pay here"

# Without -o the model itself is replaced.
run refine plain $good
cmp plain sharp || fail "the model was not replaced"
echo "refine: as it should be"
