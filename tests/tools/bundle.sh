#!/usr/bin/env bash
# What a bundle does on a machine that has nothing: makes a bare system of a release in a folder, puts the bundle there into a
# folder with a space in its name, and runs it without a driver, with PoCL as its package registers it, with the driver's library
# alone (as in containers that got a driver's files and no .icd file), and as a user without a home. Says how each ended.
#
#   tests/tools/bundle.sh RELEASE [MIRROR [FOLDER]]     as root; needs debootstrap, and a bundle (./run bundle)
#
# RELEASE, MIRROR: see tests/tools/bare_system.sh. FOLDER (build/bare/RELEASE) is made anew; results/ in it has what was said.
# LIBRARIES=FOLDER: a driver of which there are only these files, instead of PoCL's package; the linker is told of them.
# KEEP=1: a system that is there from an earlier run is taken as it is. LIBC=own: the bundle's C library wherever it runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
  printf 'bundle: %s\n' "$*" >&2
  exit 1
}
[[ ${1-} && $1 != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
release=$1 mirror=${2-} folder=${3-build/bare/$1}
archive=$(ls build/flawmap-*-linux-x86_64.tar.gz 2>/dev/null | tail -n 1)
[[ $archive ]] || fail "there is no bundle: ./run bundle makes one"
. tests/tools/bare_system.sh
if [[ ${KEEP-} && -e $folder/etc/os-release ]]; then folder=$(realpath "$folder"); else bare_system "$release" "$mirror" "$folder"; fi

rm -rf "$folder/src/a folder" "$folder/results"
mkdir -p "$folder/src/a folder" "$folder/results"
tar -C "$folder/src/a folder" --strip-components=1 -xzf "$archive"
chmod 1777 "$folder/results"

bad=0
# check STATUS WHAT COMMAND...: in the bundle's folder; it must end so.
check() {
  local wanted=$1 what=$2 began=$SECONDS status=0
  shift 2
  inside env -C "/src/a folder" LIBC="${LIBC-}" FLAWMAP_TEST_SMALL=2 "$@" >"$folder/results/$what.log" 2>&1 || status=$?
  echo "$release: $what ended with $status after $((SECONDS - began)) s"
  [[ $status -eq $wanted ]] || { bad=1; tail -15 "$folder/results/$what.log"; }
}
package() {
  inside env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$folder/results/packages.log" 2>&1 || fail "apt-get $* failed: $folder/results/packages.log"
}

# With a driver: whatever it can do, and what was said of it.
try() {
  local driver=$1
  check 0 "$driver" ./check -o "/results/$driver" machine devices doctor verify tests
  check 0 "$driver.bench" ./flawmap bench --quick --share "/results/$driver/share.json"
  sed 's/^/  /' "$folder/results/$driver/machine.txt" "$folder/results/$driver/summary.txt"
  sed -n 's/^/  /;1,3p' "$folder/results/$driver/devices.txt"
}

[[ -z ${KEEP-} ]] || {
  package purge pocl-opencl-icd 'libpocl*'
  rm -rf "$folder/etc/OpenCL" "$folder/opt/driver" "$folder/etc/ld.so.conf.d/driver.conf"
  inside ldconfig
}
check 3 no-driver ./check -o /results/no-driver
grep -h 'no OpenCL driver' "$folder/results/no-driver.log" || bad=1

if [[ ${LIBRARIES-} ]]; then
  mkdir -p "$folder/opt/driver"
  cp -a "$LIBRARIES/." "$folder/opt/driver/"
  echo /opt/driver >"$folder/etc/ld.so.conf.d/driver.conf"
  inside ldconfig
  try library-alone
else
  package update
  package install --no-install-recommends pocl-opencl-icd binutils
  try package
  mv "$folder/etc/OpenCL" "$folder/etc/OpenCL.away"
  check 0 library-alone ./check -o /results/library-alone machine devices verify
fi
check 0 user-without-home setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent ./flawmap verify
exit $bad
