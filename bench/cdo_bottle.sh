#!/usr/bin/env bash
# Trains and evaluates CDO on one category: three seeds of the published recipe with another backbone, and the ablations of
# its two ideas (MOM, OOM). Prints a row a run and writes OUT/results.csv; finished runs are not repeated.
#   DATA=mvtec WEIGHTS=efficientnet_lite0.safetensors [BACKBONE=efficientnet_lite0] [CATEGORY=bottle] [EPOCHS=50]
#   [FLAWMAP=build/release/flawmap] [RUNS="s1 s2 s3 no-mom no-oom neither"] [OUT=build/cdo_bottle] bench/cdo_bottle.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/values.sh
flawmap=${FLAWMAP:-build/release/flawmap} out=${OUT:-build/cdo_bottle} category=${CATEGORY:-bottle}
backbone=${BACKBONE:-efficientnet_lite0} epochs=${EPOCHS:-50} runs=${RUNS:-s1 s2 s3 no-mom no-oom neither}
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
mkdir -p "$out"

row() { # run mode n
  printf '%s,%s' "$1" "$2"
  values "$out/$1.json" "$3" image_auroc pixel_auroc aupro_0.30 aupro_cdo1 pixel_ap pixel_f1
  printf '\n'
}

echo "run,size,image_auroc,pixel_auroc,aupro_0.30,aupro_cdo1,pixel_ap,pixel_f1" >"$out/results.csv"
for run in $runs; do
  options="--seed ${run#s}"
  case $run in
  no-mom) options="--seed 1 --no-mom" ;;
  no-oom) options="--seed 1 --no-oom" ;;
  neither) options="--seed 1 --no-mom --no-oom" ;;
  esac
  if [ ! -f "$out/$run.flawmap" ]; then
    # shellcheck disable=SC2086
    "$flawmap" train "$DATA" --category "$category" --recipe cdo --backbone "$backbone" --weights "$WEIGHTS" \
      --epochs "$epochs" $options -o "$out/$run.flawmap"
  fi
  [ -f "$out/$run.json" ] || "$flawmap" eval "$out/$run.flawmap" "$DATA" --category "$category" -o "$out/$run" --json >"$out/$run.json"
  row "$run" own 1 >>"$out/results.csv"
  row "$run" training 2 >>"$out/results.csv"
done
cat "$out/results.csv"
