#!/usr/bin/env python3
"""Seconds of ONNX Runtime or OpenVINO on what onnx_export.py wrote, as JSON like torch_cdo.py's.

  onnx_run.py onnxruntime|openvino_f32|openvino FOLDER BACKBONE SIZE BATCH RUNS SECONDS

openvino: its own choice of precision (bf16 where the processor has it). Of a batch OpenVINO's better way counts: whole, or
one by one in two streams.
"""
import json
import os
import statistics
import sys
import time

import numpy as np


def seconds_of(work, runs, seconds):
    work()
    times, begin = [], time.perf_counter()
    while len(times) < runs or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def onnxruntime_of(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnxruntime.__version__, lambda x: session.run(None, {"x": x})


def openvino_of(path, threads, f32, streams=0):
    import openvino

    wish = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "THROUGHPUT" if streams else "LATENCY"}
    if streams:
        wish["NUM_STREAMS"] = streams
    if f32:
        wish["INFERENCE_PRECISION_HINT"] = "f32"
    model = openvino.Core().compile_model(path, "CPU", wish)
    if not streams:
        request = model.create_infer_request()
        return openvino.__version__, lambda x: np.array(request.infer({0: x})[0])
    queue = openvino.AsyncInferQueue(model, streams)

    def work(x):
        for i in range(len(x)):
            queue.start_async({0: x[i:i + 1]})
        queue.wait_all()

    return openvino.__version__, work


def main():
    who, folder, backbone = sys.argv[1:4]
    size, batch, runs = map(int, sys.argv[4:7])
    threads, times, version = len(os.sched_getaffinity(0)), {}, None
    for n in (1, batch):
        x = np.random.default_rng(1).standard_normal((n, 3, size, size), dtype=np.float32)
        path, one = f"{folder}/{backbone}.{n}.onnx", f"{folder}/{backbone}.1.onnx"
        if who == "onnxruntime":
            ways = [onnxruntime_of(path, threads)]
        else:
            ways = [openvino_of(path, threads, who == "openvino_f32")]
            if n > 1:
                ways.append(openvino_of(one, threads, who == "openvino_f32", threads))
        version = ways[0][0]
        times[f"infer{n}"] = min(seconds_of(lambda: work(x), runs, float(sys.argv[7])) for _, work in ways)
    print(json.dumps({"who": who, "version": version, "threads": threads, "seconds": times}))


if __name__ == "__main__":
    main()
