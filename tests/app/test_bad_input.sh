#!/usr/bin/env bash
# Bad input from outside: each is refused with one sentence that names it and a status other than 0, and leaves no file.
# What readers refuse byte by byte stands in tests/file; wrong usage of train and predict in test_train.sh.
# usage: test_bad_input.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# refused STATUS WORDS COMMAND...: in one sentence that holds the words, and nothing is written.
refused() {
  rm -rf x
  refuses "$@"
  shift 2
  [ ! -f x ] && [ -z "$(find . -name '*.part-*' -o -path './x/*' -type f)" ] || fail "'$*' left half of something"
}

gear 1 1
run train --untrained data --category gear --size 64 --batch 2 --epochs 1 -o m
picture=data/gear/test/good/000.png

# Devices.
OCL_ICD_VENDORS=/nonexistent refused 1 "no OpenCL device" predict --untrained m $picture -o x
refused 2 "no device 99" predict --untrained m $picture -o x --device 99
refused 2 "no device 99" train --untrained data --category gear -o x --device 99

# Pictures: one pixel is a picture; a header that promises 2 000 000 000 pixels is not.
png() { printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'"$1"'\0\0\0\nIDATx\xdac\x08\x05\0\0W\0V\x92\xcbe\xc1\0\0\0\0IEND\xaeB`\x82'; }
png '\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU' >one.png
"$flawmap" predict --untrained m one.png -o y >out 2>err || fail "a picture of one pixel: $(cat err)"
head -c 200 $picture >cut.png
refused 1 "cut.png" predict --untrained m cut.png -o x
echo "no picture" >text.png
refused 1 "text.png" predict --untrained m text.png -o x
cp -r data mixed
cp cut.png mixed/gear/train/good/001.png
refused 1 "001.png" train --untrained mixed --category gear --size 64 --batch 2 --epochs 1 -o x
cp -r data sizes
cp one.png sizes/gear/ground_truth/dent/000_mask.png
refused 1 "dent/000_mask.png" eval m sizes -o x
"$flawmap" eval m data -o results >out 2>err || fail "eval failed: $(cat err)"
refused 1 "dent/000" metrics results/maps sizes/gear
rm -r sizes/gear/train/good
refused 1 "train/good" train --untrained sizes --category gear -o x

# Models: one byte pattern of the header exchanged for another of the same length.
spoil() { LC_ALL=C sed "s/$1/$2/" m >bad && { cmp -s m bad && fail "nothing to spoil: $1"; true; }; }
bad_model() { refused 1 "$1" predict --untrained bad $picture -o x; }
spoil '"expert._bn0.weight"' '"expert._bn0.weighs"'
bad_model "expert._bn0.weigh\|_bn0.weight"
spoil '\[32,3,3,3\]' '[32,9,3,1]'
bad_model "_conv_stem.weight"
spoil '"expert._bn0.weight"' '"expert._bn0.bias"  '
bad_model "twice"
spoil '\[3456,3584\]' '[3450,3578]'
bad_model "overlaps"
spoil '\[3456,3584\]' '[3460,3588]'
bad_model "after a gap"
spoil '"recipe.size":"64"' '"recipe.size":"65"'
bad_model "size"
spoil '"recipe.backbone":"efficientnet_lite0"' '"recipe.backbone":"efficientnet_lite9"'
bad_model "efficientnet_lite9"
{ printf '\xff\xff\xff\x7f\0\0\0\0' && tail -c +9 m; } >bad
bad_model "header"
head -c 100000 m >bad
bad_model "bad"

# A pickle that calls os.system is not called.
printf '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\0.\x80\x02cposix\nsystem\nX\x0c\0\0\0touch called\x85R.' >code.pth
refused 1 "posix" convert code.pth -o x
[ ! -e called ] || fail "a .pth was executed"

# verify and metrics of what is none.
refused 1 "text.png" verify text.png
refused 1 "golden" verify m
refused 1 "nothing" verify nothing
refused 1 "map" metrics data/gear/train data/gear

# Folders nobody may write; a file where a folder should be. Root writes everywhere.
refused 1 "one.png" predict --untrained m $picture -o one.png/x
mkdir locked && chmod 555 locked
if [ ! -w locked ]; then
  refused 1 "locked" predict --untrained m $picture -o locked/x
  POCL_CACHE_DIR=$work/locked/pocl refused 1 "POCL_CACHE_DIR" predict --untrained m $picture -o x
fi
exit 0
