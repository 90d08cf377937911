#!/usr/bin/env bash
# Whether promises are kept: false alarms on good test pictures beside the interval that the model's threshold promises, and whether
# a mask ever denies its picture's verdict; on MVTec AD's bottle and screw and on drawn products.
# DATA=mvtec WEIGHTS=efficientnet_lite0.safetensors [FLAWMAP=build/release/flawmap] [OUT=/tmp/promise] [RUNS="..."] bench/promise.sh
# A run is CATEGORY:NAME:OPTIONS with commas for spaces; SMUGGLE=N puts N flawed test pictures of the first kind among the good ones
# to learn from. A row is printed as soon as it is there; models that are there already are not trained again.
set -euo pipefail
flawmap=${FLAWMAP:-build/release/flawmap}
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
out=${OUT:-/tmp/promise} smuggle=${SMUGGLE:-0}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
runs=${RUNS:-}
if [ -z "$runs" ]; then
  both=--light,auto,--align,auto
  for category in bottle screw gear weave lever plate seal slab; do
    runs+=" $category:padim:--method,padim,$both $category:patchcore:--method,patchcore,$both"
    runs+=" $category:patchcore512:--method,patchcore,--size,512,--coreset,2%,$both"
  done
fi

# The category's own folder, with what is smuggled in.
folder() {
  local from=$DATA/$1 to=$out/smuggled$smuggle/$1 kind
  case $1 in
  bottle | screw) ;;
  *)
    from=$out/drawn/$1
    [ -d "$from" ] || "$flawmap" synth "$out/drawn" --product "$1" --good 20 --flawed 8 >/dev/null 2>&1
    ;;
  esac
  from=$(cd "$from" && pwd)
  if [ "$smuggle" = 0 ]; then echo "$from" && return; fi
  rm -rf "$to" && mkdir -p "$to/train/good"
  ln -s "$from/test" "$from/ground_truth" "$to/"
  ln -s "$from"/train/good/* "$to/train/good/"
  kind=$(ls "$from/test" | grep -vx good | head -1)
  for picture in $(ls "$from/test/$kind" | head -n "$smuggle"); do
    ln -s "$from/test/$kind/$picture" "$to/train/good/zz_$picture"
  done
  echo "$to"
}

echo "| product | method | threshold from | promised | good flagged | flawed found | masks that deny the verdict |"
echo "|---|---|---|---|---|---|---|"
for run in $runs; do
  IFS=: read -r category name options <<<"$run"
  data=$(folder "$category")
  model=$out/$category-$name-$smuggle.flawmap
  # shellcheck disable=SC2086
  [ -f "$model" ] || "$flawmap" train "$data" --weights "$WEIGHTS" ${options//,/ } -o "$model" >"$model.said" 2>"$model.log"
  rm -rf "$out/predicted"
  "$flawmap" predict "$model" "$data/test" -o "$out/predicted" --json --no-maps --no-overlays >"$model.json" 2>>"$model.log"
  echo "| $category | $name | $(sed -n 's/.*, from \(.*\); expected false.*/\1/p' "$model.said") | $(sed -n 's/.*expected false alarms \([^;]*\).*/\1/p' "$model.said") | $(python3 "$here/promise_count.py" "$model.json") |"
done
