#!/usr/bin/env bash
# Checks nasprof's claims about GPUs on a real one. Prints a table "claim, figure, ok or not" and keeps all raw results.
#
#   scripts/check-gpu.sh --pack FOLDER      # builds the programs (release) and packs them with the checks: FOLDER, and FOLDER.tar.gz
#   FOLDER/check-gpu.sh [-o RESULTS]        # there: under 8 minutes
#   scripts/check-gpu.sh --dry-run          # the same without a GPU: fakes take the place of the GPU's parts and of PyTorch
#   scripts/check-gpu.sh --pretend          # without a GPU, with PyTorch and a C++ compiler: on a CUDA runtime that computes nothing
#
# The machine with the GPU needs Python and PyTorch 2.11 with CUDA, whose libtorch serves the programs; no Rust and no network.
# Options of the checks: --only NAME (several), --list, --seconds 460, --programs FOLDER. PYTHON names the interpreter (3.10
# or newer) that has PyTorch. Each check has a time limit (--list); a check that fails or hangs does not stop the rest.
# Exit code: 0 if everything holds, 3 if something does not, 1 if the checks could not run.
set -euo pipefail
here=$(cd "$(dirname "$(realpath "$0")")" && pwd)

# `cargo bench --no-run` prints the name of what it built.
bench() { cargo bench --locked --no-run -p nasprof-train --bench "$1" 2>&1 | tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p'; }

if [ "${1:-}" = --pack ]; then
  folder=${2:?"the folder to pack into"}
  [ -e "$here/../Cargo.toml" ] || { echo "error: --pack needs a checkout of the repository" >&2; exit 1; }
  mkdir -p "$folder"
  folder=$(realpath "$folder")
  cd "$here/.."
  cargo build --release --locked -p nasprof -p nasprof-agent -p nasprof-torch -p nasprof-train >&2
  built=${CARGO_TARGET_DIR:-target}/release
  cp "$built/nasprof" "$built/nasprof-agent" "$built/nasprof-agent-torch" "$built/nasprof-search" "$folder/"
  program=$(bench pytorch)
  [ -n "$program" ] || { echo "error: the bench of train/benches/pytorch.rs was not built" >&2; exit 1; }
  cp "$program" "$folder/nasprof-bench-pytorch"
  cp scripts/check-gpu.sh train/benches/pytorch/steps.py "$folder/"
  rm -rf "$folder/check-gpu" && cp -r scripts/check-gpu "$folder/check-gpu"
  tar -czf "$folder.tar.gz" -C "$(dirname "$folder")" "$(basename "$folder")"
  echo "$folder.tar.gz: unpack it on the machine with the GPU and run $(basename "$folder")/check-gpu.sh there" >&2
  exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || { echo "error: $python is missing" >&2; echo "hint: PYTHON=/path/to/python" >&2; exit 1; }
programs=$here
[ -x "$programs/nasprof" ] || programs=$(realpath -m "$here/../${CARGO_TARGET_DIR:-target}/release")
# The folder may be one that cannot be written to.
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$here/check-gpu" --programs "$programs" "$@"
