#!/usr/bin/env bash
# flawmap train, eval, predict, info, calibrate from end to end on drawn pictures; SIGKILL and Ctrl-C; what is wrong is said.
# usage: test_train.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

run synth data --size 64 --train 10 --good 3 --flawed 2
train() { "$flawmap" train --untrained data --category gear --size 64 --batch 4 --epochs 3 "$@"; }

# One whole training, everything that follows from it.
train -o whole.flawmap >out 2>err || fail "train failed: $(cat err)"
grep -q "whole.flawmap: gear, 8 good pictures learned, 2 held out" out || fail "train said: $(cat out)"
grep -q "^warning: UNTRAINED" err || fail "no word about the untrained expert"
grep -q "^memory: .* MiB" err || fail "no memory plan"
[ "$(grep -c '^epoch . of 3: loss' err)" = 3 ] || fail "no line an epoch"
[ "$(wc -l <whole.flawmap.csv)" = 4 ] || fail "the log has not three rows"
[ ! -e whole.flawmap.checkpoint ] || fail "the checkpoint was left behind"
"$flawmap" info whole.flawmap | grep -q "UNTRAINED" || fail "info does not name the untrained expert"
"$flawmap" info whole.flawmap --json >info.json || fail "info --json failed"
"$flawmap" eval whole.flawmap data -o results >table 2>err || fail "eval failed: $(cat err)"
grep -q "AUROC" table || fail "eval printed no table"
grep -q "UNTRAINED" table || fail "eval's table does not say that the expert is untrained: $(cat table)"
sed '1,/<section/d;/<h3>/q' results/report.html | grep -q 'class="note">.*UNTRAINED' || fail "the report does not say on top that the expert is untrained"
for file in metrics.json metrics.csv images.csv report.html contact.png; do
  [ -s results/$file ] || fail "eval wrote no $file"
done
[ "$(find results/maps -name '*.tiff' | wc -l)" = "$(($(wc -l <results/images.csv) - 1))" ] || fail "maps are missing"
"$flawmap" metrics results/maps data/gear --json >again.json || fail "metrics of the maps failed"
value() { grep -o "\"$2\": [0-9.e-]*" "$1" | head -1; }
[ "$(value again.json pixel_auroc)" = "$(grep -A99 '"categories"' results/metrics.json >part && value part pixel_auroc)" ] ||
  fail "the maps on the disk score differently: $(value again.json pixel_auroc) and $(value part pixel_auroc)"

# Predict: verdicts, files, statuses; a picture that cannot be read does not stop the others.
picture=$(find data/gear/test -name '*.png' | sort | head -1)
"$flawmap" predict --untrained whole.flawmap data/gear/test -o looked --json >lines || fail "predict failed"
[ "$(wc -l <lines)" = "$(find data/gear/test -name '*.png' | wc -l)" ] || fail "not one line a picture"
[ -s looked/maps/good/000.tiff ] || fail "no map where it should be: $(find looked | head)"
"$flawmap" calibrate whole.flawmap data/gear/train/good -o strict.flawmap --false-alarms 40% --threshold 0 >out || fail "calibrate failed"
"$flawmap" predict --untrained strict.flawmap data/gear/test -o looked --no-maps --exit-flawed >lines
[ $? = 3 ] || fail "predict --exit-flawed found nothing: $(cat lines)"
echo "no picture" >text.png
head -c 300 "$picture" >cut.png
"$flawmap" predict --untrained whole.flawmap text.png "$picture" cut.png -o some >out 2>err
[ $? = 1 ] || fail "unreadable pictures did not give status 1"
grep -q "text.png" err && grep -q "cut.png" err || fail "unreadable pictures are not named: $(cat err)"
[ "$(find some/maps -name '*.tiff' | wc -l)" = 1 ] || fail "the readable picture was not scored"
mkdir -p blocked/maps/good/000.tiff
"$flawmap" predict --untrained whole.flawmap data/gear/test -o blocked --no-overlays >out 2>err
[ $? = 1 ] || fail "a map that could not be written did not give status 1"
[ "$(grep -c "threshold" out)" = "$(find data/gear/test -name '*.png' | wc -l)" ] || fail "a picture that could not be written ended the batch: $(cat out err)"
grep -q "not written: .*blocked/maps/good/000.tiff" err && grep -q "the results of 1 of" err || fail "what could not be written is not named: $(cat err)"
[ -s blocked/maps/good/001.tiff ] || fail "the picture after it has no map"

