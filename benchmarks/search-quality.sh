#!/usr/bin/env bash
# Is the winner of a search better than random choice? Runs one search per seed under one latency target. Then trains
# the winner and random architectures that meet the same target in the same way, with the same seed and images.
#
#   benchmarks/search-quality.sh FOLDER fashion-mnist          # Debian's package, see install-fashion-mnist.sh
#   benchmarks/search-quality.sh FOLDER IMAGES                 # IMAGES/train/<class>/ and IMAGES/test/<class>/, 32x32
#   benchmarks/search-quality.sh --summary FOLDER              # of what is there so far
#
# FOLDER gets the space, a LUT of this machine (unless there is a lut.parquet), all runs, results.csv and summary.md. An
# interrupted call resumes where it stopped. The settings below are environment variables; FOLDER/settings.txt keeps
# them, and they cannot change within a FOLDER. Only SEEDS can get more seeds.
#
# Random architectures use 95 to 100 % of the target: slower ones miss it, faster ones use less time than allowed.
# Validation images choose the best of several random architectures and its epoch; the test images choose nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
nasprof=${NASPROF:-${CARGO_TARGET_DIR:-$here/target}/release/nasprof}
seeds=${SEEDS:-0 1 2}
randoms=${RANDOMS:-8}
images=${TRAIN_IMAGES:-4000}
test_images=${TEST_IMAGES:-4000}
epochs=${EPOCHS:-5}
warm_up=${WARM_UP:-3}
search_epochs=${SEARCH_EPOCHS:-5}
samples=${SAMPLES:-4}

# The number behind a key of JSON, the first if there are several.
number() { awk -v key="\"$1\":" 'i = index($0, key) { print substr($0, i + length(key)) + 0; exit }' "${2:--}"; }

write_space() {
  cat > "$folder/space.toml" <<EOF
# 7 choices, 40,000 architectures, small enough that one trains in a minute on one core.
format_version = 1
kind = "mobilenet"
input = $1
num_classes = 10
width_mult = 0.5
settings = [[24, 2, 2], [40, 3, 1], [80, 2, 2]]
candidates = ["MB3 3x3", "MB6 3x3", "MB3 5x5", "MB6 5x5"]
skip_connect = true
EOF
}

# Architectures of the space with their latencies, one a line: milliseconds, tab, JSON.
with_latencies() { # COUNT SEED
  "$nasprof" space sample "$folder/space.toml" -n "$1" --seed "$2" > "$folder/drawn.jsonl"
  "$nasprof" estimate --lut "$folder/lut.parquet" --space "$folder/space.toml" --arch - --json < "$folder/drawn.jsonl" |
    awk -v key='"latency_ms":' 'i = index($0, key) { print substr($0, i + length(key)) + 0 }' |
    paste - "$folder/drawn.jsonl"
}

# What both searches and trainings set over the shipped experiments.
common=()
settings() {
  common=(--set "space=$folder/space.toml" --set training.threads=1 --set data.workers=1 --set "data.max_train_images=$images"
    --set "data.max_test_images=$test_images")
  [ "$data" = fashion-mnist ] && return
  local normalize='{ step = "normalize", mean = [0.5], std = [0.25] }'
  common+=(--set data.dataset=image-folder --set "data.path=$data"
    --set "data.train_transform=[$normalize, { step = \"horizontal-flip\" }]" --set "data.test_transform=[$normalize]")
}

search() { # SEED
  local run=$folder/seed-$1/search
  [ -e "$run/result.json" ] && return
  "$nasprof" search "$here/configs/experiments/quick-pnas.toml" -o "$run" --resume "${common[@]}" --set "seed=$1" \
    --set "training.warm_up_epochs=$warm_up" --set "training.epochs=$search_epochs" --set "searcher.samples=$samples" \
    --set training.valid_batch_size=64 --set training.valid_mini_batch=64 --set data.train_portion=0.8 \
    --set "regularizers=[{kind=\"constraint\", quantity=\"latency\", target=$target, lut=\"$folder/lut.parquet\"}]"
}

train() { # SEED NAME ARCH
  local run=$folder/seed-$1/$2
  [ -e "$run/result.json" ] && return
  "$nasprof" train "$here/configs/experiments/quick-train.toml" -o "$run" --resume "${common[@]}" --set "seed=$1" \
    --set "training.epochs=$epochs" --set "trainer.arch=$3"
}

results() {
  echo 'seed,network,latency_ms,params,macs,valid_accuracy,test_accuracy,training_seconds,search_seconds'
  local run seed name arch
  for run in "$folder"/seed-*/{winner,random-*}; do
    [ -e "$run/result.json" ] || continue
    name=$(basename "$run") seed=$(basename "$(dirname "$run")")
    arch=$folder/$seed/search/arch.json
    [ "$name" = winner ] || arch=$folder/$seed/$name.json
    echo "${seed#seed-},$name,$("$nasprof" estimate --lut "$folder/lut.parquet" --space "$folder/space.toml" \
      --arch "$arch" --json | number latency_ms),$(number params "$run/result.json"),$(number macs "$run/result.json"),$(
      number valid_accuracy "$run/result.json"),$(number accuracy "$run/result.json"),$(
      number seconds "$run/result.json"),$(number seconds "$folder/$seed/search/result.json")"
  done
}

