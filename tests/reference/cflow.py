#!/usr/bin/env python3
"""Writes cflow.h: log-likelihoods and gradients of a CFLOW-AD flow in PyTorch, double precision, from procedural
parameters, for tests/op/test_flow.c.   python tests/reference/cflow.py > tests/reference/cflow.h"""
import math
import numpy as np
import torch

CHANNELS, SIDE, BLOCKS, CONDITION, ROWS, CLAMP = 24, 12, 4, 128, 28, 1.9
M = (1 << 64) - 1


def splitmix(x):
    z = (x + 0x9E3779B97F4A7C15) & M
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return z ^ (z >> 31)


def uniform(stream, count, seed=7):
    h = 0xCBF29CE484222325
    for c in stream.encode():
        h = ((h ^ c) * 0x100000001B3) & M
    key = h ^ splitmix(seed)
    return np.array([splitmix((key + i * 0x9E3779B97F4A7C15) & M) >> 40 for i in range(count)]) * 2.0**-24


def drawn(name, shape, centre, size):
    u = uniform(name, int(np.prod(shape)))
    v = (centre + size * (2 * u - 1)).astype(np.float32).astype(np.float64)
    return torch.tensor(v.reshape(shape), requires_grad=True)


def condition(x, y):
    half = CONDITION // 2
    w = torch.exp(torch.arange(0, half, 2, dtype=torch.float64) * -(math.log(10000.0) / half))
    c = torch.zeros(len(x), CONDITION, dtype=torch.float64)
    c[:, 0:half:2], c[:, 1:half:2] = torch.sin(x[:, None] * w), torch.cos(x[:, None] * w)
    c[:, half::2], c[:, half + 1::2] = torch.sin(y[:, None] * w), torch.cos(y[:, None] * w)
    return c


t = CHANNELS // 2
s = CHANNELS - t
n = s + CONDITION
shapes = {"w1": (2 * n, n), "b1": (2 * n,), "w2": (2 * t, 2 * n), "b2": (2 * t,), "scale": (CHANNELS,), "offset": (CHANNELS,)}
bounds = {"w1": n**-0.5, "b1": n**-0.5, "w2": (2 * n)**-0.5, "b2": (2 * n)**-0.5, "scale": 0.5, "offset": 0.1}
blocks = [{k: drawn(f"block{i}.{k}", shapes[k], 9.5 if k == "scale" else 0.0, bounds[k]) for k in shapes} for i in range(BLOCKS)]
mixing = [drawn(f"block{i}.mixing", (CHANNELS, CHANNELS), 0.0, math.sqrt(3 / CHANNELS)).detach() for i in range(BLOCKS)]
x = (4 * uniform("x", SIDE * SIDE * CHANNELS) - 2).astype(np.float32).astype(np.float64).reshape(-1, CHANNELS)
cell = torch.arange(ROWS) * 5
z = torch.tensor(x)[cell]
c = condition((cell % SIDE).double(), (cell // SIDE).double())
logdet = torch.zeros(ROWS, dtype=torch.float64)
for b, R in zip(blocks, mixing):
    x1, x2 = z[:, :s], z[:, s:]
    h = torch.nn.functional.linear(torch.cat([x1, c], 1), b["w1"], b["b1"])
    a = 0.1 * torch.nn.functional.linear(torch.relu(h), b["w2"], b["b2"])
    sigma = CLAMP * torch.tanh(a[:, :t])
    u = torch.cat([x1, x2 * torch.exp(sigma) + a[:, t:]], 1)
    gamma = 0.1 * torch.nn.functional.softplus(b["scale"], beta=0.5)
    z = torch.nn.functional.linear(gamma * u + b["offset"], R)
    logdet = logdet + sigma.sum(1) + torch.log(gamma).sum()
l = (-0.5 * math.log(2 * math.pi) * CHANNELS - 0.5 * (z**2).sum(1) + logdet) / CHANNELS
loss = -torch.nn.functional.logsigmoid(l).mean()
loss.backward()

print("/* Made by cflow.py. */")
for name, value in (("CHANNELS", CHANNELS), ("SIDE", SIDE), ("BLOCKS", BLOCKS), ("CONDITION", CONDITION), ("ROWS", ROWS)):
    print(f"#define GOLDEN_{name} {value}")
print("static const double golden_l[GOLDEN_ROWS] = {%s};" % ", ".join("%.12g" % v for v in l.tolist()))
print("static const double golden_loss = %.15g;" % loss.item())
print("/* Of each gradient: its sum, its product with uniform(7, kind, index), its norm. */")
print("static const double golden_gradient[GOLDEN_BLOCKS][6][3] = {")
for b in blocks:
    rows = []
    for k in shapes:
        g = b[k].grad.reshape(-1)
        u = torch.tensor(uniform(k, g.numel()))
        rows.append("{%.12g, %.12g, %.12g}" % (g.sum(), (g * u).sum(), g.norm()))
    print("    {%s}," % ", ".join(rows))
print("};")
