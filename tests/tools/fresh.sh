#!/usr/bin/env bash
# What a user of a fresh machine sees: makes a bare system of a release in a folder, runs ./run test and ./run demo in it as
# root, says how each ended and how long it took. Fails where one of them fails, where the compiler warns, or where the demo
# had no pretrained weights.
#
#   tests/tools/fresh.sh RELEASE [MIRROR [FOLDER]]     as root; needs debootstrap
#
# RELEASE: bookworm (Debian 12), trixie (Debian 13), noble (Ubuntu 24.04), or another that debootstrap knows. MIRROR: where
# its packages are (http://HOST/debian); without one, where this machine's own apt gets its packages from, if that is the
# same distribution. FOLDER (build/fresh/RELEASE) is made anew, and holds test.log and demo.log afterwards.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
  printf 'fresh: %s\n' "$*" >&2
  exit 1
}
[[ ${1-} && $1 != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
release=$1 mirror=${2-} folder=${3-build/fresh/$1}
. tests/tools/bare_system.sh
bare_system "$release" "$mirror" "$folder"

# The tree as it would be committed.
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh |
  tar --null -T - -c | tar -x -C "$folder/src" --no-same-owner

bad=0
for command in test demo; do
  began=$SECONDS
  status=0
  inside ./run $command >"$folder/$command.log" 2>&1 || status=$?
  echo "$release: ./run $command ended with $status after $((SECONDS - began)) s"
  if [[ $status -ne 0 ]]; then
    bad=1
    tail -30 "$folder/$command.log"
  fi
done
if grep -nE 'warning: .*\[-W' "$folder/test.log"; then
  echo "$release: the compiler warned"
  bad=1
fi
grep -E '^[0-9]+% tests passed' "$folder/test.log" || bad=1
if grep -qi 'untrained' "$folder/demo.log" || ! grep -q 'checksum verified' "$folder/demo.log"; then
  echo "$release: the demo had no pretrained weights"
  bad=1
fi
grep -E 'verdicts:' "$folder/demo.log" | sed "s/^ */$release: /" || true
inside sh -c 'gcc --version | head -1; cmake --version | head -1' || true
exit $bad
