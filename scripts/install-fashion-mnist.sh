#!/usr/bin/env bash
# Installs the default data set of searches: Debian's package dataset-fashion-mnist.
#
#   scripts/install-fashion-mnist.sh       # installs it, or does nothing
#
# As root it installs; as another user it prints the command to run. It asks no questions.
set -euo pipefail

package=dataset-fashion-mnist
[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "error: this system has no package $package" >&2
  echo "hint: download the four files of https://github.com/zalandoresearch/fashion-mnist and set data.path to their folder" >&2
  exit 1
elif [ "$(id -u)" -ne 0 ]; then
  echo "error: the package $package is missing" >&2
  echo "hint: sudo apt-get install --no-install-recommends $package" >&2
  exit 1
fi
echo "installing packages: $package" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null
apt-get install -y -qq --no-install-recommends "$package" </dev/null
