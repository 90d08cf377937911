#!/usr/bin/env python3
"""Reference values for PatchCore's operators, by definitions of others: features by unfolding and adaptive pooling as in the
authors' code (PyTorch), nearest neighbours by scikit-learn, the coreset by numpy, the weight of the picture's score by scipy.
Writes tests/op/patchcore_golden.h.

    python tests/reference/patchcore.py
Needs numpy, scipy, scikit-learn, torch.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors

HERE = os.path.dirname(os.path.abspath(__file__))


def wave(count, a, b):
    """The same procedural numbers as the test's wave()."""
    i = np.arange(count, dtype=np.float64)
    return np.sin(a * i + b) + 0.3 * np.sin(0.37 * i * a + 1)


def taps(c1, c2, h, w):
    h2, w2 = (h + 1) // 2, (w + 1) // 2
    one = torch.tensor(wave(c1 * h * w, 1.1, 0.2).reshape(1, c1, h, w))
    two = torch.tensor(wave(c2 * h2 * w2, 0.7, 0.5).reshape(1, c2, h2, w2))
    return one, two


def official(one, two, dimensions, mapped=1024):
    """PatchMaker, MeanMapper, Aggregator of amazon-science/patchcore-inspection."""
    h, w = one.shape[2:]
    parts = []
    for t in (one, two):
        u = F.unfold(t, 3, padding=1)  # [1, c * 9, places]
        u = u.reshape(1, u.shape[1], *t.shape[2:])
        if t.shape[2:] != (h, w):
            u = F.interpolate(u, size=(h, w), mode="bilinear", align_corners=False)
        u = u.permute(0, 2, 3, 1).reshape(h * w, 1, -1)  # channel * 9 + place, as its unfold and reshape give
        parts.append(F.adaptive_avg_pool1d(u, mapped)[:, 0])
    both = torch.stack(parts, 1).reshape(h * w, 1, -1)
    return F.adaptive_avg_pool1d(both, dimensions)[:, 0]


def concat(one, two):
    """anomalib's."""
    h, w = one.shape[2:]
    a, b = (F.avg_pool2d(t, 3, 1, 1) for t in (one, two))
    b = F.interpolate(b, size=(h, w), mode="bilinear", align_corners=False)
    return torch.cat([a, b], 1).permute(0, 2, 3, 1).reshape(h * w, -1)


def closed(one, two):
    """DETECTORS' closed form for 512 + 1024 channels."""
    h, w = one.shape[2:]
    kernel = torch.ones(3, 3, dtype=torch.float64)
    kernel[1, 1] = 2
    a = F.conv2d(one, (kernel / 10).expand(one.shape[1], 1, 3, 3), padding=1, groups=one.shape[1])
    b = F.interpolate(F.avg_pool2d(two, 3, 1, 1), size=(h, w), mode="bilinear", align_corners=False)
    b = (b[:, 0::2] + b[:, 1::2]) / 2
    return torch.cat([a, b], 1).permute(0, 2, 3, 1).reshape(h * w, -1)


def features(out):
    cases = [(False, 0, 5, 7, 4, 6), (True, 1024, 5, 7, 4, 6), (True, 384, 40, 112, 3, 5), (True, 1024, 512, 1024, 4, 4),
             (True, 50, 24, 33, 7, 7), (True, 1500, 30, 20, 2, 2), (True, 3, 6, 4, 1, 2)]
    out.append("struct golden_feature {\n  int official, dimensions, c1, c2, h, w, cell, number;\n  double value;\n};\n")
    out.append("static const struct golden_feature golden_features[] = {")
    for flag, dimensions, c1, c2, h, w in cases:
        one, two = taps(c1, c2, h, w)
        f = official(one, two, dimensions) if flag else concat(one, two)
        if (c1, c2, dimensions) == (512, 1024, 1024):
            worst = (f - closed(one, two)).abs().max().item()
            print("closed form of 512 + 1024 channels: differs by at most %.1e" % worst)
            assert worst < 1e-12
        f = f.numpy()
        for i in range(24):
            cell, number = (i * 7) % f.shape[0], (i * 2654435761 // 16) % f.shape[1]
            out.append("    {%d, %d, %d, %d, %d, %d, %d, %d, %.17g}," %
                       (flag, dimensions, c1, c2, h, w, cell, number, f[cell, number]))
    out.append("};\n")


def neighbours(out):
    bank, x = wave(60 * 7, 0.9, 0.1).reshape(60, 7), wave(5 * 7, 1.3, 0.7).reshape(5, 7)
    bank, x = (v.astype(np.float32).astype(np.float64) for v in (bank, x))
    distance, index = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(bank).kneighbors(x)
    out.append("/* 5 rows of 7 among 60: 4 neighbours each, squared distances. */")
    out.append("static const int golden_index[20] = {%s};" % ", ".join(map(str, index.ravel())))
    out.append("static const double golden_distance[20] = {%s};\n" %
               ", ".join("%.17g" % (v * v) for v in distance.ravel()))


def coreset(out):
    x, start = wave(200 * 5, 1.9, 0.4).astype(np.float32).astype(np.float64).reshape(200, 5), (3, 50, 120, 199)
    to = lambda i: np.sqrt(((x - x[i]) ** 2).sum(1))
    distance, picks = np.mean([to(i) for i in start], 0), []
    for _ in range(40):
        picks.append(int(distance.argmax()))
        distance = np.minimum(distance, to(picks[-1]))
    out.append("/* 40 of 200 points of 5 numbers. */")
    out.append("static const uint32_t golden_start[4] = {%s}, golden_picks[40] = {%s};\n" %
               (", ".join(map(str, start)), ", ".join(map(str, picks))))


def main():
    out = ["/* Written by tests/reference/patchcore.py. */", "#ifndef FM_TESTS_PATCHCORE_GOLDEN_H",
           "#define FM_TESTS_PATCHCORE_GOLDEN_H\n", "#include <math.h>", "#include <stdint.h>\n",
           "/* The procedural numbers that everything below was computed from. */",
           "static inline double golden_wave(int i, double a, double b) {",
           "  return sin(a * i + b) + 0.3 * sin(0.37 * i * a + 1);\n}\n"]
    features(out)
    neighbours(out)
    coreset(out)
    out.append("#endif\n")
    with open(os.path.join(HERE, "..", "op", "patchcore_golden.h"), "w") as f:
        f.write("\n".join(out))


if __name__ == "__main__":
    main()