# Killed three times, resumed, and the same bytes; stopped with Ctrl-C likewise.
train -o killed.flawmap >out 2>err &
for i in 1 2 3; do
  sleep 0.$((3 + i * 2))
  kill -KILL $! 2>/dev/null
  wait $! 2>/dev/null
  train -o killed.flawmap --resume >out 2>err &
done
wait $! || fail "resume after SIGKILL failed: $(cat err)"
cmp whole.flawmap killed.flawmap || fail "killed and resumed, the model differs"
for i in 1 2 3 4 5 6 7 8 9; do
  "$flawmap" train --untrained data --category gear --size 64 --batch 4 --epochs 3 -o stopped.flawmap --resume >out 2>err &
  sleep 0.4
  kill -INT $! 2>/dev/null
  wait $!
  status=$?
  [ $status = 0 ] && break
  [ $status = 130 ] || fail "Ctrl-C ended with status $status: $(cat err)"
  if [ -e stopped.flawmap.checkpoint ]; then
    grep -q "to continue: flawmap train .*--resume" err || fail "Ctrl-C does not say how to continue: $(cat err)"
  fi
done
train -o stopped.flawmap --resume >out 2>err || fail "resume after Ctrl-C failed: $(cat err)"
cmp whole.flawmap stopped.flawmap || fail "stopped and resumed, the model differs"
train -o all --category all --epochs 1 --thin >out 2>err || fail "train --category all failed: $(cat err)"
[ -s all/gear.flawmap ] && [ -s all/weave.flawmap ] || fail "not a model for each category"
"$flawmap" eval all data -o every --no-maps --no-masks --no-overlays >out 2>err || fail "eval of a folder failed: $(cat err)"
[ "$(wc -l <every/metrics.csv)" = 4 ] || fail "metrics.csv has not two categories and a mean"

# Semi-supervised: the model names the flawed pictures that it learned, and nobody is tested with them.
"$flawmap" train --untrained data --category gear --size 64 --batch 4 --epochs 1 --real-anomalies 2 -o real.flawmap >out 2>err || fail "train --real-anomalies failed: $(cat err)"
grep -q "8 good pictures and 2 flawed ones learned" out || fail "train does not say what it learned: $(cat out)"
[ "$("$flawmap" info real.flawmap | grep -A1 '^flawed ones' | grep -c '/00')" = 2 ] || fail "info does not name the flawed pictures"
"$flawmap" info real.flawmap | sed -n '/^flawed ones/,/^threshold/s/.* //p' | grep /00 >list
"$flawmap" eval real.flawmap data -o real --no-maps --no-masks --no-overlays >out 2>err || fail "eval failed: $(cat err)"
grep -q "2 of .* left out: the model learned" err || fail "eval does not say what it left out: $(cat err)"
rows=$(wc -l <real/images.csv)
[ "$rows" = $(($(wc -l <results/images.csv) - 2)) ] || fail "eval left out $rows rows"
for names in list real.flawmap; do
  "$flawmap" eval whole.flawmap data -o same --leave-out $names --no-maps --no-masks --no-overlays >out 2>err || fail "eval --leave-out failed: $(cat err)"
  [ "$(cut -d, -f1-3 same/images.csv)" = "$(cut -d, -f1-3 real/images.csv)" ] || fail "--leave-out $names left out others"
done
train -o list.flawmap --epochs 1 --real-list list >out 2>err || fail "train --real-list failed: $(cat err)"
cmp -s list.flawmap real.flawmap || fail "the list and the drawing differ"

