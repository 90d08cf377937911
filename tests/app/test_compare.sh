#!/usr/bin/env bash
# eval with several models: the results of each as if it were alone, and a table of all.
# usage: test_compare.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

gear 2 1
mkdir a b
run train --untrained data --category gear --method padim --size 64 --hold-out 20% --false-alarms 0.4 -o a/gear.flawmap
run train --untrained data --category gear --method patchcore --size 64 --hold-out 20% --false-alarms 0.4 -o b/gear.flawmap
run eval a/gear.flawmap data -o alone --no-overlays --no-maps --refine off
run eval b/gear.flawmap data -o other --no-overlays --no-maps --refine off
run eval a/gear.flawmap b/gear.flawmap data -o both --no-overlays --no-maps --refine off
for file in metrics.json images.csv regions.csv; do
  cmp -s alone/$file both/gear/$file || fail "the first model's $file is not what it is alone"
  cmp -s other/$file both/gear-2/$file || fail "the second model's $file is not what it is alone"
done
grep -q '^model  *image AUROC' out && [ "$(grep -cE '^gear(-2)? +[0-9.]+ .* found, ' out)" = 2 ] || fail "no table: $(cat out)"
# comparison.csv beside both metrics.csv, without the columns of the other size.
for name in gear gear-2; do
  want=$(sed -n 2p both/$name/metrics.csv | cut -d, -f2-13)
  got=$(grep "^$name," both/comparison.csv | cut -d, -f4-15)
  [ -n "$got" ] && [ "$want" = "$got" ] || fail "$name: comparison.csv has $got, metrics.csv $want"
done
for name in gear gear-2; do
  grep -q "<a href=\"$name/report.html\">$name</a>" both/report.html && [ -s both/$name/report.html ] || fail "the page does not lead to $name's"
done
run eval a/gear.flawmap b/gear.flawmap data -o json --no-overlays --no-maps --refine off --json
cmp -s out json/comparison.json || fail "--json does not print the comparison: $(cat out)"
grep -q '"model": "gear-2"' out || fail "the second model is missing: $(cat out)"
refuses 2 'takes models and a data set' eval a/gear.flawmap -o x
exit 0
