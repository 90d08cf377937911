#!/usr/bin/env python3
"""CDO's inference (both networks, map, Gaussian; torch_cdo.py) as ONNX, with random weights.

  onnx_export.py FOLDER SIZE BATCH BACKBONE...      writes FOLDER/BACKBONE.1.onnx and FOLDER/BACKBONE.BATCH.onnx
"""
import pathlib
import sys
import warnings

import torch
import torch.nn.functional as F

import torch_cdo


class Inference(torch.nn.Module):
    def __init__(self, backbone, size):
        super().__init__()
        torch.manual_seed(1)
        self.size = size
        self.expert, self.apprentice = (torch_cdo.BACKBONES[backbone]().eval() for _ in range(2))
        for m in self.modules():
            if isinstance(m, torch.nn.BatchNorm2d):  # else the exporter folds nothing but ones and zeros
                m.running_mean.uniform_(-0.1, 0.1)
                m.running_var.uniform_(0.8, 1.2)
        smooth = torch_cdo.Smooth()
        self.radius = smooth.radius
        self.register_buffer("kernel", smooth.kernel.clone())

    def forward(self, x):
        r = self.radius
        d = sum(torch_cdo.distances(self.expert(x), self.apprentice(x)))[:, None]
        m = F.interpolate(d, size=(self.size, self.size), mode="bilinear", align_corners=False)
        m = F.conv2d(torch.cat((m[:, :, :r].flip(2), m, m[:, :, -r:].flip(2)), 2), self.kernel.view(1, 1, -1, 1))
        m = F.conv2d(torch.cat((m[..., :r].flip(3), m, m[..., -r:].flip(3)), 3), self.kernel.view(1, 1, 1, -1))
        return m[:, 0]


def main():
    folder, size, batch, backbones = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    warnings.filterwarnings("ignore")
    for backbone in backbones:
        net = Inference(backbone, size).eval()
        for n in (1, batch):
            torch.onnx.export(net, (torch.randn(n, 3, size, size),), str(folder / f"{backbone}.{n}.onnx"), dynamo=False,
                              opset_version=17, input_names=["x"], output_names=["map"])


if __name__ == "__main__":
    main()
