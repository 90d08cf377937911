#!/usr/bin/env python3
"""Makes goldens, the files that 'flawmap verify FILE' compares a device with: features, a map, and a whole training step
of CDO in double precision, by PyTorch, independently of flawmap's own code.

    golden.py FILE --backbone resnet18 --batch 2 --size 64 --seed 7 --samples 32
    golden.py FILE --backbone wide_resnet50_2 --every 8 --next
    golden.py FOLDER --many 40 --seed 100 --backbone resnet18 efficientnet_lite0

With --many, seeds count up, and batch and size are drawn. Of a large network --every 8 keeps one in eight of the trained
tensors, which keeps the file small.

Not every seed makes a golden. Where an activation lies so close to zero that rounding decides its side, the gradients of
whole tensors follow it by a percent and more, in exact arithmetic too, and no device in single precision can be asked to
meet them. So the training step is repeated in single precision with pictures that were moved by a rounding; a seed whose
gradients come near the bounds of 'flawmap verify' in one of these repetitions is refused, or passed over with --many and
--next.

A network is described once more here, in PyTorch's modules under the parameter names of the published weights; who adds
a backbone adds it to BACKBONES. Weights, pictures and masks are not stored: they follow from the seed (fill, pictures,
masks below; host/check/golden.c has the same). Of a large tensor `samples` values are kept, at floor(i n / samples).

needs: numpy, scipy, safetensors, torch (its CPU build)
"""
import argparse
import json
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from scipy.ndimage import gaussian_filter
from torch import nn

GAMMA, LR, DECAY = 2.0, 4e-4, 1e-4
# What 'flawmap verify' allows (host/check/golden.c): one gradient, the median of all, the share of stepped weights.
LARGEST, MEDIAN, STEPPED = 5e-2, {"resnet18": 2e-3}, 1e-2
MEDIAN_OF_OTHERS = 1e-2
REPETITIONS, MOVED, NEAR = 6, 1e-7, 0.5  # a golden stays within this part of each bound
M64 = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


# ---- counter RNG (docs/design.md) ----
def mixed(z):
    with np.errstate(over="ignore"):
        z = np.asarray(z, np.uint64) + np.uint64(STEP)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed, stream, shape):
    """Numbers of 24 bits in [0, 1)."""
    key = 0xCBF29CE484222325
    for byte in stream.encode():
        key = ((key ^ byte) * 0x100000001B3) & M64
    with np.errstate(over="ignore"):
        at = (np.uint64(key) ^ mixed(seed)) + np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(STEP)
        return ((mixed(at) >> np.uint64(40)).astype(np.float64) * 2.0**-24).reshape(shape)


# ---- networks: each gives its taps at strides 4, 8, 16 ----
def conv(inputs, outputs, k, stride=1):
    return nn.Conv2d(inputs, outputs, k, stride, k // 2, bias=False)


class Residual(nn.Module):
    """3x3, 3x3; or with `wide` (the middle's width in planes) 1x1, 3x3, 1x1 to four times the planes."""

    def __init__(self, inputs, planes, stride, wide):
        super().__init__()
        outputs = 4 * planes if wide else planes
        shapes = ([(inputs, planes * wide, 1, 1), (planes * wide, planes * wide, 3, stride), (planes * wide, outputs, 1, 1)]
                  if wide else [(inputs, planes, 3, stride), (planes, planes, 3, 1)])
        self.count = len(shapes)
        for i, (a, b, k, s) in enumerate(shapes, 1):
            setattr(self, f"conv{i}", conv(a, b, k, s))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.count else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def stage(inputs, planes, count, stride, wide=0):
    outputs = 4 * planes if wide else planes
    return nn.Sequential(*(Residual(outputs if i else inputs, planes, 1 if i else stride, wide) for i in range(count)))


class ResNet(nn.Module):
    def __init__(self, counts, wide=0):
        super().__init__()
        self.conv1, self.bn1, inputs = conv(3, 64, 7, 2), nn.BatchNorm2d(64), 64
        for i, count in enumerate(counts):
            setattr(self, f"layer{i + 1}", stage(inputs, 64 << i, count, 2 if i else 1, wide))
            inputs = (64 << i) * (4 if wide else 1)

    def forward(self, x):
        a = self.layer1(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1))
        b = self.layer2(a)
        return [a, b, self.layer3(b)]


