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
[[ $(id -u) -eq 0 ]] || fail "only root can make a system in a folder"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

scripts=/usr/share/debootstrap/scripts
case $release in
  bionic | focal | jammy | noble | questing | plucky) distribution=ubuntu components=main,universe fallback=gutsy ;;
  *) distribution=debian components=main fallback=sid ;;
esac
# An old debootstrap lacks newer releases; all of a distribution's are made the same way.
script=$scripts/$release
[[ -e $script ]] || script=$scripts/$fallback
if [[ ! $mirror ]]; then
  grep -qE "^ID=$distribution$" /etc/os-release || fail "this machine is not $distribution: name a mirror with $release's packages"
  # The first place that apt knows whose archive is named like the distribution.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E "/$distribution/?$" | head -1) || true
  [[ $mirror ]] || fail "apt's own configuration names no mirror: give one"
fi

if [[ -e $folder ]]; then
  [[ -d $folder/debootstrap || -e $folder/etc/os-release ]] || fail "$folder is there, and is not of this script's making"
  rm -rf --one-file-system "$folder"
fi
mkdir -p "$folder"
folder=$(realpath "$folder")
began=$SECONDS
debootstrap --variant=minbase --components="$components" "$release" "$folder" "$mirror" "$script" >"$folder.log" 2>&1 ||
  { tail -5 "$folder.log" >&2; fail "debootstrap could not make $release (all it said: $folder.log)"; }
# Security and update suites may lie elsewhere; the release as it was published is what must work.
echo "$release: a bare system after $((SECONDS - began)) s"

# The tree as it would be committed; this machine's way to the net.
mkdir -p "$folder/src"
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh |
  tar --null -T - -c | tar -x -C "$folder/src" --no-same-owner
cp -L /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then # whoever checks connections here has its certificate in there
  mkdir -p "$folder/etc/ssl/host"
  cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/host/"
fi

# inside COMMAND...: in the folder's system, without this one's environment. What is mounted goes with the last process.
inside() {
  local pass=() name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL; do
    [[ ${!name-} ]] && pass+=("$name=${!name}")
  done
  [[ -s $folder/etc/ssl/host/ca-certificates.crt ]] && pass+=(PIP_CERT=/etc/ssl/host/ca-certificates.crt CURL_CA_BUNDLE=/etc/ssl/host/ca-certificates.crt)
  unshare --mount --pid --fork env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "${pass[@]}" FOLDER="$folder" \
    sh -ec 'mount -t proc proc "$FOLDER/proc"; mount -t sysfs -o ro sysfs "$FOLDER/sys" || true
      for d in null zero full random urandom tty; do [ -e "$FOLDER/dev/$d" ] || { : >"$FOLDER/dev/$d"; }; mount --bind "/dev/$d" "$FOLDER/dev/$d"; done
      mount -t tmpfs tmpfs "$FOLDER/dev/shm" 2>/dev/null || true
      exec chroot "$FOLDER" sh -c "cd /src && exec \"\$@\"" sh "$@"' sh "$@" </dev/null
}

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
