#!/usr/bin/env bash
# Installs ONNX and ONNX Runtime into .deps/onnx, for the tests that check and run our models with them.
#
#   scripts/install-onnx.sh         # installs it, or does nothing
#
# Without it those tests say that they are skipped, so a machine without a package index only gets a warning.
set -euo pipefail
cd "$(dirname "$0")/.."

version=onnx-1.23.2-runtime-1.32.0
folder=.deps/onnx

[ -e "$folder/$version" ] && exit 0
rm -rf "$folder"
mkdir -p .deps
if python3 -m venv "$folder" && "$folder/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0; then
  touch "$folder/$version"
else
  rm -rf "$folder"
  echo "warning: ONNX and ONNX Runtime cannot be installed; their tests will be skipped" >&2
fi
