#!/usr/bin/env bash
# flawmap train without a method: what it tries is said, kept in the model and the same again; options that are given hold;
# an option of one method names the method.
# usage: test_auto.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 64 --train 12 --good 2 --flawed 1 --product gear
common="--untrained --size 64 --seed 3"

run train data $common -o one.flawmap
cp err tried
for said in "choosing by pieces drawn on 2 good pictures, after learning from 10 others, within about 5 minutes:" \
  "patchcore 64 concat 3 %" "padim 64" "patchcore 64 official 3 %" "cdo 64" "chosen: "; do
  grep -qF -- "$said" tried || fail "'$said' was not said: $(cat tried)"
done
[ "$(grep -c 'patchcore 64 concat .* fine 1 ' tried)" = 1 ] || fail "rows that a given size makes one were tried again: $(cat tried)"
chosen=$(sed -n 's/^chosen: \([a-z]*\) 64.*/\1/p' tried)
best=$(awk '/^  [a-z]+ 64/ && $NF + 0 > most { most = $NF + 0; best = $1 } END { print best }' tried)
# A cheaper one is taken where it is nearly as good.
near=$(awk -v m="$chosen" '/^  [a-z]+ 64/ { if ($NF + 0 > most) most = $NF + 0; if ($1 == m && $NF + 0 > own) own = $NF + 0 }
  END { print (own + 1.1 >= most) }' tried)
[ -n "$chosen" ] && [ "$near" = 1 ] || fail "'$chosen' was chosen and '$best' is the best: $(cat tried)"
run info one.flawmap
says "choice         choosing by pieces"
says "chosen: $chosen 64"
grep -q "^  method  *$chosen" out || fail "info does not name $chosen: $(cat out)"
run info --json one.flawmap
says '"choice": "choosing by pieces'

run train data $common -o two.flawmap
cmp one.flawmap two.flawmap || fail "the same seed chose or learned something else"
run train data $common --resume -o two.flawmap
says "is finished already"

# Little time: what would take longer is left out and says what it takes.
run train data --untrained --minutes 0.1 --no-refine -o quick.flawmap
says "within about 0.1 minutes"
grep -q "left out: --minutes [0-9]* would allow it" err || fail "nothing was left out: $(cat err)"
grep -q "patchcore 256 concat 3 %.*[0-9]$" err || fail "the cheapest one was not tried: $(cat err)"
run info quick.flawmap
grep -q "^  refine  *no" out || fail "--no-refine was not heeded: $(cat out)"

# Tall pictures are looked at as tall ones.
run synth tall --size 64 --train 6 --good 1 --flawed 1 --product slab
run train tall --untrained --minutes 0.1 --no-refine -o tall.flawmap
says "patchcore 192x352"

# An option of one method.
run train data $common --channels 20 -o channels.flawmap
run info channels.flawmap
grep -q "^  method  *padim" out || fail "--channels did not mean padim: $(cat out)"
refuses 2 "--channels and --features belong to different methods" train data $common --channels 20 --features concat -o x
refuses 2 "--minutes has no effect with --method padim" train data $common --method padim --minutes 3 -o x

# What no method can have: the reason, not that nothing was left.
refuses 2 "align" train data --untrained --size 64 --tile 48 --align auto -o x
refuses 2 "backbone" train data --untrained --size 64 --backbone nothing -o x

# Too few to hold any back.
mkdir -p few/train/good
cp data/gear/train/good/000.png data/gear/train/good/001.png few/train/good
run train few --untrained --size 64 -o few.flawmap
says "too few good pictures to choose a method by"
run info few.flawmap
grep -q "^  method  *patchcore" out || fail "not what is mostly the best: $(cat out)"
echo "auto: right"
