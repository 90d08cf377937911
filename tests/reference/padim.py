#!/usr/bin/env python3
"""Reference values for PaDiM: squared Mahalanobis distances at every cell by numpy's covariance and inverse in double precision,
directly and by Woodbury's identity (which must agree), from fewer pictures than channels and channels whose scales differ by a
thousand. Writes tests/op/padim_golden.h.

    python tests/reference/padim.py
Needs numpy.
"""
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
N, H, CHANNELS = 12, 8, (7, 6, 11)
CHOSEN = [c for c in range(24) if c % 6 != 4]  # 20 of 24


def scale(c):
    """Of a channel's numbers, from 0.03 to 30."""
    return 0.03 * 10.0 ** (3 * ((5 * c) % 24) / 23)


def picture(n):
    """The taps of a picture, as float32; the test's own function makes the same ones."""
    taps, first = [], 0
    for t, c in enumerate(CHANNELS):
        h = H >> t
        i = np.arange(c * h * h, dtype=np.float64)
        channel = first + np.arange(c).repeat(h * h)
        v = scale(channel) * (4 + np.sin(0.7 * i * (n + 1) + 0.3 * channel) + 0.5 * np.sin(1.9 * i + 2.3 * n))
        taps.append(v.astype(np.float32).astype(np.float64).reshape(c, h, h))
        first += c
    return taps


def embed(taps):
    up = [np.repeat(np.repeat(t, 1 << k, axis=1), 1 << k, axis=2) for k, t in enumerate(taps)]
    return np.concatenate(up)[CHOSEN].reshape(len(CHOSEN), -1)


x = np.stack([embed(picture(n)) for n in range(N)])  # [N][d][cells]
d, cells = x.shape[1:]
lines = []
for query in (N, N + 1):
    f = embed(picture(query))
    for q in range(0, cells, 5):
        mean, centred = x[:, :, q].mean(0), x[:, :, q] - x[:, :, q].mean(0)
        cov = np.cov(x[:, :, q], rowvar=False) + 0.01 * np.eye(d)
        v = f[:, q] - mean
        direct = v @ np.linalg.solve(cov, v)
        k = 0.01 * (N - 1) * np.eye(N) + centred @ centred.T
        t = centred @ v
        woodbury = (v @ v - t @ np.linalg.solve(k, t)) / 0.01
        assert abs(direct - woodbury) < 1e-6 * direct, (direct, woodbury)
        lines.append(f"    {{{query}, {q}, {direct:.12g}}},")
with open(os.path.join(HERE, "..", "op", "padim_golden.h"), "w") as out:
    out.write("/* Made by tests/reference/padim.py: picture, cell, squared Mahalanobis distance. */\n")
    out.write("static const struct {\n  int picture, cell;\n  double distance;\n} padim_golden[] = {\n")
    out.write("\n".join(lines) + "\n};\n")
print(len(lines), "distances")
