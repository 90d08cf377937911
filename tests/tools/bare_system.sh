# Bare systems of a release, each in a folder, to try things as on a fresh machine; read by fresh.sh and bundle.sh. As root.

need_root_and_debootstrap() {
  [[ $(id -u) -eq 0 ]] || fail "only root can make a system in a folder"
  command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
}

# bare_system RELEASE MIRROR FOLDER: made anew. RELEASE: bookworm (Debian 12), noble (Ubuntu 24.04), or another that debootstrap
# knows. MIRROR: where its packages are; "": where this machine's own apt gets them from, if that is the same distribution.
# Sets folder, to its whole path; the system's folder /src is there, and this machine's way to the net.
bare_system() {
  local release=$1 mirror=$2 scripts=/usr/share/debootstrap/scripts distribution components fallback script began=$SECONDS
  folder=$3
  need_root_and_debootstrap
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
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E "/$distribution/?$" | sed -n 1p) || true
    [[ $mirror ]] || fail "apt's own configuration names no mirror: give one"
  fi

  if [[ -e $folder ]]; then
    [[ -d $folder/debootstrap || -e $folder/etc/os-release ]] || fail "$folder is there, and is not of this script's making"
    rm -rf --one-file-system "$folder"
  fi
  mkdir -p "$folder"
  folder=$(realpath "$folder")
  debootstrap --variant=minbase --components="$components" "$release" "$folder" "$mirror" "$script" >"$folder.log" 2>&1 ||
    { tail -5 "$folder.log" >&2; fail "debootstrap could not make $release (all it said: $folder.log)"; }
  # Security and update suites may lie elsewhere; the release as it was published is what must work.
  mkdir -p "$folder/src"
  cp -L /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
  if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then # whoever checks connections here has its certificate in there
    mkdir -p "$folder/etc/ssl/host"
    cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/host/"
  fi
  echo "$release: a bare system after $((SECONDS - began)) s"
}

# inside COMMAND...: in the folder's system and its /src, without this one's environment. What is mounted goes with the last process.
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
