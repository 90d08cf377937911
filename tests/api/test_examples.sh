#!/usr/bin/env bash
# The examples of docs/examples are built with the shared library, as others would, and work; the C++ one where OpenCV is.
# usage: test_examples.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
build=$(dirname "$flawmap")
# A build for a sanitizer links with that sanitizer's alone.
[ "$build" = "$source/build/release" ] && command -v cc >/dev/null || { echo "test_examples: skipped"; exit 0; }
export LD_LIBRARY_PATH=$build

for name in score train batch; do
  cc -std=c17 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wconversion -Werror "$source/docs/examples/$name.c" -I"$source/host" -L"$build" -lflawmap -o "$name" 2>log ||
    fail "docs/examples/$name.c cannot be built: $(cat log)"
done
gear 1 1
./train data/gear gear.flawmap method padim size 64 untrained yes hold-out 20% false-alarms 0.4 >out 2>err || fail "train: $(cat err)"
[ -s gear.flawmap ] && grep -q '100 %' err && grep -q 'learned' err || fail "train: $(cat err)"
./train data/gear x.flawmap size 7 >out 2>err && fail "train takes any size"
grep -q '^train: ' err && [ ! -e x.flawmap ] || fail "train does not say what is wrong: $(cat err)"
./score gear.flawmap >out 2>err || fail "score: $(cat err)"
grep -q '^flawed: score' out && grep -q ' pixels at ' out || fail "score finds nothing in a picture that is no gear: $(cat out)"

printf 'P6 64 64 255\n' >grey.ppm
head -c 12288 /dev/zero | tr '\0' '\200' >>grey.ppm
./batch gear.flawmap grey.ppm grey.ppm grey.ppm >out 2>err || fail "batch: $(cat err)"
[ "$(grep -c '^grey.ppm: ' out)" = 3 ] && [ "$(sort -u out | wc -l)" = 1 ] || fail "batch: $(cat out)"
./batch gear.flawmap gear.flawmap >out 2>err && fail "batch reads a model as a picture"

if command -v c++ >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists opencv4; then
  c++ "$source/docs/examples/opencv.cpp" -I"$source/host" -L"$build" -lflawmap $(pkg-config --cflags --libs opencv4) -o opencv 2>log ||
    fail "docs/examples/opencv.cpp cannot be built: $(tail -5 log)"
  picture=$(find data/gear/test -name '*.png' | head -1)
  ./opencv gear.flawmap "$picture" >out 2>err || fail "opencv: $(cat err)"
  grep -q 'score' out || fail "opencv: $(cat out)"
else
  echo "test_examples: the C++ example is skipped: there is no OpenCV"
fi
if command -v c++ >/dev/null; then # the header at least
  printf '#include <flawmap.h>\nint main() { return !fm_version(); }\n' >header.cpp
  c++ -Wall -Wextra -Werror -pedantic header.cpp -I"$source/host" -L"$build" -lflawmap -o header 2>log && ./header || fail "flawmap.h in C++: $(cat log)"
fi
exit 0
