#!/usr/bin/env bash
# eval on test sets as people have them: other names, no training pictures, masks that are missing, inverted or lossy;
# one bad category among good ones; few pictures and copies.
# usage: test_marks.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

quick="--untrained --size 64 --batch 2 --epochs 1"
gear 2 2
run train data/gear $quick -o m.flawmap
evaluate() { "$flawmap" eval m.flawmap "$@" -o results --no-maps --no-masks --no-overlays >out 2>err; }
auroc() { grep AUROC out | head -1 | tr -s ' '; }

evaluate data/gear || fail "eval: $(cat err)"
usual=$(auroc)
case $usual in *-*) fail "no figures: $(cat out)" ;; esac

# BTAD's names, and a test set alone: the same figures.
cp -r data/gear btad && mv btad/train/good btad/train/ok && mv btad/test/good btad/test/ok
evaluate btad || fail "ok is not good: $(cat err)"
[ "$(auroc)" = "$usual" ] || fail "BTAD's names: $(auroc), not $usual"
rm -r btad/train
evaluate btad || fail "eval wants training pictures: $(cat err)"
[ "$(auroc)" = "$usual" ] || fail "a test set alone: $(auroc), not $usual"
"$flawmap" train btad $quick -o n.flawmap >out 2>err && fail "trained from nothing"
grep -q "no good pictures to learn from" err || fail "train without pictures says: $(cat err)"

# No masks, no flawed pictures: why, in words, and never nan.
cp -r data/gear bare && rm -r bare/ground_truth
evaluate bare || fail "eval without masks: $(cat err)"
grep -q "no masks show where" out && ! grep -q "nan" out || fail "no masks: $(cat out)"
grep -q '"pixel_auroc": null' results/metrics.json || fail "no null in the JSON"
find bare/test -mindepth 1 -maxdepth 1 ! -name good -exec rm -r {} +
evaluate bare || fail "eval of good pictures: $(cat err)"
grep -q "there is no flawed picture" out && ! grep -q "nan" out || fail "only good pictures: $(cat out)"

# A mask that fits no picture is said; one that is missing ends it.
kind=$(find data/gear/ground_truth -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | head -1)
cp -r data/gear stray && cp stray/ground_truth/$kind/000_mask.png stray/ground_truth/$kind/999_mask.png
evaluate stray || fail "a stray mask: $(cat err)"
grep -q "1 masks of .* belong to no picture.*999_mask" err || fail "a stray mask is not said: $(cat err)"
rm stray/ground_truth/$kind/000_mask.png
evaluate stray && fail "a missing mask passed"
grep -q "$kind/000.png' has no mask" err || fail "a missing mask: $(cat err)"

# A damaged picture in one of two categories: the other is trained and evaluated, and the command fails.
mkdir two && cp -r data/gear two/a && cp -r data/gear two/b && cp -r data/gear two/c
echo "no picture" >two/b/train/good/zz.png
"$flawmap" train two --category all $quick -o models >out 2>err
[ $? = 1 ] || fail "a bad category did not fail the command"
[ -s models/a.flawmap ] && [ -s models/c.flawmap ] && [ ! -e models/b.flawmap ] || fail "models: $(ls models)"
tail -1 err | grep -q "1 of 3 categories have no model; the first is b" || fail "a bad category: $(tail -1 err)"
echo "no picture" >two/a/test/good/zz.png
"$flawmap" eval models two -o many --no-maps --no-masks --no-overlays >out 2>err
[ $? = 1 ] || fail "a bad test picture did not fail the command"
grep -q "b is left out: it has no model" err && grep -q "a is left out: .*zz.png" err || fail "eval of a folder: $(cat err)"
grep -q "^c," many/metrics.csv || fail "c was not evaluated: $(cat many/metrics.csv)"

# PaDiM: copies of one picture, and two pictures.
mkdir copies pair
for i in 0 1 2 3 4 5; do cp data/gear/train/good/000.png copies/$i.png; done
cp data/gear/train/good/000.png data/gear/train/good/001.png pair/
for d in copies pair; do
  "$flawmap" train $d --method padim --untrained --size 64 -o $d.flawmap >out 2>err || fail "padim on $d: $(cat err)"
  [ -s $d.flawmap ] || fail "no model of $d"
done
grep -q "the thresholds come from the training pictures themselves" err || fail "the pair is not said: $(cat err)"
exit 0
