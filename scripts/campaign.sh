#!/usr/bin/env bash
# Runs every command with damaged, swapped and hostile files and environments, and counts failures.
#
#   scripts/campaign.sh [EXECUTIONS] [SEED]     # 5000 executions, seed 0; `make build` first, or NASPROF=PATH names another program
#
# Prints a table of kinds: executions, panics (also signals), hangs, wrong results (another value with exit code 0, a
# changed input, half a file). Exits with 0 if all of these are 0. Not part of the tests. Kinds: see
# scripts/campaign.py.
set -euo pipefail
nasprof=${NASPROF:-$(dirname "$0")/../${CARGO_TARGET_DIR:-target}/release/nasprof}
[ -x "$nasprof" ] || { echo "error: $nasprof is missing" >&2; echo "hint: make build" >&2; exit 1; }
exec python3 "$(dirname "$0")/campaign.py" "$(realpath "$nasprof")" "${1:-5000}" "${2:-0}"
