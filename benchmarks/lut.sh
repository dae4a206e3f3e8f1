#!/usr/bin/env bash
# Measures LUTs on this machine and the errors of their predictions, with the gate's verdict beside every figure.
#
#   benchmarks/lut.sh FOLDER [SPACE]
#
# Measures two LUTs in the default context and their disagreement, one LUT of isolated layers, and one with glibc's own
# allocator as the control. Validates each in a process of its own on 100 holdout networks. Raw output goes to FOLDER.
set -euo pipefail
folder=${1:?usage: benchmarks/lut.sh FOLDER [SPACE]}
space=${2:-mobilenet-cifar10}
nasprof=${NASPROF:-${CARGO_TARGET_DIR:-target}/release/nasprof}
mkdir -p "$folder"

# Exit code 3 (some rows did not converge) is a result here, not a failure.
measure() {
  local start=$SECONDS code=0
  "$nasprof" measure --device local --space "$space" --resume "$@" 2>>"$folder/log.txt" || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
  echo "  $((SECONDS - start)) s, exit code $code"
}

{
  date -u +%FT%TZ
  echo '== gate'
  "$nasprof" devices check local || true
  echo '== LUT 1 and 2'
  measure -o "$folder/1.parquet"
  measure -o "$folder/2.parquet" --seed 1
  "$nasprof" lut diff "$folder/1.parquet" "$folder/2.parquet" | head -n 5
  echo '== isolated layers'
  measure -o "$folder/isolated.parquet" --mode isolated
  echo '== validation: 100 holdout networks, another process'
  "$nasprof" validate --device local --lut "$folder/1.parquet" --space "$space" -n 100 \
    --isolated "$folder/isolated.parquet" 2>>"$folder/log.txt"
  echo '== control: the allocator of glibc as it is'
  measure -o "$folder/system.parquet" --allocator system
  "$nasprof" validate --device local --lut "$folder/system.parquet" --space "$space" -n 100 2>>"$folder/log.txt"
} | tee "$folder/summary.txt"
