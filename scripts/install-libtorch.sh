#!/usr/bin/env bash
# Installs libtorch (CPU part), from the Python packages, where the build expects it. No Python is needed at run time:
# the wheels are only unpacked.
#
#   scripts/install-libtorch.sh            # installs once, then does nothing
#
# The files live in a cache outside the checkout, so that every clone shares them;
# NASPROF_LIBTORCH names another folder. `.deps/libtorch` in the checkout links to it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

version=2.11.0
cache=$(cache_folder "libtorch-$version" NASPROF_LIBTORCH)

if [ ! -e "$cache/complete" ]; then
  echo "libtorch $version: downloading (about 540 MB) into $cache" >&2
  work=$(temporary_folder)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --no-deps --only-binary=:all: \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
    --python-version 3.11 --implementation cp --dest "$work" \
    torch==$version nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
  # The wheels are CUDA builds: libtorch_cpu needs the two small CUDA libraries to load,
  # the large CUDA parts are left out.
  for wheel in "$work"/*.whl; do
    unzip -qq -o "$wheel" 'torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*' \
      'torch/include/*' '*/libcudart.so.13' '*/libcupti.so.13' -d "$work/unpacked" 2>/dev/null || [ $? -eq 11 ]
  done
  rm -rf "$cache.part" && mkdir -p "$cache.part/lib"
  find "$work/unpacked" -name '*.so*' -exec mv {} "$cache.part/lib/" \;
  mv "$work/unpacked/torch/include" "$cache.part/include"
  # The full libtorch.so would pull in CUDA; torch-sys asks for -ltorch.
  echo 'INPUT(-ltorch_cpu -lc10)' > "$cache.part/lib/libtorch.so"
  touch "$cache.part/complete"
  rm -rf "$cache" && mv "$cache.part" "$cache"
fi

mkdir -p .deps
ln -sfn "$cache" .deps/libtorch
