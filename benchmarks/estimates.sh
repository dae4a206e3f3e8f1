#!/usr/bin/env bash
# How many architectures a second does `nasprof estimate` predict? The LUT is of a synthetic device; latencies depend on
# each layer's place and on the network's size. With another nasprof program, the two run in turns.
#
#   benchmarks/estimates.sh FOLDER [OTHER_NASPROF]
#
# NASPROF: the program to measure [default: target/release/nasprof]. COUNT: architectures [default: 20000]. REPEATS:
# [default: 5].
set -euo pipefail
folder=${1:?usage: benchmarks/estimates.sh FOLDER [OTHER_NASPROF]}
nasprof=$(realpath "${NASPROF:-${CARGO_TARGET_DIR:-target}/release/nasprof}")
other=${2:-}
count=${COUNT:-20000}
repeats=${REPEATS:-5}

mkdir -p "$folder"
lut=$folder/lut.parquet
archs=$folder/archs.jsonl
if [ ! -e "$lut" ]; then
  "${other:-$nasprof}" measure --device synthetic:crowded --space mobilenet-cifar10 -o "$lut" > /dev/null
fi
"$nasprof" space sample mobilenet-cifar10 -n "$count" --seed 1 > "$archs"

# Seconds and lines a second of one run; its output goes to a file, as it would in use.
run() { # NAME PROGRAM
  local begin end
  begin=$(date +%s.%N)
  "$2" estimate --lut "$lut" --arch - --json < "$archs" > "$folder/$1.jsonl"
  end=$(date +%s.%N)
  awk -v name="$1" -v seconds="$(echo "$end $begin" | awk '{ print $1 - $2 }')" -v lines="$(wc -l < "$folder/$1.jsonl")" \
    -v bytes="$(wc -c < "$folder/$1.jsonl")" \
    'BEGIN { printf "%-8s %8.3f s  %9.0f lines/s  %6.0f bytes a line\n", name, seconds, lines / seconds, bytes / lines }'
}

for _ in $(seq "$repeats"); do
  if [ -n "$other" ]; then
    run other "$other"
  fi
  run nasprof "$nasprof"
done

# The two must say the same: the largest relative difference of a latency.
if [ -n "$other" ]; then
  latencies() { awk -v key='"latency_ms":' 'i = index($0, key) { print substr($0, i + length(key)) + 0 }' "$folder/$1.jsonl"; }
  paste <(latencies other) <(latencies nasprof) |
    awk '{ d = $1 / $2 - 1; d = d < 0 ? -d : d; if (d > most) most = d } END { printf "largest difference %.2e\n", most }'
fi
