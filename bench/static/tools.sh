#!/usr/bin/env bash
# bench/static/tools.sh FOLDER: fetches the compilers that figures.py uses into FOLDER (0.6 GB) and installs nothing. Debian 12.
#   clang 22 with AMDGPU and NVPTX, libclc 22; ocloc 22.43 with IGC 1.0.12504; nvdisasm. ptxas comes with the CUDA toolkit.
set -euo pipefail
to=$1
mkdir -p "$to"/{debs,root,intel,pip}
apt-get install -y --download-only --reinstall --no-install-recommends -o Debug::NoLocking=1 -o Dir::Cache::archives="$to/debs" \
  clang-22 libclang-cpp22 libclang1-22 libclang-common-22-dev libllvm22 llvm-22-linker-tools libclc-22 libclc-22-dev \
  intel-opencl-icd libigc1 libigdfcl1 libigdgmm12 libopencl-clang14 libllvmspirvlib14 libigc-tools >/dev/null
for d in "$to"/debs/{clang-22,libclang,libllvm22,llvm-22,libclc}*.deb; do dpkg -x "$d" "$to/root"; done
for d in "$to"/debs/{intel,libig,libopencl-clang14,libllvmspirvlib14}*.deb; do dpkg -x "$d" "$to/intel"; done
cd "$to/intel/usr/lib/x86_64-linux-gnu"
for l in libigc libigdfcl libiga64; do ln -sf $l.so.1.0.1 $l.so.1; done
ln -sf libiga64.so.1.0.1 libiga64.so
ln -sf libigdgmm.so.12.3.0 libigdgmm.so.12
cd "$to/pip" && pip -q download --no-deps nvidia-cuda-nvdisasm && for w in nvidia_cuda_nvdisasm*.whl; do python3 -m zipfile -e "$w" nvd; done
chmod +x nvd/nvidia/cu13/bin/nvdisasm
