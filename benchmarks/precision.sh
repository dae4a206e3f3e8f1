#!/bin/sh
# Measures how long a LUT takes, what error it claims, and what error its estimates have: with this version and, if
# another program is given, with that program, in turns on the same machine.
#
#   benchmarks/precision.sh FOLDER [OLD]
#
# FOLDER gets all raw output. OLD is a `nasprof` of another version with its agents beside it. NASPROF names this
# version's program (default: target/release/nasprof). Needs a quiet machine; at most 12 minutes.
set -eu
folder=${1:?usage: benchmarks/precision.sh FOLDER [OLD]}
old=${2:-}
new=${NASPROF:-target/release/nasprof}
space=${SPACE:-mobilenet-cifar10}
mkdir -p "$folder"
uname -srm > "$folder/machine.txt"
nproc >> "$folder/machine.txt"

# Runs a command, keeps its output and says how long it took. Exit code 3 (less certain than asked for) is a result.
timed() {
    name=$1
    shift
    begun=$(date +%s.%N)
    code=0
    "$@" > "$folder/$name.txt" 2> "$folder/$name.log" || code=$?
    seconds=$(echo "$begun $(date +%s.%N)" | awk '{ printf "%.1f", $2 - $1 }')
    echo "$name: $seconds s, exit code $code" | tee -a "$folder/summary.txt"
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || { cat "$folder/$name.log" >&2; exit "$code"; }
}

timed measure-new "$new" measure --device local --space "$space" --seed 1 -o "$folder/new.parquet"
[ -z "$old" ] || timed measure-old "$old" measure --device local --space "$space" --seed 1 -o "$folder/old.parquet"
timed validate-new "$new" validate --device local --lut "$folder/new.parquet" --space "$space" -n 100 --seed 7 --json
if [ -n "$old" ]; then
    # The new program judges the old LUT: one code measures both truths.
    timed validate-old "$new" validate --device local --lut "$folder/old.parquet" --space "$space" -n 100 --seed 7 --json
    # The old journal by both rules.
    timed rebuild-old "$old" lut rebuild "$folder/old.journal.jsonl" -o "$folder/old-by-old.parquet"
    timed rebuild-new "$new" lut rebuild "$folder/old.journal.jsonl" -o "$folder/old-by-new.parquet"
    timed show-old-by-old "$old" lut show "$folder/old-by-old.parquet" --rows 0
    timed show-old-by-new "$new" lut show "$folder/old-by-new.parquet" --rows 0
fi
timed show-new "$new" lut show "$folder/new.parquet" --rows 0
# Does the level's interval hold? Five processes now; repeat the script at another hour for more.
for i in 1 2 3 4 5; do
    timed "level-$i" "$new" devices check local --lut "$folder/new.parquet" --space "$space"
done
