#!/usr/bin/env bash
# What an installed flawmap consists of: the program, its manual, the library with header and pkg-config file; that it
# runs and links from there; and that ./run uninstall leaves nothing behind, wherever DESTDIR and PREFIX point.
# usage: test_install.sh FLAWMAP SOURCE_FOLDER
set -u
flawmap=$(realpath "$1")
source=$(realpath "$2")
build=$(dirname "$flawmap")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "test_install: $*" >&2
  exit 1
}

# check ROOT: a whole flawmap lies there, works, and links with a program of somebody else's.
check() {
  local root=$1 pc
  [ "$("$root/bin/flawmap" --version)" = "$("$flawmap" --version)" ] || fail "the program in $root does not run"
  [ -s "$root/share/man/man1/flawmap.1" ] || fail "no manual in $root"
  pc=$(find "$root" -name flawmap.pc)
  [ -s "$pc" ] || fail "no flawmap.pc in $root"
  [ -s "$root/include/flawmap.h" ] || fail "no flawmap.h in $root"
  [ -s "$(find "$root" -name libflawmap.a)" ] || fail "no library in $root"
  [ -e "$(find "$root" -name libflawmap.so.0)" ] || fail "no shared library in $root"
  # A build for a sanitizer links with that sanitizer's alone.
  [ "$build" = "$source/build/release" ] && command -v pkg-config >/dev/null && command -v cc >/dev/null || return 0
  printf '#include <flawmap.h>\nint main(void) { return !&fm_session_open; }\n' >"$work/use.c"
  # pkg-config escapes what is special in a folder's name: eval, as make and CMake do.
  eval "cc '$work/use.c' -o '$work/use' $(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs flawmap)" >"$work/log" 2>&1 ||
    fail "nothing can be built with the library in $root: $(tail -3 "$work/log")"
  export LD_LIBRARY_PATH
  LD_LIBRARY_PATH=$(dirname "$(find "$root" -name libflawmap.so.0)")
  "$work/use" || fail "what was built with the library does not run"
  # The same with CMake.
  mkdir -p "$work/cmake"
  printf '%s\n' 'cmake_minimum_required(VERSION 3.16)' 'project(use C)' 'find_package(flawmap 0.1 REQUIRED)' 'add_executable(use ../use.c)' \
    'target_link_libraries(use flawmap::flawmap)' >"$work/cmake/CMakeLists.txt"
  rm -rf "$work/cmake/build"
  cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && cmake --build "$work/cmake/build" >>"$work/log" 2>&1 ||
    fail "CMake cannot build with the library in $root: $(tail -3 "$work/log")"
  "$work/cmake/build/use" || fail "what CMake built with the library does not run"
}

env -u DESTDIR cmake --install "$build" --prefix "$work/a folder" >"$work/log" || fail "$(cat "$work/log")"
check "$work/a folder"
DESTDIR=$work/staged cmake --install "$build" --prefix /usr >"$work/log" || fail "$(cat "$work/log")"
[ -x "$work/staged/usr/bin/flawmap" ] || fail "DESTDIR was not heeded"

# The command itself builds build/release: only where that is what is tested, so that nothing is built twice.
[ "$build" = "$source/build/release" ] || exit 0
list=$build/installed.txt
if [ -e "$list" ]; then # what somebody installed from here stays to be uninstalled
  cp "$list" "$work/list"
  trap 'mv "$work/list" "$list"; rm -rf "$work"' EXIT
fi
install() { (cd "$work" && "$source/run" install "$@") >"$work/out" 2>"$work/err" || fail "run install $*: $(tail -3 "$work/err")"; }
uninstall() { "$source/run" uninstall >"$work/out" 2>"$work/err" || fail "run uninstall: $(cat "$work/err")"; }
unset DESTDIR
install "$work/prefix"
grep -qF "installed: $work/prefix/bin/flawmap" "$work/out" || fail "it does not say where: $(cat "$work/out")"
grep -qF "export PATH=\"$work/prefix/bin:" "$work/out" || fail "it does not say how to get there"
check "$work/prefix"
uninstall
[ -z "$(find "$work/prefix" -type f)" ] || fail "uninstall left $(find "$work/prefix" -type f)"
grep -qE 'removed: [0-9]+ files' "$work/out" || fail "it does not say what it removed: $(cat "$work/out")"
"$source/run" uninstall >"$work/out" 2>"$work/err" && fail "uninstalled twice"
grep -qF "nothing was installed from here" "$work/err" || fail "$(cat "$work/err")"

mkdir -p "$work/real/bin" && echo mine >"$work/real/bin/flawmap"
DESTDIR=$work/root install "$work/real"
check "$work/root$work/real"
uninstall
[ -z "$(find "$work/root" -type f)" ] || fail "uninstall left $(find "$work/root" -type f)"
[ "$(cat "$work/real/bin/flawmap")" = mine ] || fail "with DESTDIR it touched the place itself"
