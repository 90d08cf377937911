#!/usr/bin/env bash
# flawmap tune from end to end, on a few shapes: what it writes is read and taken, other devices' lines stay, a damaged file is
# said; wrong usage.
# usage: test_tune.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

expect 0 "usage: flawmap tune" tune --help
[ "$(wc -l <out)" -le 24 ] || fail "tune --help is longer than a screen"
refuses 2 "no backbone 'resnet19'" tune resnet19
refuses 2 "size" tune resnet18 --size 40 -o x
refuses 2 "--gain" tune --gain 91
refuses 1 "cannot write 'none/x'" tune resnet18 -o none/x
[ -e none ] && fail "tune -o makes folders"
[ -e x ] && fail "something was written before anything was measured"

# Its own file, in the user's folder of data; lines of others stay as they are.
export XDG_DATA_HOME=$work/data XDG_DATA_DIRS=$work/data
file=$work/data/flawmap/tuned.txt
mkdir -p data/flawmap
other="cpu16x1 | device another's | forward 3x3/1 64>64 8x8 | 1 | conv | blocks 2 pixels 8 | 1 us | 2 us"
printf 'flawmap tuned 1\n%s\n' "$other" >"$file"
tune() { expect 0 "written: $file" tune resnet18 --size 32 --batch 2 --quick --gain 0; }
tune
[ "$(head -1 "$file")" = "flawmap tuned 1" ] || fail "the file begins with $(head -1 "$file")"
grep -qF "$other" "$file" || fail "another device's line is gone: $(cat "$file")"
grep -q "^6 shapes, .* 0 of them wrong" out || fail "not six shapes, or one was wrong: $(cat out)"
own=$(grep -vc "^#\|^flawmap\|another's" "$file")
[ "$(grep -c 'x$' out)" = "$own" ] || fail "the table has not the $own lines of the file: $(cat out "$file")"
ls data/flawmap | grep -v '^tuned.txt$' && fail "something is left beside the file"

# What is in the file is taken, and nothing of it unfit; off does without.
passes() { FLAWMAP_VERBOSE=choose "$flawmap" bench --quick --no-peak --size 32 --batch 2 >out 2>err || fail "bench: $(cat err)"; }
passes
[ "$own" = 0 ] || grep -q "; tuned, " err || fail "none of the $own lines is taken: $(cat "$file")"
grep "left out" err && fail "a line of the tuner is left out"
FLAWMAP_TUNE=off passes
grep -q "; tuned, " err && fail "FLAWMAP_TUNE=off is not heard"

# A tile that computes wrong never wins.
cp -r "$source/cl" cl
sed -i 's/FV v = acc\[o\]\[p\];/FV v = acc[o][p] + (FV)(OB == 1);/' cl/conv.cl
cmp -s cl/conv.cl "$source/cl/conv.cl" && fail "this test breaks a kernel that has changed: choose another line"
FLAWMAP_CL_DIR=$work/cl FLAWMAP_SELFTEST=off expect 0 "written: wrong.txt" tune resnet18 --size 32 --batch 2 --quick --gain 0 -o wrong.txt
grep -q ", [1-9][0-9]* of them wrong" out || fail "a tile that computes wrong is not seen: $(cat out)"
grep "| conv | blocks 1 " wrong.txt && fail "a tile that computes wrong has won"

# The same bytes twice with the same file; other bytes than without, because it names a row that sums in another order.
class=$(sed -n 's/^\([a-z0-9]*\) | device .*/\1/p' "$file" | tail -1)
cat >mine.txt <<END
flawmap tuned 1
$class | class | forward 3x3/2 64>128 8x8 | 1 | conv | blocks 1 pixels 8 | 1 us | 2 us
$class | class | forward 3x3/1 64>64 16x16 | 1 | conv | blocks 1 pixels 8 | 1 us | 2 us
END
run synth pictures --product gear --size 64 --train 8
train() { FLAWMAP_TUNE=$1 run train pictures/gear --untrained --backbone resnet18 --size 64 -o "$2.flawmap"; }
train off rule
train mine.txt one
train mine.txt two
cmp one.flawmap two.flawmap || fail "the same file gives other bytes"
[ "$class" != cpu16x1 ] || ! cmp -s one.flawmap rule.flawmap || fail "the file changes nothing"
export FLAWMAP_TUNE=$work/mine.txt

# Damaged files
echo "flawmap tuned 1
nonsense" >mine.txt
passes
grep -q "mine.txt': line 2 is left out" err || fail "a damaged line is not said: $(cat err)"
echo nonsense >mine.txt
refuses 1 "is no file of tuned choices" bench --quick --no-peak --size 32 --batch 1 --passes infer1
export FLAWMAP_TUNE=$work/none.txt
refuses 1 "which does not exist" bench --quick --no-peak --size 32 --batch 1 --passes infer1
unset FLAWMAP_TUNE
echo nonsense >"$file"
"$flawmap" bench --quick --no-peak --size 32 --passes infer1 >out 2>err || fail "a bad file that nobody named stops the program: $(cat err)"
grep -q "is no file of tuned choices.*; going on without it" err || fail "nothing is said of it: $(cat err)"
refuses 1 "is no file of tuned choices" tune resnet18 --quick
[ "$(cat "$file")" = nonsense ] || fail "tune has written over what it cannot read"

# Whatever ends it, what was measured is in the file; the folder of the user's own is made.
rm -r data
"$flawmap" tune resnet18 --size 32 --batch 2 >out 2>err &
pid=$!
for i in $(seq 600); do
  [ -e "$file" ] && break
  sleep 0.1
done
kill -KILL $pid
wait $pid
[ "$(head -1 "$file")" = "flawmap tuned 1" ] || fail "killed: what was measured is gone: $(cat err)"
FLAWMAP_CACHE=off "$flawmap" tune resnet18 >out 2>err &
pid=$!
for i in $(seq 600); do
  grep -q "tuning" err && break
  sleep 0.1
done
kill -INT $pid
wait $pid
got=$?
[ $got = 130 ] || fail "Ctrl-C: status $got, not 130: $(cat err)"
[ "$(head -1 "$file")" = "flawmap tuned 1" ] || fail "Ctrl-C: what was measured is gone: $(cat err)"
exit 0
