#!/usr/bin/env bash
# New good pictures join a model from the command line: in place or elsewhere, with what changed; what is refused leaves the
# model as it was.
# usage: test_update.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 64 --train 12 --good 4 --flawed 1 --product gear
mkdir first new
cp data/gear/train/good/00*.png first
cp data/gear/train/good/0{08,10,11}.png data/gear/test/good/00{0,1}.png new
run train --untrained first --method patchcore --size 64 --hold-out 20% -o m
cp m before

expect 0 "note: 1 of 5 pictures are among those" update m new -o elsewhere
cmp -s m before || fail "-o changed the model itself"
expect 0 "learned from 11 good pictures, 3 of them joined later" update m new -o elsewhere
says "exists already; it is replaced"
says "scores of 1 held-out new pictures: median"
run info elsewhere
says "3 joined later (update)"
run info elsewhere --json
says '"joined": 3'
expect 0 "held-out good pictures, old and new" update m new -o elsewhere --old data/gear/test/good
says "scores of 4 held-out old pictures: median"

# In place; then they are known.
run update m new
cmp -s m before && fail "the model is as it was"
run predict m data/gear/test --untrained -o results
mkdir one && cp new/000.png one
cp m before
refuses 2 "learned from all 1 pictures already" update m one
refuses 2 "epochs has no effect with the method patchcore" update before new -o x --epochs 3
refuses 2 "an argument is missing" update m
refuses 2 "nowhere" update m nowhere
refuses 1 "no/such/place" update m nowhere -o no/such/place # before anything else, which may take minutes
refuses 1 "not a flawmap model" update new/000.png new
[ ! -e x ] || fail "a refused update wrote a model"
cmp -s m before || fail "a refused update changed the model"
