#!/usr/bin/env bash
# Measures a space on ONNX Runtime with one thread and with two, validates 60 unseen networks in another process, and
# prints the time that it took. Needs a quiet machine; benchmarks/results keeps the results.
#
#   benchmarks/onnxruntime.sh FOLDER [SPACE]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

folder=${1:?folder for the results}
space=${2:-mobilenet-cifar10}
nasprof=${NASPROF:-${CARGO_TARGET_DIR:-target}/release/nasprof}
mkdir -p "$folder"
scripts/install-onnxruntime.sh >/dev/null
threads=(1)
[ "$(nproc)" -lt 2 ] || threads+=(2)
for count in "${threads[@]}"; do
  lut=$folder/$space-onnxruntime-$count.parquet
  started=$(date +%s)
  code=0
  "$nasprof" measure --device local --backend onnxruntime --threads "$count" --space "$space" -o "$lut" --overwrite --allow-noisy || code=$?
  # 3: some rows are wider than asked for.
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
  echo "LUT, $count threads: $(($(date +%s) - started)) s"
  started=$(date +%s)
  "$nasprof" validate --device local --lut "$lut" --space "$space" -n 60 --allow-noisy --json >"$folder/$space-validation-$count.json"
  python3 - "$folder/$space-validation-$count.json" <<'PY'
import json, sys
print({key: value for key, value in json.load(open(sys.argv[1])).items() if not isinstance(value, (list, dict))})
PY
  echo "validation, $count threads: $(($(date +%s) - started)) s"
done
