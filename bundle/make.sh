#!/usr/bin/env bash
# Makes the bundle: what flawmap needs on a Linux machine that has nothing but an OpenCL driver, in one archive.
#
#   bundle/make.sh BUILD ARCHIVE
#
# BUILD: a build folder with the program and its tests; ARCHIVE: NAME.tar.gz, replaced; the folder in it is called NAME. The same build and libraries give the same bytes. What is in it and how it is used: bundle/README.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
fail() {
  printf 'bundle: %s\n' "$*" >&2
  exit 1
}
[[ $# -eq 2 && $2 == *.tar.gz ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
build=$1 archive=$2 source=$here/..
[[ $(uname -sm) == "Linux x86_64" ]] || fail "bundles are for Linux on x86-64; this is $(uname -sm)"
[[ -x $build/flawmap ]] || fail "there is no program in '$build': ./run build makes one"
compgen -G "$build/tests/test_op_*" >/dev/null || fail "there are no tests of operators in '$build': build the target all"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=$(basename "$archive" .tar.gz)
root=$work/$name
mkdir -p "$root"/{bin,tests,lib/shared,glibc,share,licences}

install -m 755 "$build/flawmap" "$root/bin/"
for test in "$build"/tests/test_op_*; do
  # The test of the self-test breaks kernels, and needs the source folder for that.
  [[ $test == *_selftest || -d $test ]] || install -m 755 "$test" "$root/tests/"
done
strip "$root"/bin/* "$root"/tests/*
install -m 755 "$here/flawmap" "$here/check" "$root/"
install -m 644 "$here/README" "$source/LICENSE" "$root/"
install -m 644 "$here/machine.sh" "$here/driver.sh" "$source/bench/peers/torch_cdo.py" "$root/share/"
cp -r "$source/cl" "$root/share/cl"
cp -r "$source/tests/check/goldens" "$root/share/goldens"

# Drivers load some libraries, too. Two of one name cannot be in a process, so these lie each in a folder named like its file,
# version and all: driver.sh takes the newer of ours and the machine's. The compiler's two belong together.
shared_libraries="libz.so.1 libzstd.so.1 liblzma.so.5 libxml2.so.2 libffi.so.8 libffi.so.7"
place_of() { # SONAME FILE
  case $1 in
    ld-linux* | libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libmvec.so.* | libutil.so.*) echo glibc ;;
    libstdc++.so.* | libgcc_s.so.*) echo "lib/shared/$(basename "$(readlink -f "$gcc_library")")" ;;
    *) if [[ " $shared_libraries " == *" $1 "* ]]; then echo "lib/shared/$(basename "$(readlink -f "$2")")"; else echo lib; fi ;;
  esac
}

library() { # SONAME: where this machine's linker finds it
  ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ && !found++ { print $NF }'
}
ldconfig() { command ldconfig "$@" 2>/dev/null || /sbin/ldconfig "$@"; }
gcc_library=$(library libstdc++.so.6)
opencl=$(library libOpenCL.so.1)
[[ $opencl ]] || fail "libOpenCL.so.1, the loader of drivers, is not here: apt-get install ocl-icd-libopencl1"
ldd "$root"/bin/* "$root"/tests/* | awk '/not found/ { print $1 }' | sort -u >"$work/missing"
[[ ! -s $work/missing ]] || fail "these libraries are missing here: $(tr '\n' ' ' <"$work/missing")"
{
  ldd "$root"/bin/* "$root"/tests/* | awk '/=> \// { print $3 } /^\t\// { print $1 }'
  echo "$opencl"
  # Nothing of ours asks for these, but drivers of an older C library do.
  for soname in libdl.so.2 librt.so.1 libpthread.so.0 libresolv.so.2 libutil.so.1 libmvec.so.1; do library $soname; done
} | sort -u >"$work/libraries"

while IFS= read -r file; do
  soname=$(basename "$file")
  place=$root/$(place_of "$soname" "$file")
  mkdir -p "$place"
  cp -L "$file" "$place/$soname"
done <"$work/libraries"

# Their licences, where this machine's packages have them; a package may know a file by another name of its folder.
while IFS= read -r file; do
  printf '%s\n' "$file" "$(readlink -f "$file")" "/usr$file" "/usr$(readlink -f "$file")"
done <"$work/libraries" | sort -u | xargs dpkg-query -S 2>/dev/null | sed 's/[:,].*//' | sort -u | while IFS= read -r package; do
  cp -L "/usr/share/doc/$package/copyright" "$root/licences/$package" 2>/dev/null || true
done || true
chmod -R u+w,go=u-w "$root"
find "$root/lib" -type f -exec strip --strip-unneeded {} +

mkdir -p "$(dirname "$archive")"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" | gzip -n >"$archive.part"
mv "$archive.part" "$archive"
printf '%s: %s, unpacked %s\n' "$archive" "$(du -h "$archive" | cut -f1)" "$(du -sh "$root" | cut -f1)"
