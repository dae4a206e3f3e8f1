#!/usr/bin/env bash
# Installs TensorBoard into .deps/tensorboard, for the tests that read our event files with it.
#
#   scripts/install-tensorboard.sh         # installs it, or does nothing
#
# Without it those tests say that they are skipped, so a machine without a package index only gets a warning.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.21.0
folder=.deps/tensorboard

[ -e "$folder/$version" ] && exit 0
rm -rf "$folder"
mkdir -p .deps
if python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "tensorboard==$version" "setuptools<81"; then
  touch "$folder/$version"
else
  rm -rf "$folder"
  echo "warning: TensorBoard $version cannot be installed; its tests will be skipped" >&2
fi
