#!/usr/bin/env bash
# Installs a Python tool for the tests into .deps, each tool in a virtual environment of its own.
#
#   scripts/install-python-tool.sh tensorboard   # reads our event files
#   scripts/install-python-tool.sh onnx          # checks and runs our models, with ONNX Runtime
#
# Does nothing if the tool is installed. Without a tool its tests report that they are skipped, so a machine without a
# package index only gets a warning.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  tensorboard) packages=(tensorboard==2.21.0 'setuptools<81') ;;
  onnx) packages=(onnx==1.23.2 onnxruntime==1.32.0) ;;
  *) echo "usage: scripts/install-python-tool.sh tensorboard|onnx" >&2; exit 2 ;;
esac
folder=.deps/$1

[ "$(cat "$folder/installed" 2>/dev/null)" = "${packages[*]}" ] && exit 0
rm -rf "$folder"
mkdir -p .deps
if python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "${packages[@]}"; then
  echo "${packages[*]}" > "$folder/installed"
else
  rm -rf "$folder"
  echo "warning: ${packages[*]} cannot be installed; the tests that need it will be skipped" >&2
fi
