# How a bundle's programs run on the machine it was carried to; for flawmap and check beside it. POSIX sh, sourced.
#
# in:  bundle    the bundle's folder
#      DRIVER    a driver's library that is to be used, and no other
#      ICD_FOLDER, DRIVER_FOLDERS    instead of /etc/OpenCL/vendors and of the linker's folders (colons between them): for tests
#      LIBC      own: the C library that the bundle carries, though this machine's would do
# out: loader, libraries    "$loader" --library-path "$libraries" PROGRAM runs a program
#      drivers   the libraries found, one a line; OCL_ICD_VENDORS is set so that they are used

complain() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

linker_cache() {
  { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null
}

# ---- libraries: this machine's C library where the program runs with it, else the one that the bundle carries

standard_folders="/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib64 /usr/lib64 /lib /usr/lib"

# of_machine SONAME: that library's file, with its version
of_machine() {
  for folder in $standard_folders; do
    if [ -e "$folder/$1" ]; then
      basename "$(readlink -f "$folder/$1")"
      return
    fi
  done
}

# What drivers share with us is taken from where it is newer: the older one may lack what the driver asks for.
shared_libraries() {
  for folder in "$bundle"/lib/shared/*; do
    own=${folder##*/}
    for file in "$folder"/*; do
      soname=${file##*/}
      case $own in "$soname"*) break ;; esac
    done
    other=$(of_machine "$soname")
    newest=$(printf '%s\n%s\n' "$own" "$other" | sort -V | tail -n 1)
    [ "$newest" != "$own" ] || [ "$other" = "$own" ] || printf ':%s' "$folder"
  done
}

runs() {
  "$loader" --library-path "$libraries" "$bundle/bin/flawmap" --version >/dev/null 2>&1
}

choose_libraries() {
  case $bundle in
    *[:\;]*) complain "a linker cannot find libraries in a folder with a colon or a semicolon in its name: move '$bundle'" && return 1 ;;
  esac
  libraries=$bundle/lib$(shared_libraries)
  loader=/lib64/ld-linux-x86-64.so.2
  if [ "${LIBC-}" != own ] && [ -x "$loader" ] && runs; then return; fi
  loader=$bundle/glibc/ld-linux-x86-64.so.2
  libraries=$bundle/glibc:$libraries
  runs || {
    complain "the program does not start: $("$loader" --library-path "$libraries" "$bundle/bin/flawmap" --version 2>&1 | head -n 1)"
    return 1
  }
}

# ---- drivers: those registered with an .icd file, and those that are only a library somewhere

