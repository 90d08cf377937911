#!/usr/bin/env bash
# Names of files and folders, options, tensors and a model's metadata come from anywhere: whatever is in them, no command
# prints a control character, forges a line or turns the writing around, and JSON and HTML keep them in their place.
# usage: test_foreign_names.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

bad=$'\e]0;pwn\a\nflawmap: forged\r\u202e\u009b31m\xff'

# clean WANTED COMMAND...: its exit status, and nothing in what it says but printable characters and ends of lines.
clean() {
  local wanted=$1 status
  shift
  "$flawmap" "$@" >out 2>err
  status=$?
  [ $status = "$wanted" ] || fail "$1 ended with $status, not $wanted: $(cat -v err | tail -2)"
  LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae|\xc2\x9b' out err && fail "$1 prints what it should show: $(cat -v out err)"
  iconv -f UTF-8 -t UTF-8 out err >/dev/null 2>&1 || fail "$1 prints bytes that are no UTF-8"
  grep -q '^flawmap: forged' out err && fail "$1: a name forges a line"
  [ "$(grep -c '^flawmap: ' err)" -le 1 ] || fail "$1 says more than one thing: $(cat -v err)"
}

clean 0 synth "data$bad" --size 64 --train 4 --good 1 --flawed 1 --product gear
mkdir data && mv "data$bad/gear" "data/gear$bad"
gear="data/gear$bad"
kind=$(ls "$gear/test" | grep -v good | head -1)
mv "$gear/test/$kind" "$gear/test/kind$bad"
mv "$gear/ground_truth/$kind" "$gear/ground_truth/kind$bad"
for picture in "$gear"/train/good/000.png "$gear"/test/good/000.png; do mv "$picture" "${picture%.png}$bad.png"; done
clean 0 train "$gear" --method padim --channels 5 --size 64 --hold-out 50% -o "model$bad" --untrained ||
  fail "no model"
model="model$bad"
clean 0 predict --untrained "$model" "$gear/test" -o "o$bad"
grep -qF 'pwn\x07\nflawmap: forged\r\u202e\u009b31m\xff.png' out || fail "predict does not show the name: $(cat out)"
clean 0 predict --untrained "$model" "$gear/test" -o "o$bad" --json
python3 -c 'import json,sys; [json.loads(l) for l in open("out", encoding="utf-8")]' 2>/dev/null || ! command -v python3 >/dev/null || fail "not JSON: $(cat out)"
clean 0 info "$model"
clean 0 info "$model" --json
clean 0 calibrate "$model" "$gear/train/good" -o "c$bad"
clean 0 eval "$model" "$gear" -o "r$bad" --no-maps --no-masks --no-overlays
LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae|\xc2\x9b' "r$bad/report.html" && fail "raw controls in the report"

# What is refused names it, in one line.
printf x >"p$bad.png"
clean 1 info "p$bad.png"
clean 1 convert "p$bad.png"
clean 1 verify "p$bad.png"
clean 1 predict --untrained "$model" "p$bad.png" -o y
clean 2 train "no$bad" -o z
clean 2 "no$bad"
clean 2 predict "--no$bad" x y
clean 2 fetch "no$bad"
clean 1 fetch resnet18 --from "p$bad.png" -o z
clean 1 metrics "no$bad" "no$bad"
clean 2 eval "$model" data --category "no$bad" -o z

# A tensor's name, and a model's metadata: printed by convert and info, and in what they refuse.
python3 - "$model" "$bad" <<'P' 2>/dev/null || { command -v python3 >/dev/null && fail "cannot change the model"; exit 0; }
import json, os, struct, sys
data = open(os.fsencode(sys.argv[1]), "rb").read()
bad = os.fsencode(sys.argv[2]).decode("utf-8", "replace")
n = struct.unpack("<Q", data[:8])[0]
def write(path, change):
    head = json.loads(data[8:8 + n])
    change(head)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data[8 + n:])
def meta(key, value):
    return lambda head: head["__metadata__"].update({key: value})
write("device", meta("device", bad))
write("category", meta("data.category", bad))
write("method", meta("recipe.method", bad))
write("backbone", meta("recipe.backbone", bad))
write("resize", meta("recipe.resize", bad[:7]))
write("number", meta("recipe.size", bad))
write("program", lambda h: h["__metadata__"].update({"flawmap.program": bad, "flawmap.model": "9" + bad}))
def tensor(head):
    head["padim.mean\u202e\u009b31m"] = head.pop("padim.mean")
write("tensor", tensor)
P
clean 0 info device
grep -qF '\x1b]0;pwn' out || fail "info does not show the device: $(cat -v out)"
clean 0 info device --json
clean 0 info category
clean 0 convert tensor
grep -qF 'padim.mean\u202e\u009b31m' out || fail "convert does not show the tensor's name"
for model in method backbone resize number program tensor; do
  clean 1 info $model
  clean 1 predict --untrained $model "$gear/test" -o y
done
exit 0
