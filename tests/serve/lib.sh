# What the tests of the service share, on top of ../lib.sh. A build without libmicrohttpd has no service: then there is
# nothing to test.
. "$(dirname "$0")/../lib.sh"
"$flawmap" serve x >out 2>err
if grep -q 'built without libmicrohttpd' err; then
  echo "no service in this build"
  exit 0
fi
command -v curl >/dev/null || fail "curl is needed: apt-get install curl"

served=
trap '[ -z "$served" ] || kill -KILL $served 2>/dev/null; rm -rf "$work"' EXIT

# small_model NAME [TRAIN'S OPTIONS]: learned from data/gear in a second; the expert is untrained.
small_model() {
  local name=$1
  shift
  run train --untrained data --category gear --size 64 --method padim --channels 10 --false-alarms 0.4 "$@" -o "$name"
}

# begin OPTIONS...: a service on a free port, at $url; it is ready when this returns. What it says is in said and noted.
begin() {
  : >said
  "$flawmap" serve --untrained --listen 127.0.0.1:0 "$@" >said 2>noted &
  served=$!
  waits 60 grep -q '^ready' said
  url=$(sed -n 's/^listening on //p' said)
}

# end: it is asked to stop, and must end well within 20 s.
end() {
  local status
  kill -TERM $served
  ( sleep 20; kill -KILL $served ) 2>/dev/null &
  local guard=$!
  wait $served
  status=$?
  kill $guard 2>/dev/null
  served=
  [ $status = 0 ] || fail "the service ended with $status: $(cat noted)"
}

# waits SECONDS COMMAND...: until it succeeds.
waits() {
  local tries=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "waited in vain for: $* ($(cat said noted 2>/dev/null | tail -5))"
    [ -z "$served" ] || kill -0 $served 2>/dev/null || fail "the service is gone: $(cat noted)"
    sleep 0.05
  done
}

# asks STATUS PATTERN CURL'S ARGUMENTS...: the answer is in the file answer.
asks() {
  local wanted=$1 pattern=$2 got
  shift 2
  got=$(curl -s -m 30 -o answer -w '%{http_code}' "$@")
  [ "$got" = "$wanted" ] || fail "'$*' was answered with $got, not $wanted: $(head -c 400 answer)"
  grep -q -- "$pattern" answer || fail "'$*' was not answered with '$pattern': $(head -c 400 answer)"
}
