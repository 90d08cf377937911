#!/usr/bin/env bash
# CDO's recipe of 2025 on one category: beside that of 2023; with 1, 5 and 10 real flaws to learn from, beside the model
# without them on the same remaining test pictures; with 1, 2, 4 and 8 good pictures only. Prints a row a run and writes
# OUT/results.csv; finished runs are not repeated.
#   DATA=mvtec WEIGHTS=efficientnet_lite0.safetensors [BACKBONE=efficientnet_lite0] [CATEGORY=bottle] [SEEDS="42"]
#   [FLAWMAP=build/release/flawmap] [RUNS="2025 2023 real1 real5 real10 shots1 shots2 shots4 shots8"]
#   [EPOCHS=n, else the recipe's] [SHOT_EPOCHS=n: of the runs with few pictures, whose epochs are a step each]
#   [OUT=build/cdo2025_bottle] bench/cdo2025_bottle.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/values.sh
flawmap=${FLAWMAP:-build/release/flawmap} out=${OUT:-build/cdo2025_bottle} category=${CATEGORY:-bottle}
backbone=${BACKBONE:-efficientnet_lite0} seeds=${SEEDS:-42}
runs=${RUNS:-2025 2023 real1 real5 real10 shots1 shots2 shots4 shots8}
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
mkdir -p "$out"

rows() { # name seed pictures-left-out file
  local n=1 size
  for size in own training; do
    printf '%s,%s,%s,%s' "$1" "$2" "$3" $size
    values "$4" $n image_auroc pixel_auroc aupro_0.30 aupro_cdo1 pixel_ap pixel_f1
    printf '\n'
    n=2
  done >>"$out/results.csv"
}

train() { # model seed options...
  local model=$1 seed=$2
  shift 2
  [ -f "$model" ] || "$flawmap" train "$DATA" --category "$category" --backbone "$backbone" --weights "$WEIGHTS" \
    --seed "$seed" "$@" -o "$model"
}

evaluate() { # model name options...: OUT/NAME.json
  local model=$1 name=$2
  shift 2
  [ -f "$out/$name.json" ] && return
  "$flawmap" eval "$model" "$DATA" --category "$category" -o "$out/$name" --no-maps --no-masks --no-overlays --json \
    "$@" >"$out/$name.part"
  mv "$out/$name.part" "$out/$name.json"
}

echo "run,seed,left_out,size,image_auroc,pixel_auroc,aupro_0.30,aupro_cdo1,pixel_ap,pixel_f1" >"$out/results.csv"
for seed in $seeds; do
  for run in $runs; do
    model=$out/$run-s$seed.flawmap options=(--recipe cdo2025) epochs=${EPOCHS:-}
    case $run in
    2023) options=(--recipe cdo) ;;
    real*) options+=(--real-anomalies "${run#real}") ;;
    shots*)
      options+=(--shots "${run#shots}")
      epochs=${SHOT_EPOCHS:-$epochs}
      ;;
    esac
    train "$model" "$seed" "${options[@]}" ${epochs:+--epochs "$epochs"}
    evaluate "$model" "$run-s$seed"
    left=0
    [ "${run#real}" = "$run" ] || left=${run#real}
    rows "$run" "$seed" "$left" "$out/$run-s$seed.json"
    if [ "$left" != 0 ] && [ -f "$out/2025-s$seed.flawmap" ]; then # without them, on the same pictures
      evaluate "$out/2025-s$seed.flawmap" "2025-s$seed-without-$left" --leave-out "$model"
      rows 2025 "$seed" "$left" "$out/2025-s$seed-without-$left.json"
    fi
  done
done
cat "$out/results.csv"
