#!/usr/bin/env bash
# Do winners meet their latency budget on this machine? Searches by ProxylessNAS and DARTS under three targets each, one
# search per target. Each search measures its winner itself.
#
#   benchmarks/budgets.sh FOLDER [EXPERIMENT...]            # of configs/experiments; quick-pnas and quick-darts
#   benchmarks/budgets.sh --table FOLDER                    # of what is there so far
#
# The targets are quantiles (25, 50, 75 %) of the latencies of random architectures of the experiment's space. SETTINGS holds
# further settings of the experiments (`training.epochs=4 data.max_train_images=4000`). With HARD=1 the target is a hard
# limit (`reject`) that no winner may exceed. FOLDER gets LUTs, runs and table.md. An interrupted call resumes where it
# stopped.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
nasprof=${NASPROF:-${CARGO_TARGET_DIR:-$here/target}/release/nasprof}

table() {
  python3 - "$1" <<'EOF' | tee "$1/table.md"
import json, pathlib, sys

print("| search | target, ms | estimated | measured | off | selections | repaired | level | error |")
print("|---|---|---|---|---|---|---|---|---|")
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/target-*/result.json")):
    result = json.loads(path.read_text())
    search, target = path.parent.parent.name, float(path.parent.name.removeprefix("target-"))
    measured = result["measured"] or {}
    ms, level = measured.get("latency_ms"), measured.get("level")
    off = f"{100 * (ms / target - 1):+.1f} %" if ms else ""
    print(
        f"| {search} | {target:.4f} | {result['estimated_ms']:.4f} | {f'{ms:.4f}' if ms else 'not measured'} | {off} |"
        f" {len(result.get('selections', []))} | {'yes' if result['repaired'] else 'no'} |"
        f" {f'{level:.3f}' if level else ''} | {1 - result['accuracy']:.3f} |"
    )
EOF
}

if [ "${1:-}" = --table ]; then
  table "${2:?usage: benchmarks/budgets.sh --table FOLDER}"
  exit
fi
folder=$(realpath -m "${1:?usage: benchmarks/budgets.sh FOLDER [EXPERIMENT...]}")
shift
[ $# -gt 0 ] || set -- quick-pnas quick-darts
limit='kind="constraint", target'
[ -z "${HARD:-}" ] || limit='kind="reject", upper'
settings=()
for setting in ${SETTINGS:-}; do settings+=(--set "$setting"); done

for experiment; do
  toml=$here/configs/experiments/$experiment.toml
  space=$(awk -F'"' '$1 ~ /^space *= *$/ { print $2 }' "$toml")
  mkdir -p "$folder/$experiment"
  lut=$folder/$experiment/lut.parquet
  if [ ! -e "$lut" ]; then
    code=0
    "$nasprof" measure --device local --space "$space" -o "$lut" --resume || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
  fi
  if [ ! -s "$folder/$experiment/targets.txt" ]; then
    "$nasprof" space sample "$space" -n 400 --seed 1000 |
      "$nasprof" estimate --lut "$lut" --space "$space" --arch - --json |
      awk -v key='"latency_ms":' 'i = index($0, key) { print substr($0, i + length(key)) + 0 }' | sort -g |
      awk '{ a[NR] = $1 } END { for (q = 1; q <= 3; q++) printf "%.4g\n", a[int(NR * q / 4)] }' \
        > "$folder/$experiment/targets.txt"
  fi
  while read -r target; do
    run=$folder/$experiment/target-$target
    [ -e "$run/result.json" ] && continue
    "$nasprof" search "$toml" -o "$run" --resume --set device=local "${settings[@]}" \
      --set "regularizers=[{$limit=$target, quantity=\"latency\", lut=\"$lut\"}]" < /dev/null
  done < "$folder/$experiment/targets.txt"
done
table "$folder"
