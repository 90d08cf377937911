#!/usr/bin/env bash
# The table of options that programs read, and what is made of it: completion in bash (and in zsh, where there is one), and
# the manual's section OPTIONS, which must be that of this program.
# usage: test_completion.sh FLAWMAP SOURCE_FOLDER
set -u
flawmap=$(realpath "$1")
source=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$(dirname "$flawmap"):$PATH

fail() {
  echo "test_completion: $*" >&2
  exit 1
}

commands=$("$flawmap" --list-options | cut -f1)
[ "$(wc -w <<<"$commands")" -ge 16 ] || fail "few commands: $commands"
for command in $commands; do
  "$flawmap" "$command" --list-options >"$work/table" || fail "no table of $command"
  awk -F'\t' 'NF != 4 || $1 !~ /^--?[a-z0-9-]+$/ || ($2 != "flag" && $2 != "value") { exit 1 }' "$work/table" ||
    fail "$command: not a table: $(cat "$work/table")"
  # The help shows the same names.
  for name in $(cut -f1 "$work/table"); do
    "$flawmap" "$command" --help | grep -qE -- "(^| )$name( |$)" || fail "$command --help does not show $name"
  done
done

"$source/docs/options_man.sh" "$flawmap" >"$work/section" || fail "no section for the manual"
awk '/Made by docs\/options_man.sh/ { show = 1 } /^\.SH DATA SETS/ { show = 0 } show' "$source/docs/flawmap.1" >"$work/manual"
cmp -s "$work/section" "$work/manual" ||
  fail "the manual's options are not the program's; docs/options_man.sh FLAWMAP docs/flawmap.1 mends it: $(diff "$work/manual" "$work/section" | head -5)"

# complete WORD...: what bash offers in the place of the last one.
complete_words() {
  bash -c 'source "$0"; COMP_WORDS=(flawmap "$@"); COMP_CWORD=$#; _flawmap; printf "%s\n" "${COMPREPLY[@]}"' \
    "$source/docs/completion/flawmap.bash" "$@"
}
offers() { # offers EXPECTED WORD...
  local expected=$1 got
  shift
  got=$(complete_words "$@" | sort | tr '\n' ' ')
  [ "$got" = "$expected" ] || fail "flawmap $*: '$got' instead of '$expected'"
}
offers "predict " pred
offers "--leave-out-odd " train --leave
offers "gain " train --light g
offers "padim patchcore " train --method pa
offers "--coreset " train --method patchcore --cores
offers " " train --cores # not one of every method's
offers "off " predict --refine o
offers " " train -o m # a file: the shell's own completion
complete_words train --recipe "" | grep -qx cdo2025 || fail "recipes are not offered"
complete_words bench --backbone res | grep -qx resnet18 || fail "networks are not offered"

command -v zsh >/dev/null || exit 0
zsh -n "$source/docs/completion/_flawmap" || fail "zsh does not read its completion"
