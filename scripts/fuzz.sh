#!/usr/bin/env bash
# Runs the fuzz targets one after the other, each from its seeds and from inputs of earlier runs.
#
#   scripts/fuzz.sh [SECONDS]                # each target for that long (60)
#   scripts/fuzz.sh --runs N [TARGET...]     # each, or those named, for N executions
#   scripts/fuzz.sh --keep [TARGET...]       # puts small inputs that reach more code than the seeds into fuzz/kept
#   scripts/fuzz.sh --list
#
# Needs no nightly toolchain and no cargo-fuzz: libFuzzer is built by a C++ compiler, and coverage comes from stable flags of
# rustc. Inputs collect in fuzz/corpus/TARGET, faults in fuzz/artifacts/TARGET; git ignores both. Prints one line for each
# target to stdout: name, executions, seconds, reached edges of the code, faults.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${CARGO_TARGET_DIR:-fuzz/target}/libfuzzer
host=$(rustc -vV | awk '/^host:/ { print $2 }')
# As cargo-fuzz without a sanitizer does: counters at every edge, and traces of comparisons.
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares"

usage='usage: scripts/fuzz.sh [SECONDS | --runs N [TARGET...] | --keep [TARGET...] | --list]'
limit=(-max_total_time="${1:-60}")
targets=()
keep=
case ${1:-} in
  --list) sed -n 's|^path = "fuzz_targets/\(.*\).rs"|\1|p' fuzz/Cargo.toml; exit ;;
  --runs) limit=(-runs="${2:?usage: scripts/fuzz.sh --runs N [TARGET...]}"); shift 2; targets=("$@") ;;
  --keep) keep=1; shift; targets=("$@") ;;
  '' | *[0-9]) [ $# -le 1 ] || { echo "$usage" >&2; exit 2; } ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <("$0" --list)

RUSTFLAGS="$flags" cargo build --manifest-path fuzz/Cargo.toml --release --locked --target "$host" --target-dir "$build" >&2
# Of the inputs that reach all code that the corpus reaches with at most a kilobyte: 40 of all sizes.
keep_small() {
  local target=$1 merged kept=fuzz/kept/$1
  merged=$(mktemp -d)
  mkdir -p "$kept"
  # What the seeds reach is reached already.
  cp "fuzz/corpus/$target"/seed-* "$merged"
  "$build/$host/release/$target" -merge=1 -max_len=1024 -timeout=20 "$merged" "$kept" "fuzz/corpus/$target" \
    >/dev/null 2>&1
  rm -rf "$kept" "$merged"/seed-*
  mkdir "$kept"
  find "$merged" -maxdepth 1 -type f -printf '%s %p\n' | sort -n |
    awk '{ all[NR] = $2 } END { step = NR > 40 ? NR / 40 : 1; for (i = step; i < NR + 0.5; i += step) print all[int(i)] }' | xargs -r cp -t "$kept"
  rm -rf "$merged"
  printf '%s inputs=%s bytes=%s\n' "$target" "$(find "$kept" -type f | wc -l)" "$(cat "$kept"/* 2>/dev/null | wc -c)"
}

failed=0
for target in "${targets[@]}"; do
  [ -z "$keep" ] || { keep_small "$target"; continue; }
  corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
  mkdir -p "$corpus" "$artifacts"
  kept=()
  for folder in "fuzz/regressions/$target" "fuzz/kept/$target"; do
    [ ! -d "$folder" ] || kept+=("$folder")
  done
  start=$SECONDS code=0
  NASPROF_FUZZ_SEEDS=$corpus "$build/$host/release/$target" "$corpus" "${kept[@]}" -artifact_prefix="$artifacts/" -max_len=65536 -timeout=20 \
    -rss_limit_mb=2048 -print_final_stats=1 "${limit[@]}" >"$artifacts/log.txt" 2>&1 || code=$?
  runs=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$artifacts/log.txt")
  edges=$(awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) } END { print edges }' "$artifacts/log.txt")
  # Without seeds, random bytes are refused at the first look, a million times.
  [ -e "$corpus/seed-0" ] || { echo "error: $target wrote no seeds" >&2; exit 1; }
  faults=0
  [ "$code" -eq 0 ] || { faults=1 failed=1; tail -n 25 "$artifacts/log.txt" >&2; }
  printf '%s executions=%s seconds=%s edges=%s faults=%s\n' "$target" "${runs:-unknown}" "$((SECONDS - start))" \
    "${edges:-unknown}" "$faults"
done
exit $failed
