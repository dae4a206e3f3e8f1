#!/bin/sh
# Is a training step as fast as in PyTorch, and as fast as before? Compares this version and, if a commit is given, that
# version with PyTorch, in turns on the same machine.
#
#   benchmarks/steps.sh FOLDER [COMMIT]
#
# FOLDER gets all raw output. PYTHON names an interpreter with PyTorch 2.11.0 (train/benches/pytorch/run.sh installs
# one). TIMES (3) turns of ROUNDS (3) rounds; CASES ("mobilenet darts"); THREADS (2). Needs a quiet machine.
set -eu
folder=${1:?usage: benchmarks/steps.sh FOLDER [COMMIT]}
commit=${2:-}
export PYTHON="${PYTHON:?an interpreter with PyTorch 2.11.0}" ROUNDS="${ROUNDS:-3}" CASES="${CASES:-mobilenet darts}" THREADS="${THREADS:-2}"
mkdir -p "$folder"
folder=$(realpath "$folder")
cd "$(dirname "$0")/.."
uname -srm > "$folder/machine.txt"
nproc >> "$folder/machine.txt"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# Builds the bench of the checkout here; cargo names what it built.
bench() {
    cargo bench --locked --no-run -p nasprof-train --bench pytorch 2>&1 | tee "$folder/build-$1.log" | sed -n 's/.*Executable.*(\(.*\))$/\1/p'
}

new=$(realpath "$(bench new)")
versions="new"
if [ -n "$commit" ]; then
    commit=$(git rev-parse --short "$commit")
    old_tree=$(mktemp -d)
    trap 'git worktree remove --force "$old_tree"' EXIT
    git worktree add --quiet --detach "$old_tree" "$commit"
    mkdir -p "$old_tree/.deps"
    ln -sfn "$(realpath .deps/libtorch)" "$old_tree/.deps/libtorch"
    # With a target folder of its own: packages of both have the same names and versions.
    old=$(cd "$old_tree" && CARGO_TARGET_DIR="$target/steps-$commit" && export CARGO_TARGET_DIR && realpath "$(bench old)")
    versions="new old"
fi

for turn in $(seq "${TIMES:-3}"); do
    for version in $versions; do
        program=$new
        [ "$version" = new ] || program=$old
        "$program" > "$folder/$version-$turn.txt"
    done
    # The other one comes first the next time.
    [ "$versions" = "new old" ] && versions="old new" || { [ "$versions" = new ] || versions="new old"; }
done

# The median of all rounds of a version in a case.
middle() {
    sed -n "s/^$2 round .*ratio \([0-9.]*\)$/\1/p" "$folder/$1"-*.txt | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
for case in $CASES; do
    ratio=$(middle new "$case")
    line="$case: $ratio of PyTorch's step"
    if [ -n "$commit" ]; then
        before=$(middle old "$case")
        line="$line; at $commit: $before; now over then $(awk "BEGIN { printf \"%.3f\", $ratio / $before }")"
    fi
    echo "$line" | tee -a "$folder/summary.txt"
done
