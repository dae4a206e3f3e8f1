"""Builds the pretended GPU: a CUDA runtime, cuBLAS and driver that stand before the real ones and compute nothing.

libtorch's CUDA part, searches, trainings and measurements run on it unchanged, with launches, events, captures and their rules. So all that
calls CUDA is tried without a GPU; what it computes, and how fast, is made up. It needs a C++ compiler, and PyTorch with CUDA.
"""

import pathlib
import subprocess
import sys

SOURCES = pathlib.Path(__file__).resolve().parent / "pretended"


def build(torch, folder):
    """Builds it into a folder; the environment in which a program finds it. `torch` is PyTorch's folder torch/lib."""
    folder.mkdir(parents=True, exist_ok=True)
    headers = torch.parent.parent / "nvidia" / "cu13" / "include"
    options = ["-O1", "-shared", "-fPIC"]
    runtime = folder / "libpretended.so"
    if not headers.is_dir():
        fail(f"{headers} is missing", "PYTHON=/path/to/python, of an environment with PyTorch for CUDA 13")
    compile(["c++", *options, "-std=c++17", f"-I{SOURCES}", "-isystem", headers, *sorted(SOURCES.glob("*.cpp")), "-ldl", "-o", runtime])
    # One library under the names of both.
    for name in ["libnvidia-ml.so.1", "libcuda.so.1"]:
        compile(["cc", *options, SOURCES / "driver.c", "-o", folder / name])
    return {"LD_PRELOAD": str(runtime), "LD_LIBRARY_PATH": f"{torch}:{folder}"}


def compile(command):
    """Runs a compiler, or ends with its first error."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    except OSError as problem:
        fail(f"the pretended GPU needs the compiler {command[0]}: {problem}", "install g++")
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or [f"exit code {done.returncode}"]
        fail(f"{command[0]} cannot compile the pretended GPU: {told[0]}", "the sources are for the headers of CUDA 13, which PyTorch 2.11 brings")


def fail(problem, hint):
    print(f"error: {problem}", file=sys.stderr)
    print(f"hint: {hint}", file=sys.stderr)
    sys.exit(1)
