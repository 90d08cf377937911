#!/usr/bin/env bash
# A watched folder: what comes is scored as predict scores it and moved; killed at any moment and begun again, no picture is
# lost and none has two lines; what is broken has its sentence; links, hidden files and half-written ones are left alone.
# usage: test_watch.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/lib.sh"

gear 4 4
small_model gear.flawmap
pictures=(data/gear/test/*/*.png)
run predict --untrained gear.flawmap "${pictures[0]}" -o want --json
wanted=$(grep -o '"verdict":.*"threshold":[^,}]*' out)

lines() { cat res/results.jsonl 2>/dev/null | wc -l; }
has_lines() { [ "$(lines)" = "$1" ]; }

refuses 2 'needs one for its results' serve --untrained gear.flawmap --watch in
refuses 2 'cannot be moved there' serve --untrained gear.flawmap --listen 127.0.0.1:0 --watch in -o res --move in
mkdir -p in
cp "${pictures[0]}" in/first.png # was there before
begin gear.flawmap --watch in -o res --move done
waits 30 has_lines 1
grep -qF "$wanted" res/results.jsonl || fail "scored otherwise than by predict, $wanted: $(cat res/results.jsonl)"
for file in maps/%.tiff masks/%.png overlays/%.png; do
  cmp "res/${file/\%/first}" "$(find want/"${file%%/*}" -type f)" || fail "$file is not what predict writes"
done
waits 5 test -e done/first.png
[ ! -e in/first.png ] || fail "it was not moved"

# Another process with the same folder, one that is slow to write, links, hidden ones, what is no picture.
refuses 2 'another process' serve --untrained gear.flawmap --listen 127.0.0.1:0 --watch in -o res
{
  head -c 1000 "${pictures[1]}"
  sleep 1
  tail -c +1001 "${pictures[1]}"
} >in/slow.png &
ln -s "$PWD/${pictures[2]}" in/link.png
cp "${pictures[2]}" in/.hidden.png
echo text >in/notes.txt
cp "${pictures[3]}" in/first.png # another picture under the name of one that was there
head -c 300 "${pictures[1]}" >broken && touch -d '1 hour ago' broken && mv broken in/broken.png
waits 30 has_lines 4
grep -q '"picture":"in/slow.png","verdict"' res/results.jsonl || fail "the slow one: $(cat res/results.jsonl)"
grep -q '"picture":"in/broken.png","error":"[^"]*truncated' res/results.jsonl || fail "the broken one: $(cat res/results.jsonl)"
waits 5 test -e done/2-first.png
cmp done/2-first.png "${pictures[3]}" || fail "a picture was moved over another"
[ "$(ls -A in | tr '\n' ' ')" = ".hidden.png link.png notes.txt " ] || fail "in the folder are $(ls -A in)"
asks 200 'source="folder",outcome="failed"} 1' "$url/metrics"
end
has_lines 4 || fail "there are $(lines) lines"

# Killed again and again while 200 pictures come: each has exactly one line, whether they are moved or stay.
for how in "--move done2" ""; do
  rm -rf in res done2
  mkdir in
  for i in $(seq 200); do
    cp "${pictures[$((i % 8))]}" "in/.new" && mv in/.new "in/$i.png"
  done
  for kill in 1 2 3 4; do
    begin gear.flawmap --watch in -o res $how --no-maps --no-masks --no-overlays
    before=$(lines)
    waits 30 eval "[ \$(lines) -gt $((before + kill * 7)) ] || [ \$(lines) -ge 200 ]"
    kill -KILL $served
    wait $served 2>/dev/null
    served=
    cp "${pictures[0]}" "in/late$kill.png"
  done
  printf '{"picture":"in/torn' >>res/results.jsonl # as a crash in the middle of a line leaves it
  begin gear.flawmap --watch in -o res $how --no-maps --no-masks --no-overlays
  waits 60 has_lines 204
  [ -z "$how" ] || waits 5 eval '[ -z "$(ls in)" ]'
  end
  [ "$(grep -o '"picture":"[^"]*' res/results.jsonl | sort | uniq -d | wc -l)" = 0 ] || fail "some have two lines"
  has_lines 204 || fail "$(lines) lines"
  [ -z "$how" ] || [ "$(ls done2 | wc -l)" = 204 ] || fail "$(ls done2 | wc -l) pictures were moved"
  [ -n "$how" ] || [ "$(ls in | wc -l)" = 204 ] || fail "$(ls in | wc -l) pictures stayed"
done

# With several models each has its folder; a stop finishes what was taken.
small_model other.flawmap --seed 5
begin gear.flawmap other.flawmap --watch both -o two
cp "${pictures[0]}" both/gear/x.png
cp "${pictures[0]}" both/other/x.png
waits 30 eval '[ "$(cat two/results.jsonl | wc -l)" = 2 ]'
grep -q '"picture":"both/gear/x.png".*"model":"gear"' two/results.jsonl && grep -q '"picture":"both/other/x.png".*"model":"other"' two/results.jsonl ||
  fail "each model scores its own: $(cat two/results.jsonl)"
[ -e two/overlays/gear/x.png ] && [ -e two/overlays/other/x.png ] || fail "the overlays: $(find two)"
asks 400 'several models' --data-binary "@${pictures[0]}" "$url/v1/score"
end
exit 0
