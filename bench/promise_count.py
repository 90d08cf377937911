"""Verdicts and masks of `flawmap predict DATA/test --json`: good pictures flagged, flawed ones found, and masks that deny the
verdict: of a flagged picture an empty one, of one that passed one that is not."""
import json
import os
import struct
import sys
import zlib


def marks_something(path):
    """True where a grey PNG is not black all over: filters of PNG leave zeros zeros, and make no others all zero."""
    data, at, packed, width, height = open(path, "rb").read(), 8, b"", 0, 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert colour == 0, path
            row = 1 + (width * depth + 7) // 8
        if kind == b"IDAT":
            packed += body
        at += 12 + length
    plain = zlib.decompress(packed)
    return any(any(plain[y * row + 1 : (y + 1) * row]) for y in range(height))


count = {True: [0, 0], False: [0, 0]}
denied = 0
for line in open(sys.argv[1]):
    picture = json.loads(line)
    good, flagged = os.path.basename(os.path.dirname(picture["picture"])) == "good", picture["verdict"] == "flawed"
    count[good][0] += flagged
    count[good][1] += 1
    denied += flagged != marks_something(picture["mask"])
print("%d of %d | %d of %d | %d" % (*count[True], *count[False], denied))
