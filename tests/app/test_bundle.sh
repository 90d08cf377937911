#!/usr/bin/env bash
# A bundle runs elsewhere: out of a folder with spaces, in an emptied environment, with this machine's C library and with its
# own; it finds a driver that is registered, one that is only a library, and says so where there is none.
# usage: test_bundle.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
build=$(dirname "$flawmap")
# A build for a sanitizer needs that sanitizer's libraries.
[ "$build" = "$source/build/release" ] || exit 0

bash "$source/bundle/make.sh" "$build" "$work/one.tar.gz" >log 2>&1 || fail "no bundle: $(cat log)"
mkdir "a folder"
tar -C "a folder" -xzf one.tar.gz
mv "a folder/one" "a folder/another name"
bundle="$work/a folder/another name"
[ "$(stat -c %s one.tar.gz)" -lt $((60 << 20)) ] || fail "it has grown to $(stat -c %s one.tar.gz) bytes"
! grep -rlF "$source/" "$bundle/bin" "$bundle/check" "$bundle/flawmap" "$bundle/share" || fail "it knows where it was made"

# there STATUS TEXT [NAME=VALUE...] COMMAND...: in the bundle, which must end so and say so.
there() {
  local wanted=$1 text=$2 got=0
  shift 2
  env -i -C "$bundle" PATH="$PATH" HOME="${HOME-}" "$@" >out 2>err || got=$?
  [ $got = "$wanted" ] || fail "'$*' ended with $got, not $wanted: $(cat out err)"
  says "$text"
}
there 0 "self-test of device 0" ./flawmap doctor
there 0 "verified: this device computes right" LIBC=own ./flawmap verify "share/goldens/resnet50_v2_post-b2-s32.safetensors"

# This machine's PoCL, as if nobody had registered it.
mkdir none
library=$(ldconfig -p 2>/dev/null | sed -n 's|.*=> \(.*/libpocl\.so\..*\)|\1|p' | sed -n 1p)
if [ "$library" ]; then
  there 0 "Portable Computing Language" ICD_FOLDER="$work/none" ./flawmap devices
  there 0 "Portable Computing Language" ICD_FOLDER="$work/none" DRIVER_FOLDERS="$work/none" DRIVER="$library" ./flawmap devices
  there 0 "driver: $(readlink -f "$library")" ICD_FOLDER="$work/none" ./check -o "$work/results" machine devices
  grep -q "^ok  *devices: flawmap devices" results/summary.txt || fail "the summary lacks a step: $(cat results/summary.txt)"
  # A container that got an NVIDIA driver's files and none of the names under which they look for each other. What stands in
  # for it can be loaded, and offers nothing.
  mkdir nvidia
  cp "$library" nvidia/libnvidia-opencl.so.999.1
  touch nvidia/libcuda.so.999.1 nvidia/libnvidia-nvvm.so.999.1
  there 1 "libnvidia-opencl.so.999.1' can be loaded" ICD_FOLDER="$work/none" DRIVER_FOLDERS="$work/nvidia" XDG_CACHE_HOME="$work/cache" ./flawmap doctor
  for link in libcuda.so.1 libnvidia-nvvm.so.4; do
    [ -e cache/flawmap/drivers-*/$link ] || fail "no $link: $(ls -R cache/flawmap)"
  done
fi
there 3 "no OpenCL driver on this machine" ICD_FOLDER="$work/none" DRIVER_FOLDERS="$work/none" ./check -o "$work/results"
there 1 "there is no library '/nowhere/libpocl.so'" DRIVER=/nowhere/libpocl.so ./flawmap devices
there 2 "there is no step 'vreify'" ./check vreify
there 0 "left out verify: flawmap verify, as the time was up" ./check -o "$work/results" -m 0 verify

# A step that fails is said, and its end too.
cp -r "$bundle" broken
rm broken/share/goldens/*
echo damaged >broken/share/goldens/damaged.safetensors
bundle=$work/broken
there 1 "FAILED   verify: damaged.safetensors ended with 1" ./check -o "$work/results" verify
echo "bundle: $(du -h one.tar.gz | cut -f1), runs elsewhere"
