#!/usr/bin/env bash
# The Debian packages that CPack makes of a build: what is in them, what they need, that the same build gives the same bytes.
# Skipped where there are no tools for it. Whole systems: tests/tools/packages.sh.
# usage: test_packages.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
for tool in cpack dpkg-deb dpkg-shlibdeps file; do
  command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 0; }
done
build=$(dirname "$flawmap")
[ "$build" = "$source/build/release" ] || exit 0 # a sanitizer's program needs that sanitizer's libraries

export SOURCE_DATE_EPOCH=1700000000
pack() { (cd "$build" && cpack -B "$work/$1" >"$work/log" 2>&1) || fail "cpack: $(tail -3 "$work/log")"; }
pack one
pack two
for deb in one/*.deb; do cmp -s "$deb" "two/${deb#*/}" || fail "$deb has other bytes the second time"; done
program=$(ls one/flawmap_*.deb) && dev=$(ls one/libflawmap-dev_*.deb) || fail "not all packages are there: $(ls one)"
dpkg-deb -f "$program" Depends | grep -q 'libopencl1' || fail "the program's package does not need an OpenCL loader"
dpkg-deb -f "$program" Recommends | grep -q 'pocl-opencl-icd | opencl-icd' || fail "nor does it recommend a driver"
contents() { dpkg-deb -c "$1" | awk '{ print $6 }'; }
for path in bin/flawmap share/man/man1/flawmap.1.gz share/bash-completion/completions/flawmap share/zsh/vendor-completions/_flawmap \
  share/doc/flawmap/copyright share/doc/flawmap/changelog.gz; do
  contents "$program" | grep -qx "./usr/$path" || fail "usr/$path is not in the package"
done
contents "$dev" | grep -qx ./usr/include/flawmap.h || fail "the header is not in its package"
contents "$program" | grep -q include && fail "what is for developers is in the program's package"
library=$(ls one/libflawmap0_*.deb) && python=$(ls one/python3-flawmap_*.deb) || fail "not all packages are there: $(ls one)"
contents "$library" | grep -q '/libflawmap\.so\.0$' || fail "the library's package lacks the library"
contents "$python" | grep -qx ./usr/lib/python3/dist-packages/flawmap/__init__.py || fail "the module is not in Python's package"
contents "$python" | grep -q pycache && fail "compiled Python is in the package"
dpkg-deb -f "$python" Depends | grep -q libflawmap0 || fail "Python's package does not need the library"
dpkg-deb -x "$program" root || fail "the package cannot be unpacked"
[ "$(root/usr/bin/flawmap --version)" = "$("$flawmap" --version)" ] || fail "its program does not run"