# Per seed: the winner against mean and spread of the random ones, against the one that is best on validation images, and against what
# a random search is expected to choose by them in the time that search and training of the winner took (k of the trained ones, drawn
# without replacement). All figures are of the test images. Others on
# the machine only add time, so the shortest search and the shortest training count.
summary() {
  results > "$folder/results.csv"
  tail -n +2 "$folder/results.csv" | sort -t, -k1,1n -k2,2r | awk -F, '
    function choose(n, k,  c, i) { c = 1; for (i = 1; i <= k; i++) c *= (n - k + i) / i; return c }
    function root(x) { return x > 0 ? sqrt(x) : 0 }
    function seed_row(s,  i, j, t, n, m, kk, mean, square, expected, worse) {
      n = count[s]
      if (n < 1 || !(s in winner)) return
      for (i = 1; i <= n; i++) { a[i] = random[s, i]; v[i] = valid[s, i] }
      # By validation images, the best last.
      for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
        t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
        t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
      }
      for (i = 1; i <= n; i++) { mean += a[i] / n; square += a[i] ^ 2 / n; worse += a[i] < winner[s] }
      kk = k > n ? n : k
      for (i = kk; i <= n; i++) expected += a[i] * choose(i - 1, kk - 1) / choose(n, kk)
      printf "| %s | %.2f | %.2f ± %.2f | %.2f | %d of %d | %+.2f | %+.2f | %+.2f |\n", s, winner[s], mean,
        root((square - mean ^ 2) * n / (n > 1 ? n - 1 : 1)), a[n], worse, n, winner[s] - mean, winner[s] - a[n],
        winner[s] - expected
      m = ++seeds; d[m] = winner[s] - mean; over += d[m]; best += winner[s] - a[n]; same += winner[s] - expected
    }
    function shorter(old, new) { return old == "" || new < old ? new : old }
    !($1 in count) { order[++all] = $1; count[$1] = 0 }
    { training = shorter(training, $8); search = shorter(search, $9) }
    $2 == "winner" { winner[$1] = 100 * $7; next }
    { random[$1, ++count[$1]] = 100 * $7; valid[$1, count[$1]] = 100 * $6 }
    END {
      if (!all) exit
      k = int(search / training) + 1
      printf "A search took %.0f s, a training %.0f s: at the same cost, random search trains %d networks.\n\n", search,
        training, k
      print "| seed | winner, % | random: mean ± sd | chosen random | worse than the winner | winner - mean | winner - chosen |" \
        " winner - chosen of " k " |"
      print "|---|---|---|---|---|---|---|---|"
      for (i = 1; i <= all; i++) seed_row(order[i])
      if (seeds < 1) exit
      for (i = 1; i <= seeds; i++) spread += (d[i] - over / seeds) ^ 2
      printf "\nOver %d seeds: winner - mean of random %+.2f points (sd between seeds %.2f), winner - chosen random %+.2f," \
        " winner - expected choice of %d random %+.2f.\n", seeds, over / seeds, root(spread / (seeds > 1 ? seeds - 1 : 1)),
        best / seeds, k, same / seeds
    }' > "$folder/summary.md"
}

if [ "${1:-}" = --summary ]; then
  folder=${2:?usage: benchmarks/search-quality.sh --summary FOLDER}
  summary
  cat "$folder/summary.md"
  exit
fi
folder=${1:?usage: benchmarks/search-quality.sh FOLDER fashion-mnist|IMAGES}
data=${2:?usage: benchmarks/search-quality.sh FOLDER fashion-mnist|IMAGES}
mkdir -p "$folder"
chosen="randoms=$randoms images=$images test_images=$test_images epochs=$epochs warm_up=$warm_up \
search_epochs=$search_epochs samples=$samples"
[ -e "$folder/settings.txt" ] || echo "$chosen" > "$folder/settings.txt"
if [ "$chosen" != "$(cat "$folder/settings.txt")" ]; then
  echo "error: $folder was started with other settings: $(cat "$folder/settings.txt")" >&2
  exit 2
fi
[ "$data" = fashion-mnist ] && write_space '[1, 28, 28]' || write_space '[3, 32, 32]'
settings

if [ ! -e "$folder/lut.parquet" ]; then
  code=0
  "$nasprof" measure --device local --space "$folder/space.toml" -o "$folder/lut.parquet" --resume || code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
fi
# The median of random networks: half of the space meets it.
[ -s "$folder/target.txt" ] ||
  with_latencies 400 1000 | cut -f1 | sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }' > "$folder/target.txt"
target=$(cat "$folder/target.txt")

for seed in $seeds; do
  mkdir -p "$folder/seed-$seed"
  search "$seed"
  train "$seed" winner "$folder/seed-$seed/search/arch.json"
  with_latencies 2000 "$((2000 + seed))" | awk -v target="$target" '$1 <= target && $1 >= 0.95 * target' |
    cut -f2 | awk -v most="$randoms" '!seen[$0]++ && ++n <= most' > "$folder/chosen.jsonl"
  i=0
  while IFS= read -r arch; do
    i=$((i + 1))
    echo "$arch" > "$folder/seed-$seed/random-$i.json"
    train "$seed" "random-$i" "$folder/seed-$seed/random-$i.json" < /dev/null
    summary
  done < "$folder/chosen.jsonl"
done
cat "$folder/summary.md"
