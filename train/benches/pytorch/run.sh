#!/usr/bin/env bash
# Compares steps of supernet training here with the same steps in PyTorch, alternating, in one run.
#
#   train/benches/pytorch/run.sh          # THREADS (2), ROUNDS (7), CASES ("darts mobilenet") from the environment
#
# PyTorch goes into a virtual environment in the target folder, once: the version that libtorch was taken from, about
# 3 GB with the CUDA packages it does not start without. PYTHON names the interpreter of an environment that has it.
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=2.11.0
target=${CARGO_TARGET_DIR:-target}
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$(realpath -m "$target/pytorch-$version")/bin/python
  if [ ! -e "$(dirname "$PYTHON")/../complete" ]; then
    python3 -m venv "$target/pytorch-$version"
    "$PYTHON" -m pip install --quiet "torch==$version"
    touch "$target/pytorch-$version/complete"
  fi
fi
export PYTHON
"$PYTHON" -c 'import os, torch; print("PyTorch", torch.__version__, "in", os.path.dirname(torch.__file__))' >&2
theirs=$("$PYTHON" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so"))')
cmp -s "$theirs" .deps/libtorch/lib/libtorch_cpu.so && echo 'libtorch_cpu.so is the same file, byte by byte' >&2
cargo bench --locked -p nasprof-train --bench pytorch
