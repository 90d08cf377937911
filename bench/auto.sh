#!/usr/bin/env bash
# How well --method auto chooses: for each product the table of what it tried (judged by pieces on good pictures), and beside it
# what each of these candidates then does on real (or drawn) flaws, learned from all good pictures; the rank correlation of
# both; the best by either. Writes OUT/auto.csv and OUT/auto.md. Candidates that take long are left to LONG=1.
# usage: DATA=folder of bottle and screw WEIGHTS=efficientnet_lite0.safetensors bench/auto.sh [OUT]
set -eu
: "${DATA:?folder of the data set}" "${WEIGHTS:?the pretrained weights}"
out=$(realpath -m "${1:-build/bench/auto}")
flawmap=${FLAWMAP:-build/release/flawmap}
products=${PRODUCTS:-bottle screw gear weave lever plate seal slab}
minutes=${MINUTES:-5}
mkdir -p "$out"

data_of() {
  case $1 in
  bottle | screw) echo "$DATA" ;;
  *)
    [ -d "$out/drawn/$1" ] || "$flawmap" synth "$out/drawn" --product "$1" --size 512 --train 100 --good 20 --flawed 8 >"$out/synth.out" 2>&1
    echo "$out/drawn"
    ;;
  esac
}

# A row's name as options: "patchcore 512 concat 2 % fine 2".
options() {
  # shellcheck disable=SC2086
  set -- $1
  echo "--method $1 --size $2 ${3:+--features $3 --coreset $4%} ${6:+--fine $7}"
}

[ -f "$out/auto.csv" ] || echo "product,candidate,light,pose,pieces_auroc,pieces_aupro,pieces_ap,pieces_mean,image_auroc,aupro,pixel_ap,mean,found,flawed,alarms,good" >"$out/auto.csv"
for product in $products; do
  data=$(data_of "$product")
  tried=$out/$product.tried
  [ -s "$tried" ] || {
    "$flawmap" train "$data" --category "$product" --weights "$WEIGHTS" --minutes "$minutes" --no-refine -o "$out/$product.flawmap" 2>"$tried.err" >"$tried.out"
    sed -n 's/^  \([a-z]* [0-9x]* *[a-z]* *[0-9.]* *%\{0,1\}[a-z0-9. ]*\)  *\(auto\|off\)  *\(auto\|off\)  *\([0-9. ]*\)$/\1;\2;\3;\4/p' "$tried.err" >"$tried"
  }
  while IFS=';' read -r name light pose values; do
    name=$(echo $name)
    grep -q "^$product,$name,$light,$pose," "$out/auto.csv" && continue
    case $name in cdo*) [ -n "${LONG:-}" ] || continue ;; esac
    # shellcheck disable=SC2046
    "$flawmap" train "$data" --category "$product" --weights "$WEIGHTS" $(options "$name") --light "$light" --align "$pose" -o "$out/one.flawmap" >"$out/one.train" 2>&1
    "$flawmap" eval "$out/one.flawmap" "$data" --category "$product" --no-maps --no-masks --no-overlays -o "$out/one" >"$out/one.eval" 2>&1
    real=$(awk '/^  AUROC/ { auroc = $2 } /^  average precision/ { ap = $4 } /^  AUPRO up to 30 %/ { pro = $NF }
      /^  verdicts:/ { print auroc "," pro "," ap "," (auroc + pro + ap) / 3 "," $2 "," $4 "," $8 "," $10 }' "$out/one.eval")
    echo "$product,$name,$light,$pose,$(echo $values | tr ' ' ','),$real" >>"$out/auto.csv"
  done <"$tried"
done

# Spearman's rank correlation of the means, and of the pixel APs, product by product.
awk -F, 'NR > 1 { n[$1]++; k = $1 SUBSEP n[$1]; p[k] = $8; q[k] = $12; a[k] = $7; b[k] = $11; name[k] = $2 " " $3 " " $4 }
  function rank(v, product, m, i, j) { for (i = 1; i <= m; i++) { r[i] = 1; for (j = 1; j <= m; j++) { if (v[product, j] > v[product, i]) r[i]++; else if (j != i && v[product, j] == v[product, i]) r[i] += 0.5 } } }
  function rho(x, y, product, m, i, s, rx) { rank(x, product, m); for (i = 1; i <= m; i++) rx[i] = r[i]; rank(y, product, m); s = 0; for (i = 1; i <= m; i++) s += (rx[i] - r[i]) ^ 2; return m > 2 ? 1 - 6 * s / (m * (m * m - 1)) : 0 }
  function best(v, product, m, i, at) { at = 1; for (i = 2; i <= m; i++) if (v[product, i] > v[product, at]) at = i; return at }
  END { print "| product | candidates | rank correlation of the means | of pixel AP | best by pieces | its pixel AP | best pixel AP |"; print "|---|---|---|---|---|---|---|"
    for (k in n) { c = best(p, k, n[k]); d = best(b, k, n[k]); printf "| %s | %d | %.2f | %.2f | %s | %.1f | %.1f (%s) |\n", k, n[k], rho(p, q, k, n[k]), rho(a, b, k, n[k]), name[k, c], b[k, c], b[k, d], name[k, d] } }' "$out/auto.csv" | tee "$out/auto.md"
