#!/usr/bin/env python3
"""anomalib's PaDiM, PatchCore or CFLOW-AD on a folder of pictures: fit, then scores of all of them; seconds and the process'
largest memory as one line of JSON. Its models are used directly (torch_model), without its trainer, which would only add to the
time; random weights, as only time and memory count. CFLOW-AD's fit is one epoch of its training_step. A greedy choice of
PatchCore's that takes longer than --limit seconds is given up: "finished" is then false, and the scores are taken against as
many rows at random.

    python anomalib_bench.py --method patchcore --backbone resnet18 --good DIR --test DIR [--size 256] [--coreset 0.1]
"""
import argparse
import json
import os
import resource
import signal
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


LAYERS = ["layer1", "layer2", "layer3"]


def cflow_epoch(model, batches, fibres):
    """One epoch as in anomalib's Cflow.training_step."""
    import einops
    from anomalib.models.image.cflow.utils import get_logp, positional_encoding_2d

    optimizer = torch.optim.Adam(model.decoders.parameters(), lr=1e-4)
    for x in batches:
        with torch.no_grad():
            taps = model.encoder(x)
        for layer, decoder in zip(model.pool_layers, model.decoders):
            e = taps[layer].detach()
            n, d, h, w = e.shape
            c = einops.repeat(positional_encoding_2d(model.condition_vector, h, w), "c h w -> (n h w) c", n=n)
            e = einops.rearrange(e, "n c h w -> (n h w) c")
            order = torch.randperm(len(e))
            for first in range(0, len(e) - fibres + 1, fibres):
                some = order[first : first + fibres]
                optimizer.zero_grad()
                u, jacobian = decoder(e[some], [c[some]])
                (-torch.nn.functional.logsigmoid(get_logp(d, u, jacobian) / d)).mean().backward()
                optimizer.step()


class Late(Exception):
    pass


def late(*_):
    raise Late


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--method", choices=["padim", "patchcore", "cflow"])
    p.add_argument("--backbone", default="resnet18")
    p.add_argument("--good")
    p.add_argument("--test")
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--coreset", type=float, default=0.1)
    p.add_argument("--fibres", type=int, default=256)
    p.add_argument("--limit", type=int, default=0)
    a = p.parse_args()
    torch.manual_seed(0)
    if a.method == "patchcore":
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel

        model = PatchcoreModel(backbone=a.backbone, layers=LAYERS[1:], pre_trained=False)
    elif a.method == "padim":
        from anomalib.models.image.padim.torch_model import PadimModel

        model = PadimModel(backbone=a.backbone, layers=LAYERS, pre_trained=False)
    else:
        from anomalib.models.image.cflow.torch_model import CflowModel

        model = CflowModel(backbone=a.backbone, layers=LAYERS, pre_trained=False, fiber_batch_size=a.fibres)
    begin, finished = time.monotonic(), True
    good = batches(a.good, a.size, a.batch)
    if a.method == "cflow":
        cflow_epoch(model, good, a.fibres)
    else:
        model.train()
        with torch.inference_mode():
            for x in good:
                model(x)
            if a.method == "padim":
                model.fit()
            else:
                signal.signal(signal.SIGALRM, late)
                signal.alarm(a.limit)
                try:
                    model.subsample_embedding(a.coreset)
                except Late:
                    finished = False
                signal.alarm(0)
    fit, peak = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if not finished:
        rows = model.memory_bank.shape[0]
        model.memory_bank = model.memory_bank[torch.randperm(rows)[: int(rows * a.coreset)]]
    model.eval()
    begin, count = time.monotonic(), 0
    with torch.inference_mode():
        for x in batches(a.test, a.size, 1):
            model(x)
            count += 1
    predict = time.monotonic() - begin
    json.dump({"method": a.method, "fit_s": fit, "finished": finished, "fit_kib": peak, "predict_s": predict, "pictures": count,
               "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}, sys.stdout)
    print()


main()
