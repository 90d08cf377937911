# What a machine may lack that drivers take for granted; for ./run and for bundles. POSIX sh, sourced.

# PoCL offers no device, without a word, where it cannot write its cache. writable_caches FOLDER: where caches go then.
writable_caches() {
  cache=${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}}
  if mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then return; fi
  export POCL_CACHE_DIR="$1/pocl" FLAWMAP_CACHE="$1/flawmap"
  mkdir -p "$POCL_CACHE_DIR" "$FLAWMAP_CACHE"
}

# PoCL learns from /sys what machine this is, and ends the program where that is not mounted (a bare chroot).
describe_machine() {
  [ -d /sys/devices/system/cpu ] || [ -n "${HWLOC_SYNTHETIC-}${HWLOC_XMLFILE-}" ] && return
  kilobytes=
  [ -r /proc/meminfo ] && kilobytes=$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)
  export HWLOC_SYNTHETIC="numa:1(memory=$((${kilobytes:-4000000} * 1024))) pu:$(nproc)"
}
