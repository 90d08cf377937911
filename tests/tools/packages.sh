#!/usr/bin/env bash
# The Debian packages on a bare system of a release: builds them there, installs them on another bare one that cannot build
# anything, learns and looks at pictures with them as a plain user, removes them, and looks for what was left.
#
#   tests/tools/packages.sh RELEASE [MIRROR [FOLDER]]     as root; needs debootstrap
#
# RELEASE, MIRROR and FOLDER (build/packages-RELEASE) as in fresh.sh. The packages are in FOLDER/packages afterwards.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
  printf 'packages: %s\n' "$*" >&2
  exit 1
}
[[ ${1-} && $1 != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
release=$1 mirror=${2-} base=${3-build/packages-$1}
. tests/tools/bare_system.sh
mkdir -p "$base"
base=$(realpath "$base")

bare_system "$release" "$mirror" "$base/build"
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh |
  tar --null -T - -c | tar -x -C "$folder/src" --no-same-owner
inside ./run packages >"$base/build.log" 2>&1 || fail "$(tail -20 "$base/build.log")"
rm -rf "$base/packages"
mkdir "$base/packages"
cp "$folder"/src/build/packages/*.deb "$base/packages"
ls -l "$base/packages"

bare_system "$release" "$mirror" "$base/use"
mkdir -p "$folder/src/packages"
cp "$base"/packages/*.deb "$folder/src/packages"
everything() { inside find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /src \) -prune -o -print | sort; }
inside apt-get -q -y install pocl-opencl-icd >"$base/use.log" 2>&1 # what it needs of others is not what is asked about
everything >"$base/before"
inside sh -c 'apt-get -q -y install ./packages/*.deb' >>"$base/use.log" 2>&1 || fail "$(tail -20 "$base/use.log")"
inside useradd -m worker
work() { inside su worker -c "cd && export POCL_CACHE_DIR=/tmp/pocl FLAWMAP_CACHE=/tmp/flawmap && $1" >>"$base/use.log" 2>&1 || fail "'$1': $(tail -20 "$base/use.log")"; }
work 'flawmap --version'
work 'flawmap doctor'
work 'flawmap synth pictures --product gear --train 24'
work 'flawmap train pictures --category gear --minutes 1 -o gear.flawmap'
work 'flawmap predict gear.flawmap pictures/gear/test -o out'
work 'flawmap eval gear.flawmap pictures -o results'
grep -E '^  (verdicts|AUROC)' "$base/use.log"
inside userdel -r worker 2>/dev/null
inside sh -c 'dpkg-deb -f packages/libflawmap-dev_*.deb Package >/dev/null; apt-get -q -y purge "flawmap*" "libflawmap*"; apt-get -q -y autoremove --purge' >>"$base/use.log" 2>&1 ||
  fail "$(tail -20 "$base/use.log")"
everything >"$base/after"
left=$(comm -13 "$base/before" "$base/after" | grep flawmap || true)
[[ ! $left ]] || fail "left behind: $left"
echo "$release: built, installed, used, removed; nothing is left"
