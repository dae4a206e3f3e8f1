#!/usr/bin/env bash
# Installs the CUDA part of libtorch, from the Python packages, where the agent looks for it: 2.4 GB to download, 4 GB on
# disk. Only machines with an NVIDIA GPU need it. No Python is needed at run time.
#
#   scripts/install-libtorch-cuda.sh       # installs once, then does nothing
#
# An installed PyTorch 2.11.0 with CUDA works as well: NASPROF_LIBTORCH_CUDA=.../site-packages/torch/lib
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

version=2.11.0
cache=$(cache_folder "libtorch-cuda-$version")
[ ! -e "$cache/complete" ] || exit 0

echo "libtorch $version for CUDA 13: downloading (about 2.4 GB) into $cache" >&2
mkdir -p "$(dirname "$cache")"
work=$(mktemp -d "$(dirname "$cache")/libtorch-cuda.XXXXXX")
trap 'rm -rf "$work"' EXIT
platforms=()
for glibc in 2_28 2_27 2_25 2_24 2_18 2_17; do platforms+=(--platform "manylinux_${glibc}_$(uname -m)"); done
pip() {
  python3 -m pip download --quiet --only-binary=:all: "${platforms[@]}" --platform "manylinux2014_$(uname -m)" \
    --python-version 3.11 --implementation cp --dest "$work" "$@"
}
# What that version of torch names as its requirements.
pip --no-deps "torch==$version"
pip --platform any 'cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc]==13.0.2' \
  nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9 nvidia-nvshmem-cu13==3.4.5
mkdir -p "$work/lib"
for wheel in "$work"/*.whl; do
  # libtorch itself is the build's; two copies of it in one process would not work.
  unzip -qq -o -j "$wheel" '*.so*' -x '*/libtorch_cpu.so' '*/libtorch.so' '*/libc10.so' '*/libtorch_python.so' \
    -d "$work/lib" 2>/dev/null || [ $? -eq 11 ]
  rm -f "$wheel"
done
rm -rf "$cache" && mkdir -p "$cache"
mv "$work/lib" "$cache/lib"
touch "$cache/complete"
