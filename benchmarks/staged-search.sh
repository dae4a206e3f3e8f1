#!/usr/bin/env bash
# Is the staged search better than random search at equal cost? For each seed, both search one space under one latency limit. Each
# winner is trained again from fresh weights with another seed, and tested once.
#
#   benchmarks/staged-search.sh FOLDER fashion-mnist     # Debian's package, see install-fashion-mnist.sh
#   benchmarks/staged-search.sh FOLDER IMAGES            # IMAGES/train/<class>/ and IMAGES/test/<class>/, 32x32
#   benchmarks/staged-search.sh --table FOLDER           # the seeds that are complete
#
# FOLDER needs space.toml, lut.parquet and limit.txt (the limit in milliseconds). Environment variables: SEEDS [1 to 8], TRAININGS [8],
# the cost of a search in full trainings, EPOCHS [6], TRAIN_IMAGES [6000, a sixth for validation], PROCESSES [2].
# An interrupted call goes on where it stopped. A seed counts once all four of its runs are complete.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
nasprof=${NASPROF:-${CARGO_TARGET_DIR:-$here/target}/release/nasprof}

table() {
  python3 - "$1" <<'EOF' | tee "$1/table.md"
import json, math, pathlib, sys

folder = pathlib.Path(sys.argv[1])
methods = ["staged", "trained-random"]
rows = []
for seed in sorted(folder.glob("seed-*"), key=lambda path: int(path.name[5:])):
    files = [(seed / method / "result.json", seed / f"{method}-again" / "result.json") for method in methods]
    if all(path.exists() for pair in files for path in pair):
        rows.append((seed.name[5:], [[json.loads(path.read_text()) for path in pair] for pair in files]))


def cost(found):
    """Epochs and seconds of a search; results of versions before 0.3 have no epochs."""
    epochs = f"{found['spent']['epochs']} epochs" if "spent" in found else "unknown epochs"
    return f"{epochs}, {found['seconds']:.0f} s"


print("| seed | staged: validation, test after retraining | its cost | random: validation, test | its cost | difference, points |")
print("|---|---|---|---|---|---|")
gains = []
for seed, results in rows:
    both = [f"{100 * found['accuracy']:.2f} %, {100 * again['accuracy']:.2f} % | {cost(found)}" for found, again in results]
    gains.append(100 * (results[0][1]["accuracy"] - results[1][1]["accuracy"]))
    print(f"| {seed} | {both[0]} | {both[1]} | {gains[-1]:+.2f} |")
count = len(gains)
if count > 1:
    mean = sum(gains) / count
    error = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / (count - 1) / count)
    # 97.5 % quantiles of Student's distribution.
    t = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228][min(count - 2, 9)]
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    decided = wins + losses
    tail = sum(math.comb(decided, k) for k in range(max(wins, losses), decided + 1)) / 2**decided
    print()
    print(
        f"Mean {mean:+.2f} points (95 % interval {mean - t * error:+.2f} to {mean + t * error:+.2f}); staged is better"
        f" in {wins} of {count}, worse in {losses}; two-sided sign test p = {min(1.0, 2 * tail):.2f}."
    )
EOF
}

if [ "${1:-}" = --table ]; then
  table "${2:?usage: benchmarks/staged-search.sh --table FOLDER}"
  exit
fi
folder=$(realpath -m "${1:?usage: benchmarks/staged-search.sh FOLDER fashion-mnist|IMAGES}")
data=${2:?usage: benchmarks/staged-search.sh FOLDER fashion-mnist|IMAGES}
limit=$(cat "$folder/limit.txt")

common=(--set "space=$folder/space.toml" --set "training.epochs=${EPOCHS:-6}" --set training.threads=1 --set data.workers=1
  --set "data.max_train_images=${TRAIN_IMAGES:-6000}" --set data.train_portion=0.833333334)
if [ "$data" != fashion-mnist ]; then
  normalize='{ step = "normalize", mean = [0.5], std = [0.25] }'
  common+=(--set data.dataset=image-folder --set "data.path=$data"
    --set "data.train_transform=[$normalize, { step = \"horizontal-flip\" }]" --set "data.test_transform=[$normalize]")
fi
reject="regularizers=[{kind=\"reject\", quantity=\"latency\", upper=$limit, lut=\"$folder/lut.parquet\"}]"

for seed in ${SEEDS:-1 2 3 4 5 6 7 8}; do
  mkdir -p "$folder/seed-$seed"
  for method in staged trained-random; do
    run=$folder/seed-$seed/$method
    "$nasprof" search "$here/configs/experiments/quick-staged.toml" -o "$run" --resume "${common[@]}" --set "seed=$seed" \
      --set "training.processes=${PROCESSES:-2}" --set "$reject" \
      --set "searcher={kind=\"$method\", trainings=${TRAININGS:-8}}" > "$run.txt"
    "$nasprof" train "$here/configs/experiments/quick-train.toml" -o "$run-again" --resume "${common[@]}" \
      --set "seed=$((1000 + seed))" --set "trainer.arch=$run/arch.json" > "$run-again.txt"
  done
  table "$folder" > /dev/null
done
cat "$folder/table.md"
