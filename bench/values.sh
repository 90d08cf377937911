# shellcheck shell=bash
# Sourced by the scripts beside it: values FILE SECTION KEY... prints ",VALUE" for each key of an evaluation's metrics.json.
# SECTION: 1 official, at the pictures' own size; 2 at the training size.
values() {
  local file=$1 section=$2 key
  shift 2
  for key; do
    printf ',%s' "$(grep -o "\"$key\": *[-0-9.e+]*" "$file" | sed -n "${section}p" | sed 's/.*: *//')"
  done
}
