#!/usr/bin/env bash
# Installs the library of ONNX Runtime, from its Python package, where the agent finds it. No Python is needed at run
# time: the wheel is only unpacked.
#
#   scripts/install-onnxruntime.sh                # for this machine: installs once, then does nothing
#   scripts/install-onnxruntime.sh aarch64        # for boards: nasprof uploads it to those that have none
#
# The files live in a cache outside the checkout, so that every clone shares them; NASPROF_ONNXRUNTIME names another folder
# or file, which must then exist. Prints the path of the library's folder.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

version=1.32.0
here=$(uname -m)
architecture=${1:-$here}
case $architecture in
  x86_64 | aarch64) ;;
  *)
    echo "error: there is no Python package of ONNX Runtime for $architecture" >&2
    echo "hint: build the library on the board, and set \`onnxruntime\` in the device file to its folder" >&2
    exit 2
    ;;
esac

if [ "$architecture" = "$here" ] && given=$(named NASPROF_ONNXRUNTIME); then
  [ -e "$given" ] || { echo "error: NASPROF_ONNXRUNTIME=$given does not exist" >&2; exit 1; }
  echo "$given"
  exit
fi

# A board's library has a folder that this machine's agent does not look into.
name=onnxruntime-$version
[ "$architecture" = "$here" ] || name=$architecture-$name
cache=$(cache_folder "$name")

if [ ! -e "$cache/complete" ]; then
  echo "ONNX Runtime $version ($architecture): downloading (about 20 MB) into $cache" >&2
  work=$(temporary_folder)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --no-deps --only-binary=:all: \
    --platform "manylinux_2_28_$architecture" --platform "manylinux_2_27_$architecture" \
    --platform "manylinux2014_$architecture" --platform "manylinux_2_17_$architecture" \
    --python-version 3.11 --implementation cp --dest "$work" "onnxruntime==$version"
  unzip -qq -o "$work"/*.whl 'onnxruntime/capi/libonnxruntime*' 'onnxruntime/LICENSE' 'onnxruntime/ThirdPartyNotices.txt' -d "$work/unpacked"
  rm -rf "$cache.part" && mkdir -p "$cache.part/lib"
  mv "$work"/unpacked/onnxruntime/capi/libonnxruntime* "$cache.part/lib/"
  mv "$work/unpacked/onnxruntime/LICENSE" "$work/unpacked/onnxruntime/ThirdPartyNotices.txt" "$cache.part/"
  touch "$cache.part/complete"
  rm -rf "$cache" && mv "$cache.part" "$cache"
fi
echo "$cache/lib"
