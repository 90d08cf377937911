#!/usr/bin/env bash
# flawmap beside anomalib: fit and predict of PaDiM, CFLOW-AD and PatchCore, one after the other in one run, the same pictures,
# network, size, coreset share and fibres a step; random weights, as only time and memory count. flawmap's fit is the whole
# command `train` with its thresholds (every training picture is scored once more), anomalib's its model's fit alone; CFLOW-AD's
# fit is one pass over the pictures in both. Predict: scores only. flawmap runs twice: the first run on a machine builds its
# kernels (fit_first), the second counts; the pictures are in the page cache for both. A greedy choice of anomalib's PatchCore
# that takes more than LIMIT seconds is given up, and finished says no.
#
#   DATA=mvtec [CATEGORY=bottle] [BACKBONE=resnet18] [METHODS="padim cflow patchcore"] [LIMIT=900] [PYTHON=python3]
#   [FLAWMAP=build/release/flawmap] [OUT=bench/results/anomalib.csv] bench/peers/anomalib_bench.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
flawmap=${FLAWMAP:-$here/../../build/release/flawmap} python=${PYTHON:-python3}
category=${CATEGORY:-bottle} backbone=${BACKBONE:-resnet18} out=${OUT:-$here/../results/anomalib.csv}
: "${DATA:?folder of the data set}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work # no pretrained weights there
value() { sed "s/.*\"$1\": \([0-9.a-z]*\).*/\1/"; }
find "$DATA/$category" -type f -exec cat {} + >/dev/null
echo "method,backbone,fit_first_s,fit_flawmap_s,fit_anomalib_s,fit_ratio,finished,fit_flawmap_mib,fit_anomalib_mib,predict_flawmap_s,predict_anomalib_s,predict_ratio" >"$out"
for method in ${METHODS:-padim cflow patchcore}; do
  options=()
  [ "$method" = cflow ] && options=(--epochs 1 --passes 1 --fibres 256 --batch 16 --rotate 0 --padding zero)
  for file in first fit; do
    /usr/bin/time -f '%e %M' -o "$work/$file" "$flawmap" train "$DATA" --category "$category" --method "$method" \
      --backbone "$backbone" --hold-out 0 --no-refine "${options[@]}" -o "$work/$method.flawmap" >/dev/null 2>&1
  done
  for _ in 1 2; do
    /usr/bin/time -f '%e %M' -o "$work/predict" "$flawmap" predict "$work/$method.flawmap" "$DATA/$category/test" \
      -o "$work/out" --no-maps --no-masks --no-overlays >/dev/null 2>&1
  done
  line=$("$python" "$here/anomalib_bench.py" --method "$method" --backbone "$backbone" --good "$DATA/$category/train/good" \
    --test "$DATA/$category/test" --limit "${LIMIT:-900}" 2>/dev/null | tail -1)
  read -r first _ <"$work/first"
  read -r fit fit_kib <"$work/fit"
  read -r predict _ <"$work/predict"
  awk -v m="$method" -v b="$backbone" -v first="$first" -v f="$fit" -v k="$fit_kib" -v p="$predict" -v af="$(value fit_s <<<"$line")" \
    -v done="$(value finished <<<"$line")" -v ak="$(value fit_kib <<<"$line")" -v ap="$(value predict_s <<<"$line")" \
    'BEGIN {printf "%s,%s,%.1f,%.1f,%.1f,%.2f,%s,%.0f,%.0f,%.1f,%.1f,%.2f\n", m, b, first, f, af, af / f, done == "true" ? "yes" : "no",
      k / 1024, ak / 1024, p, ap, ap / p}' >>"$out"
done
cat "$out"