def unit(inputs, outputs, k, stride, relu):
    return nn.Sequential(conv(inputs, outputs, k, stride), nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else []))


class Exchange(nn.Module):
    """HRNet: four blocks on each branch, then every branch gets every other one, resized, and the sum's ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.branches = nn.ModuleList(stage(c, c, 4, 1) for c in channels)
        self.fuse_layers = nn.ModuleList(nn.ModuleList(self.way(channels, j, i) for j in range(len(channels)))
                                         for i in range(len(channels)))

    @staticmethod
    def way(channels, source, to):
        if source == to:
            return nn.Identity()
        if source > to:
            return unit(channels[source], channels[to], 1, 1, False)
        last = to - source - 1
        return nn.Sequential(*(unit(channels[source], channels[to] if k == last else channels[source], 3, 2, k != last)
                               for k in range(last + 1)))

    def forward(self, x):
        x = [branch(v) for branch, v in zip(self.branches, x)]
        ways = [[w(v) for w, v in zip(row, x)] for row in self.fuse_layers]
        return [F.relu(sum(F.interpolate(y, size=x[i].shape[-2:], mode="bilinear", align_corners=True) if j > i else y
                           for j, y in enumerate(row))) for i, row in enumerate(ways)]


class HRNet(nn.Module):
    def __init__(self, c):
        super().__init__()
        ch = [c, 2 * c, 4 * c, 8 * c]
        self.conv1, self.bn1 = conv(3, 64, 3, 2), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = conv(64, 64, 3, 2), nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 4, 1, 1)
        self.transition1 = nn.ModuleList([unit(256, ch[0], 3, 1, True), nn.Sequential(unit(256, ch[1], 3, 2, True))])
        for i, count in ((2, 1), (3, 4), (4, 3)):
            setattr(self, f"stage{i}", nn.ModuleList(Exchange(ch[:i]) for _ in range(count)))
            if i > 2:
                new = nn.Sequential(unit(ch[i - 2], ch[i - 1], 3, 2, True))
                setattr(self, f"transition{i - 1}", nn.ModuleList([*(nn.Identity() for _ in range(i - 1)), new]))

    def forward(self, x):
        x = self.layer1(F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))))
        x = [t(x) for t in self.transition1]
        for i in (2, 3, 4):
            if i > 2:
                x = x + [getattr(self, f"transition{i - 1}")[i - 1](x[-1])]
            for module in getattr(self, f"stage{i}"):
                x = module(x)
        return x[:3]


class Same(nn.Conv2d):
    """TensorFlow's padding: ceil(n / stride) outputs, of an odd padding the larger half behind."""

    def __init__(self, inputs, outputs, k, stride=1, groups=1):
        super().__init__(inputs, outputs, k, stride, groups=groups, bias=False)

    def forward(self, x):
        k, s = self.kernel_size[0], self.stride[0]
        y, z = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:])
        return super().forward(F.pad(x, (z // 2, z - z // 2, y // 2, y - y // 2)))


class Inverted(nn.Module):
    """1x1 wider (but for the first), k x k depthwise, 1x1 narrower without an activation."""

    def __init__(self, inputs, outputs, k, stride, wider):
        super().__init__()
        wide = inputs * wider
        self.wider, self.skip = wider > 1, stride == 1 and inputs == outputs
        if self.wider:
            self._expand_conv, self._bn0 = Same(inputs, wide, 1), nn.BatchNorm2d(wide, 1e-3)
        self._depthwise_conv, self._bn1 = Same(wide, wide, k, stride, wide), nn.BatchNorm2d(wide, 1e-3)
        self._project_conv, self._bn2 = Same(wide, outputs, 1), nn.BatchNorm2d(outputs, 1e-3)

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.wider else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.skip else y


class Lite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3)
        self._blocks, inputs = nn.ModuleList(), 32
        for count, k, stride, wider, outputs in ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
                                                 (3, 5, 1, 6, 112)):
            for i in range(count):
                self._blocks.append(Inverted(inputs, outputs, k, 1 if i else stride, wider))
                inputs = outputs

    def forward(self, x):
        x, taps = F.relu6(self._bn0(self._conv_stem(x))), []
        for i, block in enumerate(self._blocks):
            x = block(x)
            taps += [x] if i in (2, 4, 10) else []
        return taps


class PreActivated(nn.Module):
    """(norm, ReLU, convolution) three times; where the shape changes, the way round is a 1x1 of the first ReLU."""

    def __init__(self, inputs, planes, stride, changes):
        super().__init__()
        shapes = ((inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, 4 * planes, 1, 1))
        for i, (a, b, k, s) in enumerate(shapes, 1):
            setattr(self, f"bn{i}", nn.BatchNorm2d(a))
            setattr(self, f"conv{i}", conv(a, b, k, s))
        self.downsample = conv(inputs, 4 * planes, 1, stride) if changes else None

    def forward(self, x):
        y = self.activated = F.relu(self.bn1(x))
        way = x if self.downsample is None else self.downsample(y)
        y = F.relu(self.bn2(self.conv1(y)))
        return way + self.conv3(F.relu(self.bn3(self.conv2(y))))


class ResNetV2(nn.Module):
    """post: the taps are behind the norm and ReLU of the next block, of the last one behind a norm of their own."""

    def __init__(self, counts, post=False):
        super().__init__()
        self.bn0, self.conv1, self.bn1, inputs = nn.BatchNorm2d(3), conv(3, 64, 7, 2), nn.BatchNorm2d(64), 64
        for i, count in enumerate(counts):
            planes = 64 << i
            blocks = (PreActivated(4 * planes if k else inputs, planes, 2 if i and not k else 1, not k)
                      for k in range(count))
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            inputs = 4 * planes
        self.bn_post = nn.BatchNorm2d(inputs) if post else None

    def forward(self, x):
        a = self.layer1(F.max_pool2d(F.relu(self.bn1(self.conv1(self.bn0(x)))), 3, 2, 1))
        b = self.layer2(a)
        c = self.layer3(b)
        if self.bn_post is None:
            return [a, b, c]
        return [self.layer2[0].activated, self.layer3[0].activated, F.relu(self.bn_post(c))]


BACKBONES = {
    "resnet18": lambda: ResNet([2, 2, 2]),
    "resnet34": lambda: ResNet([3, 4, 6]),
    "resnet50": lambda: ResNet([3, 4, 6], 1),
    "wide_resnet50_2": lambda: ResNet([3, 4, 6], 2),
    "hrnet18": lambda: HRNet(18),
    "hrnet32": lambda: HRNet(32),
    "hrnet48": lambda: HRNet(48),
    "efficientnet_lite0": Lite0,
    "resnet50_v2": lambda: ResNetV2([3, 4, 6]),
    "resnet50_v2_post": lambda: ResNetV2([3, 4, 6], True),
}


def fill(net, seed, stream):
    """Weights of about the size that keeps activations as they are; stored as single precision."""
    for name, t in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = uniform(seed, stream + name, tuple(t.shape))
        if t.dim() == 4:
            v = (2 * u - 1) * (6 / np.prod(t.shape[1:])) ** 0.5
        else:
            v = 0.5 + u if name.endswith(("weight", "running_var")) else 0.4 * u - 0.2
        t.copy_(torch.from_numpy(v.astype(np.float32)))
    return net


# ---- pictures, masks, CDO ----
def pictures(seed, n, side):
    coarse, fine = (2 * uniform(seed, s, (n, 3, k, k)) - 1 for s, k in (("image.coarse", side // 8), ("image.fine", side)))
    return torch.from_numpy((coarse.repeat(8, 2).repeat(8, 3) * 1.5 + fine * 0.5).astype(np.float32))


def masks(seed, n, side):
    m = np.zeros((n, 1, side, side), np.float32)
    for b, u in enumerate(uniform(seed, "mask", (n, 4))):
        h, w = 8 + int(u[0] * (side // 4)), 8 + int(u[1] * (side // 4))
        y, x = int(u[2] * (side - h)), int(u[3] * (side - w))
        m[b, 0, y:y + h, x:x + w] = 1
    return torch.from_numpy(m)


def distances(expert, apprentice):
    """For each tap |u_E - u_A|^2 on the first tap's grid."""
    for e, a in zip(expert, apprentice):
        e, a = (F.normalize(F.interpolate(t, size=expert[0].shape[-2:], mode="bilinear", align_corners=True), dim=1)
                for t in (e, a))
        yield ((e - a) ** 2).sum(1)


def loss_of(expert, apprentice, mask):
    """The loss, and for each tap its term and the mean distances of normal and synthetic positions."""
    total, parts = 0, []
    for d in distances(expert, apprentice):
        flawed = F.interpolate(mask, size=d.shape[-2:], mode="nearest")[:, 0] != 0
        normal, synthetic = d[~flawed], d[flawed]
        wn = ((normal / normal.mean()) ** GAMMA).detach()
        ws = ((synthetic.mean() / synthetic) ** GAMMA).detach() if synthetic.numel() else synthetic.detach()
        term = len(d) * ((wn * normal).sum() - (ws * synthetic).sum()) / (wn.sum() + ws.sum())
        parts += [term.item(), normal.mean().item(), synthetic.mean().item() if synthetic.numel() else 0]
        total = total + term
    return total, np.array(parts)


def map_of(expert, apprentice, side):
    total = sum(F.interpolate(d[:, None], size=(side, side), mode="bilinear", align_corners=False)
                for d in distances(expert, apprentice))
    return np.stack([gaussian_filter(m, 4) for m in total[:, 0].numpy()])


def networks(a, dtype):
    return (fill(BACKBONES[a.backbone]().to(dtype), a.seed, s) for s in ("expert.", "apprentice."))


def sample(v, samples):
    v = (v.detach().numpy() if torch.is_tensor(v) else np.asarray(v)).ravel()
    k = min(v.size, samples)
    return v[np.arange(k) * v.size // k].astype(np.float64)


def step(a, dtype, expert, apprentice, x):
    """A training step: the apprentice's taps, the loss and its parts, and the norm of each gradient."""
    with torch.no_grad():
        e = expert.eval()(x)
    optimizer = torch.optim.AdamW(apprentice.train().parameters(), lr=LR, weight_decay=DECAY)
    taps = apprentice(x)
    loss, parts = loss_of(e, taps, masks(a.seed, a.batch, a.size).to(dtype))
    loss.backward()
    optimizer.step()
    norms = {n: p.grad.double().norm().item() for n, p in apprentice.named_parameters() if p.grad is not None}
    return taps, loss, parts, norms


def compared(a, norms):
    """A gradient that is zero in exact arithmetic (a shift before another norm) has nothing to compare."""
    return [n for n, norm in norms.items() if norm >= 1e-5 * max(norms.values())][::a.every]


def values(a, dtype):
    """Everything a golden holds, computed in this precision."""
    kept = {}

    def keep(name, v):
        kept[name] = sample(v, a.samples)

    def keep_taps(name, taps):
        for i, t in enumerate(taps):
            keep(f"{name}.tap{i}", t)

    with torch.no_grad():
        expert, apprentice = networks(a, dtype)
        x = pictures(a.seed, a.batch, a.size).to(dtype)
        e, scored = expert.eval()(x), apprentice.eval()(x)
        keep_taps("expert", e)
        keep_taps("apprentice.eval", scored)
        keep("map", map_of(e, scored, a.size))
    taps, loss, parts, norms = step(a, dtype, expert, apprentice, x)
    keep_taps("apprentice.train", taps)
    keep("loss", [loss.item()])
    keep("loss.parts", parts)
    trained = dict(apprentice.named_parameters())
    for n in compared(a, norms):
        keep("grad." + n, trained[n].grad)
        keep("gradnorm." + n, [norms[n]])
        keep("stepped." + n, trained[n])
    used = {n.rsplit(".", 1)[0] for n in norms}
    running = [(n, b) for n, b in apprentice.named_buffers()
               if not n.endswith("num_batches_tracked") and n.rsplit(".", 1)[0] in used]
    for n, b in running[::a.every]:
        keep("running." + n, b)
    return kept


def error(group, got, want):
    if group == "grad":
        return float(np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30))
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-30))


def moved_step(a, want, repetition):
    """How far a step in single precision with pictures that were moved by a rounding is from what is wanted: the largest
    gradient's, the median gradient's and the share of the stepped weights that differ (as 'flawmap verify' counts them)."""
    x = pictures(a.seed, a.batch, a.size)
    x = x * (1 + MOVED * torch.from_numpy((2 * uniform(a.seed, f"moved.{repetition}", x.shape) - 1)))
    with torch.no_grad():
        expert, apprentice = networks(a, torch.float32)
    step(a, torch.float32, expert, apprentice, x.float())
    off, off_by = [], []
    for n, p in apprentice.named_parameters():
        if "grad." + n in want:
            off.append(error("grad", sample(p.grad, a.samples), want["grad." + n]))
            off_by.append(np.abs(sample(p, a.samples) - want["stepped." + n]) > 1e-6)
    return max(off), statistics.median(off), float(np.concatenate(off_by).mean())


def ill_conditioned(a, want):
    """Why no device could be judged by this golden, or None."""
    bounds = LARGEST, MEDIAN.get(a.backbone, MEDIAN_OF_OTHERS), STEPPED
    for r in range(REPETITIONS):
        for what, off, bound in zip(("a gradient", "the median gradient", "the share of other stepped weights"),
                                    moved_step(a, want, r), bounds):
            if off > NEAR * bound:
                return (f"{a.backbone}, batch {a.batch}, {a.size}x{a.size}, seed {a.seed} makes no golden: with pictures "
                        f"moved by {MOVED:g} {what} moves by {off:.1e} in PyTorch's single precision, and 'flawmap verify' "
                        f"allows {bound:g}")
    return None


def write(a):
    """Whether a golden could be written; where not, says why."""
    want = values(a, torch.float64)
    why = None if a.any else ill_conditioned(a, want)
    if why:
        print(why, flush=True)
        return False
    single, lost = values(a, torch.float32), {}
    for name, w in want.items():
        if name in single:
            lost.setdefault(name.split(".")[0], []).append(error(name.split(".")[0], single[name], w))
    lost = {g: {"max": max(v), "median": statistics.median(v)} for g, v in lost.items()}
    meta = {"flawmap_golden": "1", "method": "cdo", "backbone": a.backbone, "batch": str(a.batch), "size": str(a.size),
            "seed": str(a.seed), "gamma": str(GAMMA), "lr": repr(LR), "weight_decay": repr(DECAY),
            "samples": str(a.samples), "float32_error_of_pytorch": json.dumps(lost)}
    save_file({k: v.astype(np.float32) for k, v in want.items()}, a.file, metadata=meta)
    print(a.file, "PyTorch in single precision: " + ", ".join(f"{g} {v['max']:.1e}" for g, v in lost.items()), flush=True)
    return True


def write_many(a):
    """Seeds count up; those that make no golden are passed over."""
    folder, names, seed = a.file, a.backbone, a.seed
    for i in range(a.many):
        while True:
            a.backbone, a.seed = names[i % len(names)], seed
            drawn = uniform(a.seed, "golden", (2,))
            a.batch, a.size = 2 + int(drawn[0] * 3), 64 + 32 * int(drawn[1] * 4)
            a.file = f"{folder}/{a.backbone}-b{a.batch}-s{a.size}-{a.seed}.safetensors"
            seed += 1
            if write(a):
                break


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file")
    p.add_argument("--backbone", nargs="+", default=["resnet18"], choices=sorted(BACKBONES))
    for name, value in (("batch", 2), ("size", 64), ("seed", 1), ("samples", 32), ("every", 1), ("many", 0)):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--next", action="store_true", help="from --seed on the first that makes a golden")
    p.add_argument("--any", action="store_true", help="refuse no seed (to see what 'flawmap verify' says of such)")
    a = p.parse_args()
    if a.many:
        return write_many(a)
    a.backbone = a.backbone[0]
    while not write(a):
        if not a.next:
            raise SystemExit("take another --seed, or --next: the first one from this on that does")
        a.seed += 1


if __name__ == "__main__":
    main()
