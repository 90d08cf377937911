#!/usr/bin/env bash
# The manual's section OPTIONS, made from the program's own table (--list-options).
# usage: options_man.sh FLAWMAP            prints the section
#        options_man.sh FLAWMAP MANUAL     puts it into the manual, in the place of the one that is there
set -euo pipefail
export LC_ALL=C
flawmap=$1

# Lines of the table as entries of a list; an option without a help text has only its default.
entries() {
  sed -e 's/\\/\\e/g' -e 's/-/\\-/g' | awk -F'\t' '{
    print ".TP"
    print ($3 == "" ? ".B " $1 : ".BI \"" $1 " \" \"" $3 "\"")
    print ($4 == "" ? "\\&" : $4) }'
}

section() {
  echo '.\" Made by docs/options_man.sh from the program'"'"'s table; a test compares.'
  echo '.SH OPTIONS'
  local command about method
  while IFS=$'\t' read -r command about; do
    printf '.SS %s\n%s\n' "$command" "$about"
    "$flawmap" "$command" --list-options | entries
    [[ $command == train ]] || continue
    for method in cdo cflow padim patchcore; do
      printf '.PP\nConstants of\n.BR "\\-\\-method %s" :\n' $method
      # Those that auto does not show; --method itself stands there with another default.
      grep -vxFf <("$flawmap" train --list-options | cut -f1) <("$flawmap" train --method $method --list-options | cut -f1) |
        while IFS= read -r name; do
          "$flawmap" train --method $method --list-options | awk -F'\t' -v name="$name" '$1 == name'
        done | entries
    done
  done < <("$flawmap" --list-options)
}

if [[ ! ${2-} ]]; then
  section
  exit
fi
made=$(mktemp)
trap 'rm -f "$made"' EXIT
awk '/Made by docs\/options_man.sh/ { exit } { print }' "$2" >"$made"
section >>"$made"
awk 'there && /^\.SH DATA SETS/ { show = 1 } /^\.SH OPTIONS/ { there = 1 } !there && /^\.SH DATA SETS/ { show = 1 } show' "$2" >>"$made"
cat "$made" >"$2"
