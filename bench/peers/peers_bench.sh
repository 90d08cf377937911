#!/usr/bin/env bash
# flawmap beside PyTorch, ONNX Runtime and OpenVINO on the same work, one after the other in one run, on a machine that has
# nothing else to do.
#
#   PYTHON=python3 bench/peers/peers_bench.sh [BACKBONE...]
#
# Every round runs flawmap, PyTorch as it is, PyTorch with an allocator that gives nothing back to the system (by default
# large tensors are fetched from and returned to it again and again, which can cost it most of its time), and, inference
# only, ONNX Runtime, OpenVINO in single precision and OpenVINO as it is, each in a process of its own. Compared are medians
# over the rounds, with the better of the two PyTorchs. Peers that PYTHON does not have are left out, but for PyTorch.
#
# Environment: PYTHON with torch and numpy, onnx and onnxruntime, openvino; FLAWMAP the program (build/release/flawmap);
# ROUNDS 3; RUNS 5 and SECONDS_EACH 1 of a pass; SIZE 256; BATCH 16; THREADS 0 (PyTorch's own choice: a thread for each core);
# OUT the JSON (bench/results/peers.json); DOCS a Markdown file whose results section is rewritten.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
flawmap=${FLAWMAP:-$root/build/release/flawmap}
out=${OUT:-$root/bench/results/peers.json}
size=${SIZE:-256} batch=${BATCH:-16} runs=${RUNS:-5} seconds=${SECONDS_EACH:-1}
passes=infer1,infer$batch,train$batch
if [ $# -gt 0 ]; then backbones=("$@"); else backbones=(resnet18 hrnet32 wide_resnet50_2 efficientnet_lite0); fi

[ -x "$flawmap" ] || { echo "peers_bench: there is no program '$flawmap'; build it (./run build) or set FLAWMAP" >&2; exit 1; }
"$python" -c 'import torch, numpy' 2>/dev/null ||
  { echo "peers_bench: '$python' has no torch and numpy; set PYTHON to one that has" >&2; exit 1; }

# A busy core hurts both sides, PyTorch far more: its threads wait for each other by spinning.
busy=$(awk '{print ($1 > 0.5) ? 1 : 0}' /proc/loadavg 2>/dev/null || echo 0)
[ "$busy" = 0 ] || echo "peers_bench: this machine is busy (load $(cut -d' ' -f1 /proc/loadavg)); the times will mean little" >&2

work=$(mktemp -d) onnx=$(mktemp -d)
trap 'rm -rf "$work" "$onnx"' EXIT
export PYTHONDONTWRITEBYTECODE=1
peers=()
has() { "$python" -c "import $1" 2>/dev/null; }
has onnx && has onnxruntime && peers+=(onnxruntime)
has onnx && has openvino && peers+=(openvino_f32 openvino)
if [ ${#peers[@]} -gt 0 ]; then
  echo "exporting the networks" >&2
  "$python" "$here/onnx_export.py" "$onnx" "$size" "$batch" "${backbones[@]}" >&2
fi
torch_cdo() {
  "$python" "$here/torch_cdo.py" --backbone "$1" --passes "$passes" --size "$size" --runs "$runs" --seconds "$seconds" \
    --threads "${THREADS:-0}"
}
for round in $(seq "${ROUNDS:-3}"); do
  for b in "${backbones[@]}"; do
    echo "round $round: $b" >&2
    "$flawmap" bench --backbone "$b" --passes "$passes" --size "$size" --runs "$runs" --seconds "$seconds" --json \
      >"$work/$b.$round.flawmap"
    torch_cdo "$b" >"$work/$b.$round.torch"
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 torch_cdo "$b" >"$work/$b.$round.torch_kept"
    for peer in ${peers[@]+"${peers[@]}"}; do
      "$python" "$here/onnx_run.py" "$peer" "$onnx" "$b" "$size" "$batch" "$runs" "$seconds" >"$work/$b.$round.$peer"
    done
  done
done
BUSY=$busy "$python" "$here/peers_table.py" "$work" "$out" ${DOCS:+"$DOCS"}
