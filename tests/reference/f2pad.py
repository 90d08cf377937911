#!/usr/bin/env python3
"""F2PAD's constants and steps in double precision, from docs/math/f2pad.md: makes tests/refine/f2pad_golden.h.

usage: python3 tests/reference/f2pad.py >tests/refine/f2pad_golden.h     (numpy only)

Inputs are numbers of a generator that the test has, too: x = 1664525 x + 1013904223 (mod 2^32), the upper 24 bits as a
fraction.
"""
import numpy as np

COUNT, GRID, SIDE = 60, 4, 16  # held-out pictures, cells a side, pixels a side: what is normal
BLUR = 32  # sigma of 256 pixels: 2 of 16
E_GRID, E_SIDE, STEPS = 16, 64, 10  # the mask


class Numbers:
    def __init__(self, seed):
        self.x = seed

    def next(self, n):
        out = np.empty(n)
        for i in range(n):
            self.x = (1664525 * self.x + 1013904223) % 2**32
            out[i] = (self.x >> 8) / 2**24
        return out


def quantile(values, share):
    """The smallest value that at most a share 1 - q of them is over."""
    ordered = np.sort(np.asarray(values).ravel())
    return ordered[max(int(np.ceil(share * ordered.size)) - 1, 0)]


def gaussian(plane, sigma):
    """Edges mirrored with the edge repeated, radius int(4 sigma + .5)."""
    radius = int(4 * sigma + 0.5)
    weight = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weight /= weight.sum()
    for axis in (0, 1):
        n = plane.shape[axis]
        index = np.arange(-radius, n + radius) % (2 * n)
        index = np.where(index < n, index, 2 * n - 1 - index)
        long = np.take(plane, index, axis=axis)
        plane = sum(w * np.take(long, np.arange(k, k + n), axis=axis) for k, w in enumerate(weight))
    return plane


def enlarge(x, side):
    """Bilinear, half-pixel corners."""
    n = x.shape[0]
    at = np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, None)
    low = np.minimum(at.astype(int), n - 1)
    high, share = np.minimum(low + 1, n - 1), at - low
    rows = (1 - share)[:, None] * x[low] + share[:, None] * x[high]
    return (1 - share) * rows[:, low] + share * rows[:, high]


def normal():
    """What held-out good pictures say: quantiles, tau, rho and rho(p)."""
    numbers = Numbers(1)
    e = numbers.next(COUNT * GRID * GRID).reshape(COUNT, -1)
    e[:, :4] /= 2  # cells that stay below q90
    blur = numbers.next(COUNT * SIDE * SIDE).reshape(COUNT, -1) * (1 + np.arange(SIDE * SIDE) % SIDE / 16) / 8
    blur = blur.astype(np.float32).astype(float)
    tau = np.maximum([quantile(e[:, c], 0.98) for c in range(GRID * GRID)], quantile(e, 0.9))
    rho = max(quantile(blur, 0.99), 1 / 255)
    own = gaussian(np.sqrt((blur**2).mean(0)).reshape(SIDE, SIDE), BLUR * SIDE / 256).ravel()
    return quantile(e, 0.99), quantile(e, 0.995), quantile(e, 0.9995), rho, tau, 0.25 * rho + 0.75 * own


def grow(om, reach):
    out = np.zeros_like(om)
    for y, x in np.argwhere(om):
        out[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = True
    return out


def touched(om, hot):
    """The connected parts (up, down, left, right) of om that hot reaches."""
    kept = om & hot
    while True:
        more = kept.copy()
        more[1:] |= kept[:-1]
        more[:-1] |= kept[1:]
        more[:, 1:] |= kept[:, :-1]
        more[:, :-1] |= kept[:, 1:]
        more &= om
        if (more == kept).all():
            return kept
        kept = more


def halved(x):
    return x.reshape(E_SIDE // 2, 2, E_SIDE // 2, 2).mean((1, 3))


def mask():
    """The mask after every step, with slopes that do not depend on it; q99 = 1, q99.95 = 4."""
    numbers = Numbers(2)
    e = numbers.next(E_GRID**2).reshape(E_GRID, E_GRID) * 0.9
    e = e.astype(np.float32).astype(float)
    e[3, 3], e[3, 4], e[4, 3], e[12, 12] = 9, 2, 5, 3  # a hot part, and one that is not hot enough
    hot = enlarge(np.sqrt(e), E_SIDE) > 2
    om = touched(grow(enlarge((e > 1).astype(float), E_SIDE) > 0.05, 8 * E_SIDE // 256), hot)
    room, a = halved(om.astype(float)), halved((om & hot).astype(float))
    m, v = np.zeros_like(a), np.zeros_like(a)
    inside = room > 0
    for t in range(1, STEPS + 1):
        slope = numbers.next(E_SIDE**2).reshape(E_SIDE, E_SIDE) - 0.75
        g = room * halved(slope) * 4
        coarse = 1 - min(1, t / 7)
        if coarse > 0:
            g = room * ((1 - coarse) * g + coarse * gaussian(g, 3))
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g * g
        s = np.sqrt(v / (1 - 0.99**t))
        step = m / (1 - 0.9**t) / np.maximum(s, np.median(s[inside])) + 0.4
        a = np.where(inside, np.clip(a - 2 / STEPS * step, 0, 1), 0)
    return room, a


def put(name, values):
    print(f"static const double {name}[] = {{")
    values = list(values)
    for i in range(0, len(values), 8):
        print("    " + " ".join(f"{v:.9g}," for v in values[i : i + 8]))
    print("};")


q99, q995, q9995, rho, tau, usual = normal()
room, a = mask()
print("/* Made by tests/reference/f2pad.py; do not edit. */")
print("/* clang-format off */")
print(f"enum {{ GOLDEN_COUNT = {COUNT}, GOLDEN_GRID = {GRID}, GOLDEN_SIDE = {SIDE}, GOLDEN_BLUR = {BLUR} }};")
put("golden_quantiles", [q99, q995, q9995, rho])
put("golden_tau", tau)
put("golden_usual", usual)
put("golden_room", room.ravel())
put("golden_mask", a.ravel())
print("/* clang-format on */")
