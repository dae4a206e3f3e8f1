#!/usr/bin/env bash
# Installs the Debian packages that the build needs, and checks that Rust is new enough.
#
#   scripts/install-packages.sh            # installs what is missing, or does nothing
#
# As root it installs; as another user it prints the command to run. It asks no questions.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

rust=1.95

has() { command -v "$1" >/dev/null 2>&1; }

missing=()
# torch-sys compiles C++, and cargo links through the compiler. `g++` alone has no C library headers on a bare system.
if ! has g++ || ! has cc; then missing+=(build-essential); fi
# The SSH library is C on top of OpenSSL.
has pkg-config || missing+=(pkg-config)
[ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
# The tests measure over SSH on this machine, and cut the link between two network namespaces.
[ -x /usr/sbin/sshd ] || has sshd || missing+=(openssh-server)
has ip || missing+=(iproute2)
# They run the scripts for boards in the shell of a small board as well.
has busybox || missing+=(busybox)
# The tests open reports in a headless browser, and read event files with TensorBoard in a virtual environment.
has chromium || has google-chrome || missing+=(chromium)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
has make || missing+=(make)
has unzip || missing+=(unzip)
has python3 || missing+=(python3)
# Any Python's pip will do, Debian's only where there is none.
if ! has python3 || ! python3 -m pip --version >/dev/null 2>&1; then missing+=(python3-pip); fi
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/cert.pem ] || missing+=(ca-certificates)

if [ ${#missing[@]} -gt 0 ]; then
  if ! has apt-get; then
    echo "error: these packages (Debian's names) are missing: ${missing[*]}" >&2
    echo "hint: install them with this system's package manager" >&2
    exit 1
  elif [ "$(id -u)" -ne 0 ]; then
    echo "error: these packages are missing: ${missing[*]}" >&2
    echo "hint: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "installing packages: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi

# Where rustup puts cargo, for shells that have not read its profile lines yet.
if cargo=$(cargo_home); then PATH=$PATH:$cargo/bin; fi
found=
if has cargo; then found=$(cargo --version | cut -d' ' -f2); fi
# The older of the two must be the one we need.
if [ -z "$found" ] || [ "$(printf '%s\n' "$rust" "$found" | sort -V | head -n 1)" != "$rust" ]; then
  echo "error: cargo $rust or newer is needed, ${found:-none} was found" >&2
  if has rustup; then
    echo "hint: rustup update stable" >&2
  else
    echo "hint: install cargo with rustup (https://rustup.rs): curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
  fi
  exit 1
fi