# An extra that cannot be learned (there is nothing to sharpen by in copies of one picture) does not cost the model, and
# info says that it is not there.
mkdir copies
for i in 1 2 3 4; do cp "$picture" copies/$i.png; done
sharp="--untrained --method padim --channels 10 --size 64 --refine --hold-out 50%"
run train copies $sharp -o bare.flawmap
grep -q "^warning: the model is made, but it cannot sharpen its maps" err || fail "no word about the missing extra: $(cat err)"
run info bare.flawmap
grep -q "^sharpening *none" out || fail "info does not say that the model cannot sharpen: $(cat out)"
run train data --category gear $sharp -o sharp.flawmap
run info sharp.flawmap
grep -q "^sharpening *with the reference" out || fail "info does not say how the model sharpens: $(cat out)"
for model in bare sharp; do
  run info $model.flawmap --json
  grep -q "\"sharpens\": $([ $model = sharp ] && echo true || echo false)" out || fail "info --json of $model: $(cat out)"
done
# A training that is finished says so when it is resumed, and what its model lacks.
run train copies $sharp --resume -o bare.flawmap
grep -q "^'bare.flawmap' is finished already" err || fail "no word that bare.flawmap is finished: $(cat err)"
grep -q "^warning: 'bare.flawmap' lacks what sharpens its maps.*without --resume" err ||
  fail "no word that the finished model lacks an extra: $(cat err)"
run train data --category gear $sharp --resume -o sharp.flawmap
! grep -q "lacks" err || fail "a whole model is called incomplete: $(cat err)"
run predict --untrained bare.flawmap "$picture" -o y

# What is wrong is said in one sentence. Untrained weights are never used without a word.
refuses 2 "flawmap fetch efficientnet_lite0.*--untrained" train data --category gear -o x
[ ! -e x ] || fail "a model was written without weights"
refuses 2 "'whole.flawmap' was trained on an untrained expert.*--untrained" predict whole.flawmap "$picture" -o y
refuses 2 "not both" train data --category gear -o x --untrained --weights w.safetensors
refuses 2 "not both" train --untrained data -o x --category gear --real-list list --real-anomalies 2
refuses 2 "is too many" train --untrained data -o x --category gear --real-anomalies 1000
refuses 2 "flawed test pictures with masks" train --untrained data/gear/train/good -o x --size 64 --real-anomalies 1
refuses 2 "did not learn from flawed pictures" eval whole.flawmap data -o y --leave-out whole.flawmap
refuses 2 "epochs" train --untrained data -o x --category gear --epochs 0
refuses 2 "did you mean --epochs" train --untrained data -o x --epoch 3
refuses 2 "name the model to write" train --untrained data --category gear
refuses 2 "gear" train --untrained data --category geer -o x
refuses 2 "does not exist" train --untrained nothing -o x
refuses 2 "--lr is 0.1" train --untrained data --category gear -o killed.flawmap --resume --lr 0.1
refuses 1 "not a flawmap model" predict --untrained "$2/models/goldens/resnet18-b2-s64.safetensors" "$picture" -o y
refuses 1 "safetensors" predict --untrained text.png "$picture" -o y
refuses 1 "text.png" predict --untrained whole.flawmap text.png -o y
mkdir empty
refuses 2 "no picture" predict --untrained whole.flawmap empty -o y
refuses 2 "is a folder" train --untrained data --category gear -o results
mkdir locked && chmod 555 locked
[ -w locked ] || # root writes everywhere
  refuses 1 "locked" train --untrained data --category gear --size 64 --batch 4 --epochs 1 -o locked/m.flawmap

# The help fits a screen.
for command in train eval predict info calibrate; do
  "$flawmap" $command --help >help || fail "$command --help failed"
  [ "$(wc -l <help)" -le 40 ] || fail "$command --help has $(wc -l <help) lines"
  [ "$(wc -L <help)" -le 100 ] || fail "$command --help has lines of $(wc -L <help) columns"
  [ "$(tail -3 help | head -1)" = "examples:" ] || fail "$command --help does not end with two examples"
done
exit 0
