#!/usr/bin/env bash
# What the compilers of AMD, NVIDIA and Intel make of the kernels that flawmap would run on their GPUs: no GPU is needed.
#
#   bench/static/static_table.sh TOOLS [BUILD]
#
# TOOLS: the folder that bench/static/tools.sh filled; CUDA names the CUDA toolkit (/usr/local/cuda), for ptxas. BUILD:
# build/release. Rewrites bench/results/static.csv and the table in docs/devices.md: ten minutes on two cores, and a minute
# again, because figures.py keeps what it found in TOOLS/figures until a kernel changes.
set -euo pipefail
tools=${1:?usage: static_table.sh TOOLS [BUILD]}
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${2:-$root/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --build "$build" --target static_picks
"$build/static_picks" >"$work/picks"
python3 "$root/bench/static/figures.py" "$tools" "$root/cl" <"$work/picks" >"$work/figures"
mv "$work/figures" "$root/bench/results/static.csv"
python3 "$root/bench/static/table.py" "$root/docs/devices.md" "$root/bench/results/static.csv"
