#!/usr/bin/env bash
# Under load and under attack: a full queue refuses and forgets nothing, deadlines hold, a stop finishes what was accepted, slow
# clients are cut off and cost nobody else, a model is replaced while it is used and a bad one is not, events arrive.
# usage: test_load.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/lib.sh"

trap "" PIPE # of a connection that was cut off
gear 2 2
small_model gear.flawmap
small_model other.flawmap --seed 5
pictures=(data/gear/test/*/*.png)
p=${pictures[0]}

# A batch waits a second here, so that what comes meanwhile finds the queue of two full.
begin gear.flawmap --queue 2 --wait 1000 --patience 1
asks 504 'before its deadline' --data-binary "@$p" "$url/v1/score?deadline_ms=1"
clients=()
for i in 1 2 3 4 5 6; do
  curl -s -m 30 -D "head$i" -o "body$i" --data-binary "@$p" "$url/v1/score?name=$i" &
  clients+=($!)
done
wait "${clients[@]}"
full=$(grep -l '^HTTP/1.1 503' head? | wc -l)
done=$(grep -l '^HTTP/1.1 200' head? | wc -l)
[ $((full + done)) = 6 ] && [ "$done" -ge 2 ] && [ "$full" -ge 2 ] || fail "of six $done were scored and $full refused"
grep -qi '^Retry-After: 1' "$(grep -l '^HTTP/1.1 503' head? | head -1)" || fail "503 without Retry-After"
asks 200 '"verdict"' --data-binary "@$p" "$url/v1/score" # and it goes on
asks 200 "^flawmap_refused_total{why=\"full\"} $full" "$url/metrics"

# Who sends a byte now and then, in the head or in the body, is cut off; others are served meanwhile.
address=${url#http://}
for start in 'GET /health' "POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"; do
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  began=$SECONDS cut=
  printf "$start" >&3
  for i in $(seq 40); do
    printf 'x' >&3 2>/dev/null || { cut=1; break; }
    sleep 0.2
    [ "$i" != 3 ] || asks 200 live "$url/health/live"
  done 2>/dev/null
  exec 3>&-
  [ "$cut" ] || fail "a slow client was served for $((SECONDS - began)) s: $start"
done
waits 5 eval "curl -s $url/metrics | grep -q '^flawmap_refused_total{why=\"slow\"} 2'"

# A stop finishes what was accepted, and nothing new is.
curl -s -m 30 -o late --data-binary "@$p" "$url/v1/score" &
client=$!
waits 5 eval "curl -s $url/metrics | grep -q '^flawmap_queue_pictures 1'"
end
wait $client || fail "the request that was at hand was dropped: $?"
grep -q '"verdict"' late || fail "the request that was at hand was not answered: $(cat late)"

# A model is replaced while pictures come; none fails, and the new one is used in the end. A bad file is refused.
cp gear.flawmap live.flawmap
begin live.flawmap
curl -s -N -m 60 "$url/v1/events" >events &
reader=$!
waits 5 grep -q 'still here' events
asks 200 . --data-binary "@$p" "$url/v1/score"
before=$(grep -o '"score":[^,]*' answer)
waits 5 grep -q '^data: {"picture"' events
grep -qF "$before" events || fail "the event says something else: $(cat events)"
kill $reader
(
  while [ ! -e enough ]; do
    curl -s -m 30 -w '%{http_code}\n' -o /dev/null --data-binary "@$p" "$url/v1/score"
  done >codes
) &
load=$!
cp other.flawmap new && mv new live.flawmap
waits 30 eval "curl -s $url/v1/models | grep -q '\"version\":2'"
head -c 5000 gear.flawmap >new && mv new live.flawmap
waits 30 eval "curl -s $url/v1/models | grep -q '\"refused\"'"
touch enough
wait $load
[ "$(sort -u codes)" = 200 ] || fail "while the model was replaced: $(sort codes | uniq -c)"
asks 200 '"model_version":2' --data-binary "@$p" "$url/v1/score"
[ "$before" != "$(grep -o '"score":[^,]*' answer)" ] || fail "the new model scores as the old one"
asks 202 reload -X POST "$url/v1/models/live/reload"
asks 404 'no model' -X POST "$url/v1/models/none/reload"
end

# Again with what was missed: the reader says what it has seen.
begin gear.flawmap
for i in 1 2 3; do asks 200 . --data-binary "@$p" "$url/v1/score?name=p$i"; done
curl -s -N -m 2 -H 'Last-Event-ID: 1' "$url/v1/events" >events
[ "$(grep -c '^data: ' events)" = 2 ] && grep -q '"picture":"p3"' events || fail "events after the first: $(cat events)"

# What the page asks for: the last pictures, and what they look like.
asks 200 '"picture":"p3"' "$url/v1/pictures"
id=$(grep -o '"id":"[^"]*' answer | head -1 | cut -d'"' -f4)
for what in picture heat overlay mask map 'picture?side=32'; do
  asks 200 . "$url/v1/pictures/$id/$what"
done
[ "$(head -c 3 answer | od -An -tx1 | tr -d ' ')" = ffd8ff ] || fail "the picture is no JPEG"
run predict --untrained gear.flawmap "$p" -o want
asks 200 . "$url/v1/pictures/$id/overlay"
cmp answer "$(find want/overlays -name '*.png')" || fail "an overlay that is drawn later is another"
asks 404 'not repair' "$url/v1/pictures/$id/repaired"
asks 404 'of a picture there are' "$url/v1/pictures/$id/passwd"
asks 404 'no picture' "$url/v1/pictures/nobody/picture"
asks 400 "'side'" "$url/v1/pictures/$id/picture?side=1"
end
exit 0