# Where the linker looks, then where the vendors put things.
driver_folders() {
  if [ -n "${DRIVER_FOLDERS-}" ]; then
    printf '%s\n' "$DRIVER_FOLDERS" | tr ':' '\n'
    return
  fi
  {
    printf '%s\n' "${LD_LIBRARY_PATH-}" | tr ':' '\n'
    linker_cache | sed -n 's|.*=> \(/.*\)/[^/]*$|\1|p' | sort -u
    for folder in $standard_folders /usr/local/lib /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/nvidia /usr/lib/wsl/lib \
      /usr/lib/x86_64-linux-gnu/nvidia/current /opt/rocm*/lib /opt/rocm*/opencl/lib /opt/amdgpu*/lib/x86_64-linux-gnu \
      /usr/lib/x86_64-linux-gnu/intel-opencl /usr/lib64/intel-opencl /opt/intel/oneapi/compiler/*/lib /opt/intel/opencl*; do
      printf '%s\n' "$folder"
    done
  } | awk 'NF && !seen[$0]++'
}

# NVIDIA; AMD: ROCm, before it; Intel: GPU, CPU; Mesa; PoCL.
known_drivers="libnvidia-opencl libamdocl64 libamdocl-orca64 libigdrcl libintelocl libMesaOpenCL libRusticlOpenCL libpocl"

# find_library NAME: the first file called so, with or without a version behind it
find_library() {
  driver_folders | while IFS= read -r folder; do
    for file in "$folder/$1" "$folder/$1".*; do
      if [ -f "$file" ]; then
        readlink -f "$file"
        return
      fi
    done
  done
}

# The library of each .icd file, where it can be found: others are the doctor's to report.
registered_drivers() {
  for icd in "${ICD_FOLDER:-/etc/OpenCL/vendors}"/*.icd; do
    [ -f "$icd" ] || continue
    library=$(sed -n '/[^ \t]/{s/^[ \t]*//;s/[ \t\r]*$//;p;q;}' "$icd")
    case $library in
      /*) [ ! -f "$library" ] || readlink -f "$library" ;;
      ?*) find_library "$library" ;;
    esac
  done
}

find_drivers() {
  if [ -n "${DRIVER-}" ]; then
    [ -f "$DRIVER" ] || { complain "there is no library '$DRIVER'" && return 1; }
    readlink -f "$DRIVER"
    return
  fi
  registered=$(registered_drivers)
  if [ -n "$registered" ]; then printf '%s\n' "$registered"; fi
  for name in $known_drivers; do
    case $registered in *"/$name.so"*) ;; *) find_library "$name.so" ;; esac
  done
}

# The folder whose .icd files name the drivers, and with links under the names that an NVIDIA driver asks for, where nobody made
# them (a container that only got the files). It is called by what is in it, so that others who start are not disturbed.
register_drivers() {
  key=$(printf '%s' "$drivers" | cksum | tr ' ' '-')
  for base in "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/flawmap" "$bundle" "${TMPDIR:-/tmp}/flawmap-$(id -u)"; do
    mkdir -p "$base" 2>/dev/null && [ -w "$base" ] && [ -O "$base" ] && break
  done
  registry=$base/drivers-$key
  rm -rf "$registry.$$"
  mkdir -p "$registry.$$" || return 1
  number=0
  printf '%s\n' "$drivers" | while IFS= read -r library; do
    number=$((number + 1))
    printf '%s\n' "$library" >"$registry.$$/$number.icd"
    case $library in */libnvidia-opencl.so.*) link_nvidia "$(dirname "$library")" "$registry.$$" ;; esac
  done
  if ! mv -T "$registry.$$" "$registry" 2>/dev/null; then # there, from an earlier start
    cp -Pf "$registry.$$"/* "$registry/" && rm -rf "$registry.$$" || return 1
  fi
  export OCL_ICD_VENDORS="$registry" OPENCL_VENDOR_PATH="$registry"
}

link_nvidia() { # FOLDER REGISTRY
  for file in "$1"/libcuda.so.*.* "$1"/libnvidia-*.so.*.* "$(find_library libcuda.so)"; do
    [ -f "$file" ] || continue
    name=${file##*/}
    name=${name%%.so.*}.so
    ln -sf "$file" "$2/$name.1"
    case $name in libnvidia-nvvm*) ln -sf "$file" "$2/$name.4" ;; esac
  done
}

say_no_driver() {
  complain "no OpenCL driver on this machine: no .icd file in '${ICD_FOLDER:-/etc/OpenCL/vendors}' names a library that is there, and none of
these was found where libraries lie: $(printf '%s.so ' $known_drivers)
A driver that lies elsewhere is named so: DRIVER=/path/to/its/library.so $0"
  if [ -n "$(find_library libcuda.so)" ]; then
    complain "NVIDIA's libcuda is here, but not libnvidia-opencl.so.1, its OpenCL part: install it (Debian: nvidia-opencl-icd); containers get
it with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
  fi
}

# Sets everything; fails, with a sentence, where the program cannot run. drivers is empty where there is none.
prepare_machine() {
  choose_libraries && drivers=$(find_drivers) || return 1
  if [ -n "${OCL_ICD_VENDORS-}" ] && [ -z "${DRIVER-}" ]; then
    drivers=$OCL_ICD_VENDORS # somebody chose already
  elif [ -n "$drivers" ]; then
    register_drivers || { complain "no folder can be written to register drivers in: set TMPDIR" && return 1; }
    libraries=$libraries:$registry$(printf '%s\n' "$drivers" | while IFS= read -r library; do printf ':%s' "$(dirname "$library")"; done)
  fi
  libraries=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  writable_caches "${TMPDIR:-/tmp}/flawmap-$(id -u)"
  describe_machine
}
