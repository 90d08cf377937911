#!/usr/bin/env bash
# Regions of flawed pictures: in predict's JSON and tables, the same as its masks; --min-area.
# usage: test_regions.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

gear 2 2
run train --untrained data --category gear --method patchcore --size 64 --hold-out 20% --false-alarms 0.4 -o m
printf 'no picture' >data/gear/test/good/broken.png
pictures=$(find data/gear/test -name '*.png' | wc -l)
"$flawmap" predict --untrained m data/gear/test -o all --no-overlays --json --refine off >lines 2>err
[ $? = 1 ] || fail "a broken picture does not fail predict: $(cat err)"

# A row a picture, the broken one too.
[ "$(wc -l <all/results.csv)" = $((pictures + 1)) ] || fail "results.csv has not a row for each picture: $(cat all/results.csv)"
grep -q '^data/gear/test/good/broken.png,unread,' all/results.csv || fail "the broken picture is missing: $(cat all/results.csv)"
[ "$(wc -l <lines)" = $((pictures - 1)) ] || fail "not one line of JSON a picture"
# As many regions in the JSON as in both tables; their areas are what results.csv says.
regions=$(grep -o '"centre_x"' lines | wc -l)
[ "$regions" -ge 3 ] || fail "hardly a region: $(cat lines)"
[ "$(tail -n +2 all/regions.csv | wc -l)" = "$regions" ] || fail "regions.csv and the JSON differ"
awk -F, 'NR == FNR { if (FNR > 1) { n[$1]++; area[$1] += $7; share[$1] += $8 } next }
  FNR > 1 && $2 != "unread" && ($7 != n[$1] + 0 || $8 != area[$1] + 0 || ($9 - share[$1]) ^ 2 > 1e-12) { print; bad = 1 }
  END { exit bad }' all/regions.csv all/results.csv || fail "regions.csv and results.csv differ"
awk -F, 'FNR > 1 && ($3 < 0 || $4 < 0 || $3 + $5 > 64 || $4 + $6 > 64 || $7 < 1 || $7 > $5 * $6 || $9 < $10 ||
  $11 < $3 || $11 > $3 + $5 || $12 < $4 || $12 > $4 + $6) { print; bad = 1 } END { exit bad }' all/regions.csv || fail "regions that cannot be"
awk -F, 'FNR > 1 && ($2 == "flawed") != ($7 > 0) { print; bad = 1 } END { exit bad }' all/results.csv || fail "verdict and regions disagree"

# A region larger than all there are: everything passes, and masks are empty.
rm data/gear/test/good/broken.png
most=$(awk -F, 'FNR > 1 && $7 > most { most = $7 } END { print most }' all/regions.csv)
run predict --untrained m data/gear/test -o none --no-overlays --refine off --min-area $((most + 1))
grep -q ',flawed,' none/results.csv && fail "--min-area $((most + 1)) flags a picture: $(cat none/results.csv)"
[ "$(wc -l <none/regions.csv)" = 1 ] || fail "--min-area $((most + 1)) leaves regions"
# The largest alone.
run predict --untrained m data/gear/test -o one --no-overlays --refine off --min-area "$most"
tail -n +2 one/regions.csv | awk -F, -v most="$most" '$7 < most { bad = 1 } END { exit bad || !NR }' || fail "--min-area $most keeps others: $(cat one/regions.csv)"
picture=$(tail -n 1 one/regions.csv | sed 's/,.*//; s|data/gear/test/||')
cmp -s "one/masks/$picture" "none/masks/$picture" && fail "the mask of $picture does not show its region"
refuses 2 'min-area' predict --untrained m data/gear/test -o x --min-area 0
# eval finds the same regions as predict.
run eval m data -o report --no-overlays --refine off
diff <(tail -n +2 all/regions.csv | sed 's|^data/gear/test/||; s|\.png,|,|' | sort) <(tail -n +2 report/regions.csv | cut -d, -f2- | sed 's|,|/|' | sort) >differ ||
  fail "eval finds other regions than predict: $(cat differ)"
run eval m data -o report --no-overlays --refine off --min-area "$most"
diff <(tail -n +2 one/regions.csv | cut -d, -f2-) <(tail -n +2 report/regions.csv | cut -d, -f4-) >differ || fail "eval --min-area: $(cat differ)"
cmp -s "report/masks/$picture" "one/masks/$picture" || fail "eval cuts the mask of $picture elsewhere than predict --min-area"
awk -F, 'FNR > 1 && ($5 == "flawed") != ($NF > 0) { bad = 1 } END { exit bad }' report/images.csv || fail "eval: verdict and regions disagree"
exit 0
