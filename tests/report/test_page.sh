#!/usr/bin/env bash
# report.html of eval and of predict, and both in a browser: Chromium without a window opens them from the disk, and a script
# (page.js) does what a reader does. Without a Chromium only what stands in the files is tested.
# usage: test_page.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

# opened PAGE [OPTION...]: what became of it after its scripts ran.
opened() {
  local page=$1
  shift
  timeout 300 $browser --headless --no-sandbox --disable-gpu --user-data-dir="$work/browser" --virtual-time-budget=20000 "$@" \
    --dump-dom "file://$page" 2>browser.err
}

# check PAGE WIDTH: page.js finds nothing wrong.
check() {
  local page=$1 tried=${1%.html}.tried.html
  sed -e 's/<meta http-equiv="Content-Security-Policy"[^>]*>//' -e '/<\/body>/d' -e '/<\/html>/d' "$page" >"$tried"
  {
    printf '<script>window.rates = %s</script>\n' "\"$rates\""
    printf '<script>\n'
    cat "$source/tests/report/page.js"
    printf '</script>\n</body>\n</html>\n'
  } >>"$tried"
  opened "$tried" --window-size="$2,900" | sed -n '/id="result"/,/^end/p' >result
  grep -q '^end' result || fail "the script did not come to its end in $page: $(cat result browser.err)"
  if grep '^WRONG' result; then fail "$page at $2 pixels"; fi
}

gear 6 6
cp "$(find data/gear/test/good -name '*.png' | sort | head -1)" "data/gear/test/good/<b class=evil>#1%20?&\"'.png"
run train data --category gear --method padim --size 64 --untrained -o gear.flawmap
run eval gear.flawmap data -o results
run eval gear.flawmap data -o single --single-file
grep -q 'src="data:image/jpeg' single/report.html || fail "the page has no pictures inside"
[ ! -e single/report ] || fail "there is a folder beside the single file"
# The threshold in the middle of the scores, so that there are mistakes of both kinds.
middle=$(cut -d, -f4 results/images.csv | sed 1d | sort -g | sed -n 7p)
run eval gear.flawmap data -o results --threshold "$middle"
run predict gear.flawmap data/gear/test -o predicted --threshold "$middle" --untrained --report

# A page of pictures nobody has looked at.
[ "$(grep -c '<article' predicted/report.html)" = "$(($(wc -l <predicted/results.csv) - 1))" ] || fail "cards are missing"
grep -q '<p class="lead"><b data-live="alarms">[1-9][0-9]*</b> of 43 pictures flagged' predicted/report.html ||
  fail "no verdicts: $(grep 'class="lead"' predicted/report.html)"
[ "$(find predicted/report/found -name '*.jpg' | wc -l)" = 43 ] || fail "small pictures are missing"
grep -q 'Mistakes</a>\|AUROC</a>' predicted/report.html && fail "the page speaks of mistakes that nobody can know"
echo no picture >data/gear/test/good/broken.png
ends 1 predict gear.flawmap data/gear/test -o predicted --threshold "$middle" --untrained --report
grep -q '1 picture could not be read or written and is not here' predicted/report.html || fail "the page does not say that a picture is missing"

browser=
for candidate in chromium chromium-browser google-chrome; do
  command -v $candidate >/dev/null && browser=$candidate && break
done
if [ ! "$browser" ]; then
  echo "test_page: there is no Chromium here: the page was not opened"
  exit 0
fi

# Its own script runs under its own policy, and nothing else does.
opened "$work/results/report.html" >dom
grep -q '<section id="c1"[^>]*class="live"' dom || fail "the page's script did not run under its policy: $(cat browser.err)"
sed 's#</body>#<script>document.body.id = "foreign"</script></body>#' results/report.html >results/foreign.html
opened "$work/results/foreign.html" | grep -q '<body id="foreign"' && fail "a script that is not the page's ran"

# What flawmap wrote about rates, which the script computes again.
rates=$(grep -o 'data-live="alarms-rate">.*such pictures' results/report.html | sed -e 's/^[^>]*>//' -e 's/<[^>]*>//g')
[ "$rates" ] || fail "the page says nothing about the rate of false alarms"
check "$work/results/report.html" 1300
check "$work/results/report.html" 500
rates=
check "$work/predicted/report.html" 1300

