#!/usr/bin/env bash
# Does a LUT depend on the connection to the device? Measures the same space on this machine directly, then over SSH to a
# private server on loopback, then directly again, and compares each LUT with the first. The third is the control: two direct
# LUTs differ as well.
#
#   benchmarks/ssh-loopback.sh FOLDER [SPACE] [measure's options...]     # e.g. runs/loopback small.toml --budget 45s
#
# Needs /usr/sbin/sshd and a quiet machine; raw output goes to FOLDER. NASPROF names another program than target/release's.
set -euo pipefail
. "$(dirname "$0")/../scripts/environment.sh"
folder=$(realpath -m "${1:?usage: benchmarks/ssh-loopback.sh FOLDER [SPACE] [OPTIONS...]}")
space=${2:-mobilenet-cifar10}
if [ -f "$space" ]; then space=$(realpath "$space"); fi
shift $(($# < 2 ? $# : 2))
nasprof=$(realpath "${NASPROF:-${CARGO_TARGET_DIR:-target}/release/nasprof}")
mkdir -p "$folder"

work=$(temporary_folder)
sshd=
trap '[ -z "$sshd" ] || kill "$sshd" 2>/dev/null || true; rm -rf "$work"' EXIT
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
CONFIG
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
/usr/sbin/sshd -D -f "$work/sshd_config" -E "$work/sshd.log" &
sshd=$!
for _ in $(seq 100); do
  (echo >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  kill -0 "$sshd" 2>/dev/null || { cat "$work/sshd.log" >&2; exit 1; }
  sleep 0.1
done

echo "[127.0.0.1]:$port $(cat "$work/host.pub")" >"$work/known"
mkdir -p "$work/nasprof/devices"
cat >"$work/nasprof/devices/loopback.toml" <<CONFIG
format_version = 1
transport = "ssh"
host = "127.0.0.1"
port = $port
identity_file = "$work/user"
known_hosts = "$work/known"
work_folder = "$work/board"
backend = "torch"
threads = 1
CONFIG
export XDG_CONFIG_HOME=$work

# Exit code 3 (some rows did not converge) is a result here, not a failure.
measure() {
  local name=$1 device=$2 start=$SECONDS code=0
  shift 2
  "$nasprof" measure --device "$device" --space "$space" -o "$folder/$name.parquet" "$@" 2>>"$folder/log.txt" || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || { tail -n 5 "$folder/log.txt" >&2; exit "$code"; }
  echo "  $name: $((SECONDS - start)) s, exit code $code"
}

{
  date -u +%FT%TZ
  measure here local "$@"
  measure ssh loopback "$@"
  measure here-again local "$@"
  echo '== here, and through SSH'
  "$nasprof" lut diff "$folder/here.parquet" "$folder/ssh.parquet" | head -n 5
  echo '== control: here, and here again'
  "$nasprof" lut diff "$folder/here.parquet" "$folder/here-again.parquet" | head -n 5
} | tee "$folder/summary.txt"
