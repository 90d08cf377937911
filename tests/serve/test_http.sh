#!/usr/bin/env bash
# Pictures over HTTP: the service says what predict says, as single pictures and as several in a form; what is broken, too
# large, not known or not allowed is answered with one sentence and a fitting status, and the service goes on.
# usage: test_http.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/lib.sh"

gear 3 3
small_model gear.flawmap
run predict --untrained gear.flawmap data/gear/test -o want --json
mv out lines
begin gear.flawmap --max-request 1 --max-pixels 1

# Verdict, score and threshold of each; map, mask and overlay are the files that predict writes, byte for byte.
pictures=(data/gear/test/*/*.png)
for p in "${pictures[@]}"; do
  asks 200 '"verdict"' --data-binary "@$p" "$url/v1/score?name=it"
  wanted=$(grep -F "\"$p\"" lines | grep -o '"verdict":.*"threshold":[^,}]*')
  grep -qF "$wanted" answer || fail "$p is scored otherwise than by predict, $wanted: $(cat answer)"
done
name=${pictures[0]#data/gear/test/}
name=${name%.png}
asks 200 '"overlay":"' --data-binary "@${pictures[0]}" "$url/v1/score?with=map,mask,overlay"
for kind in map:maps:tiff mask:masks:png overlay:overlays:png; do
  IFS=: read -r key folder extension <<<"$kind"
  grep -o "\"$key\":\"[^\"]*" answer | cut -d'"' -f4 | base64 -d >got
  cmp got "want/$folder/$name.$extension" || fail "$key is not what predict writes"
done
asks 404 'no model' --data-binary "@${pictures[0]}" "$url/v1/score?model=other"
asks 200 '"model":"gear"' --data-binary "@${pictures[0]}" "$url/v1/score?model=gear"

# Several in a form, one of them broken: each has its own answer.
head -c 300 "${pictures[0]}" >broken.png
asks 200 '"results":\[' -F "a=@${pictures[0]}" -F a=@broken.png -F "b=@${pictures[5]}" "$url/v1/score"
[ "$(grep -o '"verdict"' answer | wc -l)" = 2 ] || fail "of three pictures two are whole: $(cat answer)"
grep -q '"picture":"broken.png","error":"[^"]*","status":422' answer || fail "the broken one: $(cat answer)"

# What is wrong is said in one sentence.
asks 422 '^{"error":"[^"]*truncated[^"]*"}$' --data-binary @broken.png "$url/v1/score"
asks 422 'is no PNG' --data-binary 'no picture' "$url/v1/score"
asks 400 'empty' -X POST "$url/v1/score"
asks 400 "'with' is" --data-binary @broken.png "$url/v1/score?with=everything"
asks 400 "'deadline_ms' is" --data-binary @broken.png "$url/v1/score?deadline_ms=soon"
head -c 1500000 /dev/zero >large
asks 413 'larger than' --data-binary @large "$url/v1/score"
asks 413 'larger than' -H 'Transfer-Encoding: chunked' --data-binary @large "$url/v1/score"
printf '\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x07\xd0\x00\x00\x07\xd0\x08\x02\x00\x00\x00\x15\x5a\x53\x2e\x00\x00\x00\x06\x49\x44\x41\x54\x78\x9c\x63\x60\x80\x00\x99\xb6\x57\xfb' >bomb.png # 2000 x 2000 pixels, says its header
asks 413 'at most 1000000' --data-binary @bomb.png "$url/v1/score"

# Paths: nothing of the machine's files can be reached, no other method, no other site's page.
for path in /etc/passwd /../../etc/passwd /%2e%2e/%2e%2e/etc/passwd /v1/pictures/../../etc/passwd /v1/pictures/..%2f..%2f/picture \
  /v1/pictures/x/..%2fx //etc/passwd '/v1/models/%00/reload'; do
  asks 404 'nothing of that name' --path-as-is "$url$path"
done
asks 405 'cannot be done' "$url/v1/score"
asks 405 'cannot be done' -X DELETE "$url/v1/models"
asks 403 'only this machine' -H 'Host: evil.example' "$url/v1/models"
asks 403 'only this machine' -H 'Origin: http://evil.example' --data-binary "@${pictures[0]}" "$url/v1/score"

# What is asked by those who watch it.
asks 200 '"live":true' "$url/health/live"
asks 200 '"ready":true' "$url/health/ready"
asks 200 '"name":"gear","version":1' "$url/v1/models"
asks 200 'flawmap_pictures_total{model="gear",source="http",outcome="failed"}' "$url/metrics"
asks 200 '"openapi": "3' "$url/openapi.json"
for path in $(grep -o '{"GET\|{"POST", "[^"]*' "$source/host/serve/http_routes.c" | wc -l); do [ "$path" -gt 8 ] || fail "no routes were found"; done
asks 200 "<title>flawmap" "$url/"
curl -s -D head -o page "$url/"
hash=$({ echo; sed -n '/^<script>$/,/^<\/script>$/p' page | sed '1d;$d'; } | openssl dgst -sha256 -binary | base64)
grep -qF "sha256-$hash" head || fail "the page's policy does not name its script: $(cat head)"
end

# Others than this machine may ask only with a token.
refuses 2 'give a token' serve --untrained gear.flawmap --listen 0.0.0.0:0
echo short >token
refuses 2 'holds no token' serve --untrained gear.flawmap --token-file token
refuses 2 'cannot be listened on' serve --untrained gear.flawmap --listen nowhere
refuses 2 'are called' serve --untrained gear.flawmap gear.flawmap
refuses 1 'nothere' serve --untrained nothere --listen 127.0.0.1:0
echo 0123456789abcdef0123 >token
begin gear.flawmap --token-file token
asks 401 'token is missing or wrong' "$url/v1/models"
asks 401 'token is missing or wrong' -H 'Authorization: Bearer 0123456789abcdef012' "$url/v1/models"
asks 401 'token is missing or wrong' -H 'Authorization: Bearer 0123456789abcdef01230123456789abcdef0123' "$url/v1/models"
asks 401 'token is missing or wrong' --data-binary "@${pictures[0]}" "$url/v1/score"
asks 401 'token is missing or wrong' "$url/nothing/of/that/name"
asks 200 '"gear"' -H 'Authorization: Bearer 0123456789abcdef0123' "$url/v1/models"
asks 200 '"live"' "$url/health/live"
end
exit 0
