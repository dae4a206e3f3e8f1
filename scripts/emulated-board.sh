#!/usr/bin/env bash
# Emulates an aarch64 board on this machine (a Debian root with sshd under qemu's user emulation) and measures a LUT on it
# over SSH.
#
#   make build && make agent TARGET=aarch64-unknown-linux-gnu
#   scripts/emulated-board.sh                 # as root; leaves nothing but the Debian root in the cache
#
# It proves that the agent for another architecture is found, uploaded and runs. Its times are qemu's: they say nothing about
# a real board, so never publish them. Packages: mmdebstrap arch-test qemu-user-static binfmt-support openssh-client.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
[ "$(id -u)" -eq 0 ] || { echo "error: this needs root (chroot)" >&2; exit 1; }

nasprof=${CARGO_TARGET_DIR:-target}/release/nasprof
nasprof=$(realpath "$nasprof")
cache=$(cache_folder emulated-board NASPROF_BOARD_CACHE)
port=${PORT:-2264}
[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64

root=$cache/root
if [ ! -x "$root/usr/sbin/sshd" ]; then
  rm -rf "$cache.part" && mkdir -p "$cache.part"
  mmdebstrap --quiet --arch=arm64 --variant=extract \
    --include=openssh-server,dash,coreutils,base-files,libgomp1,libstdc++6,procps,grep,sed,tar,bash,gawk,libc-bin \
    bookworm "$cache.part/root"
  rm -rf "$cache" && mv "$cache.part" "$cache"
fi
mkdir -p "$root"/{proc,dev,run/sshd,etc/ssh,root,tmp}
cp -f /etc/resolv.conf "$root/etc/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
ln -sf dash "$root/bin/sh"

work=$(temporary_folder)
mkdir -p "$work/nasprof/devices"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
cp "$work/host" "$work/user.pub" "$root/etc/ssh/"
cat >"$root/etc/ssh/rig_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey /etc/ssh/host
AuthorizedKeysFile /etc/ssh/user.pub
UsePAM no
StrictModes no
PidFile none
CONFIG
echo "[127.0.0.1]:$port $(cat "$work/host.pub")" >"$work/known"
cat >"$work/nasprof/devices/emulated.toml" <<CONFIG
format_version = 1
transport = "ssh"
host = "127.0.0.1"
port = $port
user = "root"
identity_file = "$work/user"
known_hosts = "$work/known"
backend = "synthetic:quiet"
threads = 1
CONFIG

# A mount namespace of its own: /proc and /dev of the board are gone with its last process.
unshare --mount --propagation private sh -c "
  mount -t proc proc '$root/proc' && mount --bind /dev '$root/dev' && exec chroot '$root' /usr/sbin/sshd -D -e -f /etc/ssh/rig_config
" 2>"$work/sshd.log" &
sshd=$!
trap 'kill $sshd 2>/dev/null || true; wait $sshd 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 $sshd 2>/dev/null || { cat "$work/sshd.log" >&2; exit 1; }
  sleep 0.1
done

export XDG_CONFIG_HOME=$work
ssh -q -i "$work/user" -p "$port" -o UserKnownHostsFile="$work/known" root@127.0.0.1 uname -m
"$nasprof" devices check emulated
cd "$work"
"$nasprof" measure --device emulated --space mobilenet-cifar10 -o lut.parquet
"$nasprof" lut check lut.parquet
echo "EMULATED by qemu: the agent for aarch64 works over SSH; the times of this run are meaningless" >&2
