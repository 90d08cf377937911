#!/usr/bin/env bash
# Every kernel of cl/ runs in its own family's self-test, and a family whose kernels do nothing is refused by
# name. (One kernel at a time: tests/tools/no_op_kernels.sh.)
set -euo pipefail
flawmap=$1 source=$2
fail() { echo "FAIL: $*"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export FLAWMAP_CACHE=$work/cache
unset FLAWMAP_SELFTEST FLAWMAP_CL_DIR

# A model of the kernels as they are; their self-test says which kernels ran in which family's check.
"$flawmap" synth data --size 64 --train 4 --good 1 --flawed 1 --product gear >out
FLAWMAP_VERBOSE=launch "$flawmap" train data --category gear --size 64 --batch 2 --epochs 1 --untrained -o model >out 2>log ||
  fail "train: $(grep -v launch log)"
awk '/^check: /{family=$2} /keeping|^learning/{exit} /^launch: /{if ($2 == family ".cl") print $2, $3}' log | sort -u >ran
for file in "$source"/cl/*.cl; do
  sed -n "s/^KERNEL void \([a-z0-9_]*\)(.*/$(basename "$file") \1/p" "$file"
done | sort -u >all
[ "$(wc -l <all)" -gt 80 ] || fail "only $(wc -l <all) kernels were found in cl/"
comm -13 ran all >unchecked
[ -s unchecked ] && fail "kernels that no row of the self-test runs (host/op/selfcheck.h): $(tr '\n' ',' <unchecked)"
ls cache/*.memo >/dev/null || fail "the verdict is not remembered"

# Without the kernels of one family nothing is computed.
refused() { # FAMILY COMMAND..
  local family=$1 status=0
  shift
  FLAWMAP_CL_DIR=$work/cl "$flawmap" "$@" >out 2>err || status=$?
  [ "$status" != 0 ] && grep -q "(kernels '$family')" out err || fail "$1 without $family: exit $status, $(tail -n 2 err)"
}
for file in "$source"/cl/*.cl; do
  grep -q '^KERNEL void' "$file" || continue # a variant with groups of its own: its family's row runs it where it is chosen
  family=$(basename "$file" .cl)
  rm -rf cl
  cp -r "$source/cl" cl
  awk -f "$source/tests/tools/no_op.awk" "$file" >cl/"$family.cl"
  [ "$(grep -c '{ return;$' cl/"$family.cl")" = "$(grep -c '^KERNEL void' "$file")" ] || fail "$family: not every body was emptied"
  refused "$family" predict model --untrained data/gear/test -o results
  [ ! -e results ] || fail "$family: results in spite of it"
done

# The other commands, with the last family's kernels gone; a verdict about them is not remembered for the good ones.
refused "$family" verify
refused "$family" train data --category gear --size 64 --batch 2 --epochs 1 --untrained -o other
refused "$family" eval model data -o scores
refused "$family" calibrate model data/gear/test/good
refused "$family" bench --quick --size 64
FLAWMAP_VERBOSE=launch "$flawmap" predict model --untrained data/gear/test -o results >out 2>log || [ $? = 1 ] || fail "predict with good kernels: $(cat out)"
grep -q "^check: " log && fail "the good kernels' verdict was forgotten"
# What was found about one set of sources says nothing about another.
cp "$source/cl/"* cl/
echo "/* another */" >>cl/pool.cl
FLAWMAP_CL_DIR=$work/cl FLAWMAP_VERBOSE=launch "$flawmap" predict model --untrained data/gear/test -o results2 >out 2>log || [ $? = 1 ]
grep -q "^check: pool" log || fail "sources of FLAWMAP_CL_DIR passed by the verdict about others"
FLAWMAP_CL_DIR=$work/cl FLAWMAP_VERBOSE=launch "$flawmap" predict model --untrained data/gear/test -o results3 >out 2>log || [ $? = 1 ]
grep -q "^check: pool" log && fail "the verdict about the sources of FLAWMAP_CL_DIR is not remembered"
echo "families: every kernel is checked; none is missed ($(wc -l <all) kernels)"
