#!/usr/bin/env bash
# Injects faults into synthetic measurements and checks that each resumes to the same LUT, byte for byte.
#
#   scripts/chaos.sh [FAULTS] [SEED]        # 1000 faults, seed 0; `make build` first, or NASPROF=PATH names another program
#
# Prints "lost 0, wrong 0" and exits with 0 if no measurement was lost (cannot be resumed) and no LUT is wrong. Not part
# of the tests: 1,000 faults take about twenty minutes. Faults: see scripts/chaos.py.
set -euo pipefail
nasprof=${NASPROF:-$(dirname "$0")/../${CARGO_TARGET_DIR:-target}/release/nasprof}
[ -x "$nasprof" ] || { echo "error: $nasprof is missing" >&2; echo "hint: make build" >&2; exit 1; }
exec python3 "$(dirname "$0")/chaos.py" "$(realpath "$nasprof")" "${1:-1000}" "${2:-0}"
