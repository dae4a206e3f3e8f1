#!/usr/bin/env bash
# Packs the programs that need no libtorch for this machine's architecture: writes
# dist/nasprof-VERSION-ARCHITECTURE-linux.tar.gz, with its SHA-256 beside it.
#
#   scripts/dist.sh [VERSION]           # refuses if it is not the workspace's version
#
# The libtorch back end and the search programs must be built from source (README.md): they link to the machine's libtorch.
# PROFILE=dev packs a debug build, for a test of this script.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(awk -F'"' '/^\[workspace.package\]/ { inside = 1 } inside && /^version/ { print $2; exit }' Cargo.toml)
if [ "${1:-$version}" != "$version" ]; then
  echo "error: the tag says version $1, Cargo.toml says $version" >&2
  exit 2
fi
profile=${PROFILE:-release}
cargo build --profile "$profile" --locked -p nasprof -p nasprof-onnxruntime >&2
built=${CARGO_TARGET_DIR:-target}/${profile/#dev/debug}
name=nasprof-$version-$(uname -m)-linux
folder=dist/$name
rm -rf "$folder" && mkdir -p "$folder/completions" "$folder/man"
cp "$built/nasprof" "$built/nasprof-agent" README.md CHANGELOG.md LICENSE "$folder/"
"$built/nasprof" manual -o "$folder/man" >/dev/null
for shell in bash zsh fish; do "$built/nasprof" completions "$shell" >"$folder/completions/nasprof.$shell"; done
# The same programs are the same archive.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
  -C dist -cf - "$name" | gzip -n >"dist/$name.tar.gz"
rm -rf "$folder"
(cd dist && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "dist/$name.tar.gz"
