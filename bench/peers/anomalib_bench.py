#!/usr/bin/env python3
"""anomalib's PaDiM or PatchCore on a folder of pictures: fit, then scores of all of them; seconds and the process' largest memory
as one line of JSON. Its models are used directly (torch_model), without its trainer, which would only add to the time; random
weights, as only time and memory count.

    python anomalib_bench.py --method patchcore --backbone resnet18 --good DIR --test DIR [--size 256] [--coreset 0.1]
"""
import argparse
import json
import os
import resource
import sys
import time

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F


def pictures(folder):
    for root, _, files in sorted(os.walk(folder)):
        for name in sorted(files):
            if name.lower().endswith((".png", ".jpg", ".jpeg")):
                yield os.path.join(root, name)


def batches(folder, size, batch):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    some = []
    for path in pictures(folder):
        x = F.resize(F.pil_to_tensor(Image.open(path).convert("RGB")), [size, size], antialias=True)
        some.append(F.normalize(x.float() / 255, mean, std))
        if len(some) == batch:
            yield torch.stack(some)
            some = []
    if some:
        yield torch.stack(some)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--method", choices=["padim", "patchcore"])
    p.add_argument("--backbone", default="resnet18")
    p.add_argument("--good")
    p.add_argument("--test")
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--coreset", type=float, default=0.1)
    a = p.parse_args()
    torch.manual_seed(0)
    if a.method == "patchcore":
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        model = PatchcoreModel(backbone=a.backbone, layers=["layer2", "layer3"], pre_trained=False)
    else:
        from anomalib.models.image.padim.torch_model import PadimModel

        model = PadimModel(backbone=a.backbone, layers=["layer1", "layer2", "layer3"], pre_trained=False)
    begin = time.monotonic()
    model.train()
    with torch.inference_mode():
        for x in batches(a.good, a.size, a.batch):
            model(x)
        if a.method == "patchcore":
            model.subsample_embedding(a.coreset)
        else:
            model.fit()
    fit, peak = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.eval()
    begin, count = time.monotonic(), 0
    with torch.inference_mode():
        for x in batches(a.test, a.size, 1):
            model(x)
            count += 1
    predict = time.monotonic() - begin
    json.dump({"method": a.method, "fit_s": fit, "fit_kib": peak, "predict_s": predict, "pictures": count,
               "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}, sys.stdout)
    print()


main()
