#!/usr/bin/env bash
# The shared library shows the functions of flawmap.h and nothing else, under one version; the version script and the
# header have the same.
# usage: test_symbols.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
library=$(dirname "$flawmap")/libflawmap.so
[ -e "$library" ] || fail "there is no $library"
command -v nm >/dev/null || { echo "test_symbols: skipped: there is no nm"; exit 0; }

# Comments gone, one function a line.
sed -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' "$source/host/flawmap.h" | grep -oE '\bfm_[a-z_]+\(' | tr -d '(' | sort -u >header
[ "$(wc -l <header)" -gt 15 ] || fail "hardly a function in flawmap.h: $(cat header)"
grep -oE '\bfm_[a-z_]+;' "$source/host/flawmap.map" | tr -d ';' | sort -u >script
diff header script >differ || fail "flawmap.h and flawmap.map differ: $(cat differ)"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | grep -v '^_' | sort >shown
sed 's/$/@@FLAWMAP_0/' header | diff - shown >differ || fail "flawmap.h and what the library shows differ: $(cat differ)"
if command -v readelf >/dev/null; then
  readelf -d "$library" | grep -q 'SONAME.*\[libflawmap\.so\.0\]' || fail "its soname is $(readelf -d "$library" | grep SONAME)"
fi
exit 0
