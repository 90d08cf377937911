#!/usr/bin/env bash
# Fits and evaluates PaDiM, PatchCore (features concat, then official) and CFLOW-AD on one category, three seeds each, on all
# training pictures as published; and each of them with held-out pictures and F2PAD. A row a run in OUT/results.csv; finished runs are not repeated.
#   DATA=mvtec WEIGHTS=efficientnet_lite0.safetensors [BACKBONE=efficientnet_lite0] [CATEGORY=bottle] [SEEDS="1 2 3"]
#   [METHODS="padim patchcore official cflow"] [REFINE="padim patchcore cflow cdo"] [FLAWMAP=build/release/flawmap]
#   [OUT=build/methods_bottle] bench/methods_bottle.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/values.sh
flawmap=${FLAWMAP:-build/release/flawmap} out=${OUT:-build/methods_bottle} category=${CATEGORY:-bottle}
backbone=${BACKBONE:-efficientnet_lite0}
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
mkdir -p "$out"

row() { # run mode n
  printf '%s,%s' "$1" "$2"
  values "$out/$1.json" "$3" image_auroc pixel_auroc aupro_0.30 pixel_ap pixel_f1 pixel_iou
  printf '\n'
}

train() { # run options...
  local run=$1
  shift
  [ -f "$out/$run.flawmap" ] || "$flawmap" train "$DATA" --category "$category" --backbone "$backbone" --weights "$WEIGHTS" \
    -o "$out/$run.flawmap" "$@" 2>&1 | tee "$out/$run.log"
}

evaluate() { # run model options...
  local run=$1 model=$2
  shift 2
  [ -f "$out/$run.json" ] && return
  "$flawmap" eval "$out/$model.flawmap" "$DATA" --category "$category" -o "$out/$run" "$@" >"$out/$run.txt"
  cp "$out/$run/metrics.json" "$out/$run.json"
}

echo "run,size,image_auroc,pixel_auroc,aupro_0.30,pixel_ap,pixel_f1,pixel_iou" >"$out/results.csv"
for method in ${METHODS-padim patchcore official cflow}; do
  options=(--method "$method")
  [ "$method" = official ] && options=(--method patchcore --features official)
  for seed in ${SEEDS:-1 2 3}; do
    train "$method-$seed" "${options[@]}" --seed "$seed" --hold-out 0 --no-refine
    evaluate "$method-$seed" "$method-$seed"
    row "$method-$seed" own 1 >>"$out/results.csv"
    row "$method-$seed" training 2 >>"$out/results.csv"
  done
done
for method in ${REFINE-padim patchcore cflow cdo}; do
  train "$method-refine" --method "$method" --refine
  evaluate "$method-f2pad" "$method-refine" --refine f2pad
  row "$method-f2pad" training 2 >>"$out/results.csv"
  grep -A1 sharpened "$out/$method-f2pad.txt"
done
cat "$out/results.csv"
