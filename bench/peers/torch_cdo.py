#!/usr/bin/env python3
"""Times PyTorch on the work that 'flawmap bench' times: CDO with four backbones, on pictures that are already there.

  torch_cdo.py --backbone resnet18 --passes infer1,infer16,train16 [--size 256] [--runs 5] [--seconds 1] [--threads N]
               [--device cuda] [--layout channels_last|contiguous]

inferN: both networks, discrepancy of the taps, map, Gaussian, the map in numpy's memory; N pictures.
trainN: forward of the expert, forward of the apprentice, loss, backward, AdamW.
On a GPU: single precision (TF32 off), cuDNN's own choice by measurement, and a run ends when the device has finished.
Prints one JSON object: versions, threads, seconds of every pass (the median after one that warms up).
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


def cbr(cin, cout, k, stride=1, act=True, groups=1, eps=1e-5, six=False):
    """Convolution, batch norm, ReLU (or ReLU6, or nothing)."""
    layers = [nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(cout, eps=eps)]
    if act:
        layers.append(nn.ReLU6(inplace=True) if six else nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); basic: two 3x3; bottleneck: 1x1, 3x3, 1x1 with four times the planes."""

    def __init__(self, cin, planes, stride=1, bottleneck=False, width=1):
        super().__init__()
        out, mid = planes * (4 if bottleneck else 1), planes * width
        if bottleneck:
            self.body = nn.Sequential(cbr(cin, mid, 1), cbr(mid, mid, 3, stride), cbr(mid, out, 1, act=False))
        else:
            self.body = nn.Sequential(cbr(cin, planes, 3, stride), cbr(planes, planes, 3, act=False))
        self.shortcut = nn.Identity() if stride == 1 and cin == out else cbr(cin, out, 1, stride, act=False)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def stage(cin, planes, count, stride=1, bottleneck=False, width=1):
    out = planes * (4 if bottleneck else 1)
    return nn.Sequential(*(Residual(out if i else cin, planes, 1 if i else stride, bottleneck, width)
                           for i in range(count)))


