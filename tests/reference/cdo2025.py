"""What tests/op/test_loss.c and tests/data/test_loader.c compare with, made by PyTorch and Pillow:

the loss of CDO with features normalised once and twice, with its gradient;
pictures with synthetic anomalies that were drawn on a larger canvas (FNV-1a of what the loader gives).

needs: numpy, pillow, torch
"""
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

M64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


# ---- counter RNG (docs/design.md) ----
def splitmix(x):
    z = (x + GOLDEN) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & M64
    return h


class Stream:
    def __init__(self, seed, name):
        self.key, self.next = fnv(name.encode()) ^ splitmix(seed), 0

    def value(self):
        self.next += 1
        return splitmix((self.key + (self.next - 1) * GOLDEN) & M64)

    def integer(self, low, high):
        return low + int((self.value() >> 11) * 2.0**-53 * (high - low)) if high > low else low


# ---- pictures ----
def resize(a, side):
    """Pillow's bilinear filter, across first in every version of it."""
    im = Image.fromarray(a)
    return np.asarray(im.resize((side, im.height), Image.BILINEAR).resize((side, side), Image.BILINEAR))


def draw(rgb, seed, epoch, picture):
    """The synthetic anomalies on a square picture; its mask."""
    side = rgb.shape[0]
    rng = Stream(seed, f"synthetic.patches.{epoch}.{picture}")
    noise = Stream(seed, f"synthetic.noise.{epoch}.{picture}")
    mask = np.zeros((side, side), np.uint8)
    for _ in range(rng.integer(0, 5)):
        h, w = rng.integer(side // 40, side // 10), rng.integer(side // 40, side // 10)
        y = rng.integer(h, side - h)
        x = rng.integer(w, side - w)
        mask[y - h : y + h, x - w : x + w] = 255
    for y, x in np.argwhere(mask):
        noise.next = 3 * (int(y) * side + int(x))
        rgb[y, x] = [noise.integer(0, 255) for _ in range(3)]
    return mask


def canvas():
    canvas, side = 160, 48
    for i in range(4):  # the test's pictures: noise of width 50 + i, height 60
        rng = Stream(1, f"{i:03d}.png")
        width = 50 + i
        rgb = np.array([rng.value() >> 56 for _ in range(width * 60 * 3)], np.uint8).reshape(60, width, 3)
        large = resize(rgb, canvas).copy()
        mask = draw(large, 111, 1, i)
        small, flawed = resize(large, side), resize(mask, side) != 0
        print(f"    {{{int(flawed.sum())}, {fnv(small.tobytes()):#018x}u, {fnv(flawed.astype(np.uint8).tobytes()):#018x}u}},")


# ---- the loss ----
def loss(e, a, mask, h, w, gamma, overlap, twice):
    if twice:
        e, a = F.normalize(e, dim=1), F.normalize(a, dim=1)
    e = F.interpolate(e, (h, w), mode="bilinear", align_corners=True)
    a = F.interpolate(a, (h, w), mode="bilinear", align_corners=True)
    d = ((F.normalize(e, dim=1) - F.normalize(a, dim=1)) ** 2).sum(1)
    mh, mw = mask.shape[1:]
    m = mask[:, torch.arange(h) * mh // h][:, :, torch.arange(w) * mw // w]
    dn, ds = d[~m], d[m]
    wn = (dn / dn.mean()).detach() ** gamma if overlap else torch.ones_like(dn)
    ws = (ds.mean() / ds).detach() ** gamma if overlap else torch.ones_like(ds)
    total = d.shape[0] * ((wn * dn).sum() - (ws * ds).sum()) / (wn.sum() + ws.sum())
    return total, dn.mean().item(), ds.mean().item()


def losses():
    e = torch.sin(0.7 * torch.arange(36.0)).reshape(2, 3, 3, 2)
    mask = ((torch.arange(84) * 7 % 5) < 2).reshape(2, 7, 6)
    for overlap, gamma, twice in ((1, 2, 0), (1, 1.5, 0), (0, 2, 0), (1, 2, 1), (0, 2, 1)):
        a = torch.cos(0.4 * torch.arange(36.0)).reshape(2, 3, 3, 2).requires_grad_()
        value, *means = loss(e, a, mask, 5, 4, gamma, overlap, twice)
        value.backward()
        print(overlap, twice, gamma, value.item(), [a.grad.flatten()[7 * i].item() for i in range(6)], means)


torch.set_default_dtype(torch.float64)
losses()
canvas()
