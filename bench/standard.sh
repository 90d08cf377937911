#!/usr/bin/env bash
# What comes before the network, each part off in turn: light and pose, on screw and bottle of MVTec AD and on drawn products.
# DATA=mvtec WEIGHTS=efficientnet_lite0.safetensors [FLAWMAP=build/release/flawmap] [OUT=/tmp/standard] [RUNS="..."] bench/standard.sh
# A run is CATEGORY:NAME:OPTIONS with commas for spaces; a row of its table is printed as soon as it is there, and models
# that are there already are not trained again.
set -euo pipefail
flawmap=${FLAWMAP:-build/release/flawmap}
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
out=${OUT:-/tmp/standard}
mkdir -p "$out"
light=--light,auto pose=--align,auto official=--features,official,--coreset,3%
runs=${RUNS:-}
if [ -z "$runs" ]; then
  for category in screw bottle lever gear weave; do
    for what in "neither:" "light:,$light" "pose:,$pose" "both:,$light,$pose"; do
      runs+=" $category:patchcore-${what%%:*}:--method,patchcore${what#*:}"
      runs+=" $category:padim-${what%%:*}:--method,padim${what#*:}"
    done
  done
  for what in "neither:" "both:,$light,$pose"; do
    runs+=" screw:official-${what%%:*}:--method,patchcore,$official${what#*:}"
    runs+=" screw:padim30-${what%%:*}:--method,padim,--regulariser,30${what#*:}"
  done
fi

field() { sed -n "s/^  $1 *\([0-9.]*\) *\([0-9.]*\)\$/\\$2/p" "$3" | head -1; }

for run in $runs; do
  IFS=: read -r category name options <<<"$run"
  data=$DATA
  case $category in
  lever | gear | weave | plate | seal | slab)
    data=$out/drawn
    [ -d "$data/$category" ] || "$flawmap" synth "$data" --product "$category" --good 20 --flawed 8 >/dev/null 2>&1
    ;;
  esac
  model=$out/$category-$name.flawmap
  # shellcheck disable=SC2086
  [ -f "$model" ] || "$flawmap" train "$data" --category "$category" --weights "$WEIGHTS" --no-refine ${options//,/ } -o "$model" >"$model.log" 2>&1
  "$flawmap" eval "$model" "$data" --category "$category" --no-maps --no-masks --no-overlays -o "$out/report" >"$model.eval" 2>&1
  echo "| $category | $name | $(field AUROC 1 "$model.eval") | $(field AUROC 2 "$model.eval") | $(sed -n 's/^  AUPRO up to 30 % *//p' "$model.eval") | $(field 'average precision' 2 "$model.eval") | $(sed -n 's/^  verdicts: \([0-9]* of [0-9]*\) flawed pictures found, \([0-9]* of [0-9]*\) .*/\1 | \2/p' "$model.eval") |"
done