class ResNet(nn.Module):
    """The first three stages are the taps."""

    def __init__(self, counts, bottleneck=False, width=1):
        super().__init__()
        e = 4 if bottleneck else 1
        self.stem = nn.Sequential(cbr(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList((stage(64, 64, counts[0], 1, bottleneck, width),
                                     stage(64 * e, 128, counts[1], 2, bottleneck, width),
                                     stage(128 * e, 256, counts[2], 2, bottleneck, width)))

    def forward(self, x):
        taps = [self.stem(x)]
        for s in self.stages:
            taps.append(s(taps[-1]))
        return taps[1:]


class Exchange(nn.Module):
    """HRNet's module: four basic blocks on every branch, then each of the first `outputs` branches receives all."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.branches = nn.ModuleList(stage(c, c, 4) for c in channels)
        self.paths = nn.ModuleList(nn.ModuleList(self.path(channels, j, i) for j in range(len(channels)))
                                   for i in range(outputs))

    @staticmethod
    def path(channels, j, i):
        if j == i:
            return nn.Identity()
        if j > i:
            return cbr(channels[j], channels[i], 1, act=False)
        down = [cbr(channels[j], channels[j], 3, 2) for _ in range(i - j - 1)]
        return nn.Sequential(*down, cbr(channels[j], channels[i], 3, 2, act=False))

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        result = []
        for i, row in enumerate(self.paths):
            y = 0
            for j, path in enumerate(row):
                z = path(xs[j])
                if j > i:
                    z = F.interpolate(z, size=xs[i].shape[-2:], mode="bilinear", align_corners=True)
                y = y + z
            result.append(F.relu(y, inplace=True))
        return result


class HRNet(nn.Module):
    """The first three branches of the last module are the taps; what only the fourth would need is left out."""

    def __init__(self, c):
        super().__init__()
        ch = [c, 2 * c, 4 * c, 8 * c]
        self.stem = nn.Sequential(cbr(3, 64, 3, 2), cbr(64, 64, 3, 2), stage(64, 64, 4, 1, True))
        self.first = nn.ModuleList((cbr(256, ch[0], 3), cbr(256, ch[1], 3, 2)))
        self.grow = nn.ModuleList((cbr(ch[1], ch[2], 3, 2), cbr(ch[2], ch[3], 3, 2)))
        self.modules2 = Exchange(ch[:2], 2)
        self.modules3 = nn.Sequential(*(Exchange(ch[:3], 3) for _ in range(4)))
        self.modules4 = nn.Sequential(*(Exchange(ch, 4 if i < 2 else 3) for i in range(3)))

    def forward(self, x):
        x = self.stem(x)
        xs = self.modules2([f(x) for f in self.first])
        xs = self.modules3(xs + [self.grow[0](xs[-1])])
        return self.modules4(xs + [self.grow[1](xs[-1])])


class Same(nn.Module):
    """TensorFlow's padding for a stride of 2: an odd total has its larger half at the end."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        rows, columns = (max((-(-n // 2) - 1) * 2 + self.k - n, 0) for n in x.shape[-2:])
        return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def lite_unit(cin, cout, k, stride=1, groups=1, act=True):
    unit = cbr(cin, cout, k, stride, act, groups, 1e-3, True)
    if stride == 2:
        unit[0].padding = (0, 0)
        unit.insert(0, Same(k))
    return unit


class Inverted(nn.Module):
    def __init__(self, cin, cout, k, stride, expand):
        super().__init__()
        mid = cin * expand
        units = [lite_unit(cin, mid, 1)] if expand > 1 else []
        self.body = nn.Sequential(*units, lite_unit(mid, mid, k, stride, mid), lite_unit(mid, cout, 1, act=False))
        self.skip = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class Lite0(nn.Module):
    """EfficientNet-lite0 to its block 10; blocks 2, 4, 10 are the taps."""

    def __init__(self):
        super().__init__()
        self.stem = lite_unit(3, 32, 3, 2)
        blocks, cin = [], 32
        for count, k, stride, expand, cout in ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
                                               (3, 5, 1, 6, 112)):
            for i in range(count):
                blocks.append(Inverted(cin, cout, k, 1 if i else stride, expand))
                cin = cout
        self.parts = nn.ModuleList(nn.Sequential(*blocks[a:b]) for a, b in ((0, 3), (3, 5), (5, 11)))

    def forward(self, x):
        taps = [self.stem(x)]
        for part in self.parts:
            taps.append(part(taps[-1]))
        return taps[1:]


BACKBONES = {
    "resnet18": lambda: ResNet((2, 2, 2)),
    "wide_resnet50_2": lambda: ResNet((3, 4, 6), True, 2),
    "hrnet32": lambda: HRNet(32),
    "efficientnet_lite0": Lite0,
}


def distances(expert, apprentice):
    """Squared distance of the unit vectors of every tap, on the grid of the first: a list of (N, H, W)."""
    grid, result = expert[0].shape[-2:], []
    for e, a in zip(expert, apprentice):
        if e.shape[-2:] != grid:
            e, a = (F.interpolate(t, size=grid, mode="bilinear", align_corners=True) for t in (e, a))
        result.append((F.normalize(e, dim=1) - F.normalize(a, dim=1)).square().sum(1))
    return result


def loss_of(expert, apprentice, mask, gamma=2.0):
    """CDO's loss with margin and overlap optimisation; mask is True where a position is synthetic, on the grid."""
    total = 0
    for d in distances(expert, apprentice):
        normal, synthetic = d[~mask], d[mask]
        with torch.no_grad():
            wn, ws = (normal / normal.mean()) ** gamma, (synthetic.mean() / synthetic.clamp_min(1e-12)) ** gamma
        total = total + d.shape[0] * ((wn * normal).sum() - (ws * synthetic).sum()) / (wn.sum() + ws.sum())
    return total


class Smooth:
    """Gaussian of 33 taps, edges mirrored with the edge pixel repeated, as two convolutions."""

    def __init__(self, sigma=4.0):
        self.radius = int(4 * sigma + 0.5)
        k = torch.exp(-0.5 * (torch.arange(-self.radius, self.radius + 1) / sigma) ** 2)
        self.kernel = k / k.sum()

    def __call__(self, x):
        r = self.radius
        x = torch.cat((x[:, :, :r].flip(2), x, x[:, :, -r:].flip(2)), 2)
        x = F.conv2d(x, self.kernel.view(1, 1, -1, 1))
        x = torch.cat((x[..., :r].flip(3), x, x[..., -r:].flip(3)), 3)
        return F.conv2d(x, self.kernel.view(1, 1, 1, -1))


def median_seconds(work, runs, seconds):
    work()
    times, begin = [], time.perf_counter()
    while len(times) < runs or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Bench:
    def __init__(self, backbone, size, layout):
        torch.manual_seed(1)
        self.size, self.smooth = size, Smooth()
        self.layout = layout
        self.expert, self.apprentice = (BACKBONES[backbone]().to(memory_format=layout) for _ in range(2))
        self.expert.eval()
        self.optimizer = torch.optim.AdamW(self.apprentice.parameters(), lr=4e-4, weight_decay=1e-4)

    def pictures(self, batch):
        return torch.randn(batch, 3, self.size, self.size).contiguous(memory_format=self.layout)

    def infer(self, batch):
        x = self.pictures(batch)
        self.apprentice.eval()

        def work():
            with torch.inference_mode():
                d = sum(distances(self.expert(x), self.apprentice(x)))[:, None]
                m = F.interpolate(d, size=(self.size, self.size), mode="bilinear", align_corners=False)
                return self.smooth(m)[:, 0].cpu().numpy()
        return work

    def train(self, batch):
        x = self.pictures(batch)
        side = self.size // 4
        mask = torch.zeros(batch, side, side, dtype=torch.bool)
        mask[:, :side // 8, :side // 8] = True
        self.apprentice.train()

        def work():
            with torch.no_grad():
                expert = self.expert(x)
            self.optimizer.zero_grad()
            loss_of(expert, self.apprentice(x), mask).backward()
            self.optimizer.step()
            if x.is_cuda:
                torch.cuda.synchronize()
        return work


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--backbone", default="resnet18", choices=sorted(BACKBONES))
    p.add_argument("--passes", default="infer1,infer16,train16")
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.0)
    p.add_argument("--threads", type=int, default=0, help="0: as PyTorch has it, a thread for each core")
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.add_argument("--layout", default="channels_last", choices=("channels_last", "contiguous"))
    a = p.parse_args()
    if a.device == "cuda":
        torch.set_default_device("cuda")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
    if a.threads:
        torch.set_num_threads(a.threads)
    layout = torch.channels_last if a.layout == "channels_last" else torch.contiguous_format
    bench, seconds = Bench(a.backbone, a.size, layout), {}
    for name in a.passes.split(","):
        if name[:5] not in ("infer", "train") or not name[5:].isdigit() or int(name[5:]) < 1:
            p.error(f"there is no pass '{name}'; they are called inferN and trainN")
        work = getattr(bench, name[:5])(int(name[5:]))
        seconds[name] = median_seconds(work, a.runs, a.seconds)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "device": a.device,
                      "layout": a.layout, "backbone": a.backbone,
                      "size": a.size, "parameters": sum(t.numel() for t in bench.apprentice.parameters()),
                      "seconds": seconds}))


if __name__ == "__main__":
    main()
