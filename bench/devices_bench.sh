#!/usr/bin/env bash
# Devices or drivers beside each other: each is proved and measured in turn ('flawmap bench --share'), round after round, so
# that a busy moment of the machine does not fall on one of them alone; then the rounds of each become one file.
#
#   bench/devices_bench.sh ROUNDS FILE.json='COMMAND' ...
#
# COMMAND runs flawmap with that driver, for instance build/release/flawmap, or with another one than the usual:
# 'env OCL_ICD_VENDORS=/path/to/driver.so build/release/flawmap'. Files under bench/results/devices are what
# bench/devices_table.py makes docs/devices.md's table of. QUICK=1: small pictures, to see that it works.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[[ $# -ge 2 && $1 == [1-9]* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
rounds=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for round in $(seq "$rounds"); do
  for pair; do
    name=$(basename "${pair%%=*}" .json) began=$SECONDS
    mkdir -p "$work/$name"
    ${pair#*=} bench ${QUICK:+--quick} --share "$work/$name/$round.json" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    echo "round $round: $name, $((SECONDS - began)) s, load $(cut -d ' ' -f 1 /proc/loadavg)"
  done
done
for pair; do
  file=${pair%%=*}
  python3 "$here/devices_table.py" merge "$work/$(basename "$file" .json)"/*.json >"$file.part"
  mv "$file.part" "$file"
  echo "written: $file"
done
