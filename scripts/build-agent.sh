#!/usr/bin/env bash
# Builds the light agent (without libtorch) for a board of another architecture, twice. The static program runs on every
# such board; the dynamic one can load ONNX Runtime and needs glibc 2.34 or newer on the board.
#
#   scripts/build-agent.sh aarch64-unknown-linux-gnu          # or armv7-unknown-linux-gnueabihf, riscv64gc-unknown-linux-gnu
#
# Writes target/release/nasprof-agent-ARCHITECTURE and nasprof-agent-dynamic-ARCHITECTURE, where `nasprof` beside them finds
# them. The C linker is Debian's cross compiler. Rust's library for the target comes from `rustup target add` if possible.
# Otherwise it is built from Debian's sources with Debian's compiler, both unpacked into a cache (NASPROF_CROSS_CACHE) and
# not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

triple=${1:-}
case $triple in
  aarch64-unknown-linux-gnu) architecture=aarch64 gcc=aarch64-linux-gnu-gcc packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
  armv7-unknown-linux-gnueabihf) architecture=armv7 gcc=arm-linux-gnueabihf-gcc packages=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross) ;;
  riscv64gc-unknown-linux-gnu) architecture=riscv64 gcc=riscv64-linux-gnu-gcc packages=(gcc-riscv64-linux-gnu libc6-dev-riscv64-cross) ;;
  *)
    echo "error: TARGET=${triple:-}: unknown target" >&2
    echo "hint: use one of aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf, riscv64gc-unknown-linux-gnu; any other board can build its own (docs/agents.md)" >&2
    exit 2
    ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }

# Packages, if they are not there: installed as root, named otherwise.
need() {
  if ! has apt-get; then
    echo "error: these packages (Debian's names) are missing: $*" >&2
    exit 1
  elif [ "$(id -u)" -ne 0 ]; then
    echo "error: these packages are missing: $*" >&2
    echo "hint: sudo apt-get install --no-install-recommends $*" >&2
    exit 1
  fi
  echo "installing packages: $*" >&2
  apt-get update -qq </dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null
}

has "$gcc" || need "${packages[@]}"

# Debian's compiler, and the sources of Rust's library, in the cache. They cannot be installed beside rustup's.
debian_rust() {
  local cache
  cache=$(cache_folder cross NASPROF_CROSS_CACHE)
  if [ ! -x "$cache/rustc.sh" ]; then
    has dpkg-deb && has apt-get || { echo "error: rustup has no standard library for $triple, and this is not Debian" >&2; exit 1; }
    dpkg -s libllvm22 >/dev/null 2>&1 || need libllvm22
    rm -rf "$cache.part" && mkdir -p "$cache.part"
    (
      cd "$cache.part"
      apt-get download -qq rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src >&2
      for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
      cat >rustc.sh <<'SH'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu:$here/usr/lib exec "$here/usr/bin/rustc" "$@"
SH
      chmod +x rustc.sh
    )
    rm -rf "$cache" && mv "$cache.part" "$cache"
  fi
  echo "$cache/rustc.sh"
}

linker=CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_LINKER
export "$linker=$gcc"
build=(build --release --locked -p nasprof-onnxruntime --bin nasprof-agent --target "$triple")
target=${CARGO_TARGET_DIR:-target}
if [ -d "$(rustc --print target-libdir --target "$triple")" ] || { has rustup && rustup -q target add "$triple" 2>/dev/null; }; then
  std=()
else
  RUSTC=$(debian_rust)
  echo "building Rust's standard library for $triple: rustup does not provide it" >&2
  # The sources are an unstable way to get a stable library; the agent itself uses nothing unstable.
  export RUSTC RUSTC_BOOTSTRAP=1
  target=$target/cross
  std=(-Zbuild-std=std,panic_abort)
fi
mkdir -p "${CARGO_TARGET_DIR:-target}/release"
for kind in "" dynamic-; do
  # A folder for each: flags of the compiler make another build of everything.
  if [ -z "$kind" ]; then flags="-C target-feature=+crt-static" folder=$target; else flags="-C target-feature=-crt-static" folder=$target/dynamic; fi
  RUSTFLAGS=$flags cargo "${build[@]}" "${std[@]}" --target-dir "$folder"
  agent=${CARGO_TARGET_DIR:-target}/release/nasprof-agent-$kind$architecture
  cp -f "$folder/$triple/release/nasprof-agent" "$agent"
  echo "$agent"
done
