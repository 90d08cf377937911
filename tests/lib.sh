# What the shell tests share: . "$(dirname "$0")/../lib.sh"
# The program is $flawmap and the source folder $source, both absolute. The test stands in $work, an empty folder that goes
# with it, and finds no weights in the home folder. What a command said is in the files out and err.
set -u
flawmap=$(realpath "$1")
source=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work/none XDG_DATA_DIRS=$work/none
cd "$work" || exit 1

fail() {
  echo "$(basename "$0" .sh): $*" >&2
  exit 1
}

# run COMMAND...: flawmap COMMAND, which must end well.
run() { "$flawmap" "$@" >out 2>err || fail "'$*' failed: $(cat err)"; }

# ends STATUS COMMAND...: it must end with that status, within two minutes.
ends() {
  local wanted=$1 got
  shift
  timeout 120 "$flawmap" "$@" >out 2>err
  got=$?
  [ $got = "$wanted" ] || fail "'$*' ended with $got, not $wanted: $(cat out err)"
}

# says TEXT: in those very words, on either stream.
says() { grep -qF -- "$1" out err || fail "'$1' was not said: $(cat out err)"; }

# expect STATUS TEXT COMMAND...: ends with the status and says the text.
expect() {
  local wanted=$1 text=$2
  shift 2
  ends "$wanted" "$@"
  grep -qF -- "$text" out err || fail "'$*' did not say '$text': $(cat out err)"
}

# refuses STATUS PATTERN COMMAND...: the same with a pattern, and what is said is one sentence.
refuses() {
  local wanted=$1 pattern=$2
  shift 2
  ends "$wanted" "$@"
  [ "$(grep -c '^flawmap: ' err)" = 1 ] || fail "'$*' did not say one sentence: $(cat err)"
  grep -q -- "$pattern" err || fail "'$*' did not say '$pattern': $(cat err)"
}

# gear GOOD FLAWED [SYNTH'S OPTIONS]: pictures of 64 x 64 in data, so many in its test folders and four to learn from.
gear() {
  local good=$1 flawed=$2
  shift 2
  run synth data --size 64 --train 4 --good "$good" --flawed "$flawed" --product gear "$@"
}
