"""Builds the pretended GPU: a CUDA runtime, cuBLAS and driver that stand before the real ones and compute nothing.

libtorch's CUDA part, searches, trainings and measurements run on it unchanged, with launches, events, captures and their rules. So all that
calls CUDA is tried without a GPU; what it computes, and how fast, is made up. It needs a C++ compiler, and PyTorch with CUDA.
"""

import pathlib
import subprocess

SOURCES = pathlib.Path(__file__).resolve().parent / "pretended"


def build(torch, folder):
    """Builds it into a folder; the environment in which a program finds it. `torch` is PyTorch's folder torch/lib."""
    folder.mkdir(parents=True, exist_ok=True)
    headers = torch.parent.parent / "nvidia" / "cu13" / "include"
    options = ["-O1", "-shared", "-fPIC"]
    runtime = folder / "libpretended.so"
    subprocess.run(["c++", *options, "-std=c++17", f"-I{SOURCES}", "-isystem", headers, *sorted(SOURCES.glob("*.cpp")), "-ldl",
                    "-o", runtime], check=True)
    # One library under the names of both.
    for name in ["libnvidia-ml.so.1", "libcuda.so.1"]:
        subprocess.run(["cc", *options, SOURCES / "driver.c", "-o", folder / name], check=True)
    return {"LD_PRELOAD": str(runtime), "LD_LIBRARY_PATH": f"{torch}:{folder}"}
