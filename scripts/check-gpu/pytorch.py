"""What PyTorch says about layers: `pytorch.py kernels LAYERS.json` prints for each layer the time of its kernels.

LAYERS.json is a list of rows of a LUT: `op`, `attributes`, `input_shapes` and `mean_ns`. A third argument, `cpu`, tries the layers
without a GPU; then the times are the processor's.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

CALLS = 50
DEVICE = sys.argv[3] if len(sys.argv) > 3 else "cuda"


def pair(text):
    sides = [int(side) for side in text.split("x")]
    return sides if len(sides) == 2 else sides * 2


def call(row):
    """A function that runs the layer on random data."""
    attributes = dict(part.split("=", 1) for part in row["attributes"].split(",") if "=" in part)
    shapes = [[1, *(int(side) for side in shape.split("x"))] for shape in row["input_shapes"].split(",")]
    data = [torch.randn(shape, device=DEVICE) for shape in shapes]
    x, channels = data[0], shapes[0][1]
    if row["op"] == "conv":
        out, kernel, groups = int(attributes["out"]), pair(attributes["kernel"]), int(attributes.get("groups", 1))
        weight = torch.randn(out, channels // groups, *kernel, device=DEVICE)
        bias = torch.randn(out, device=DEVICE) if "bias" in row["attributes"] else None
        names = {"stride": "stride", "pad": "padding", "dilation": "dilation"}
        more = {name: pair(attributes[key]) for key, name in names.items() if key in attributes}
        return lambda: F.conv2d(x, weight, bias, groups=groups, **more)
    if row["op"] == "batch_norm":
        ones = [torch.ones(channels, device=DEVICE) for _ in range(4)]
        return lambda: F.batch_norm(x, ones[0], ones[1], ones[2], ones[3])
    if row["op"] == "add":
        return lambda: data[0] + data[1]
    if row["op"] == "linear":
        weight = torch.randn(int(attributes["out"]), shapes[0][-1], device=DEVICE)
        bias = torch.randn(int(attributes["out"]), device=DEVICE) if "bias" in row["attributes"] else None
        return lambda: F.linear(x, weight, bias)
    if row["op"] in ("relu", "relu6"):
        return lambda: getattr(F, row["op"])(x)
    return None


def kernel_ns(layer):
    """Nanoseconds of the layer's kernels in one call."""
    for _ in range(10):
        layer()
    if DEVICE == "cpu":
        started = time.perf_counter()
        for _ in range(CALLS):
            layer()
        return 1e9 * (time.perf_counter() - started) / CALLS
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(CALLS):
            layer()
        torch.cuda.synchronize()
    microseconds = sum(e.self_device_time_total for e in found.key_averages() if e.device_type.name == "CUDA")
    return 1e3 * microseconds / CALLS


@torch.no_grad()
def kernels(path):
    with open(path) as file:
        rows = json.load(file)
    answers = []
    for row in rows:
        layer = call(row)
        if layer is not None:
            answers.append({"layer": row["key"], "row_ns": row["mean_ns"], "kernel_ns": kernel_ns(layer)})
    print(json.dumps(answers))


if __name__ == "__main__":
    {"kernels": kernels}[sys.argv[1]](sys.argv[2])
