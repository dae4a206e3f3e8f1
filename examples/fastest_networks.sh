#!/usr/bin/env bash
# The ten fastest of a thousand random networks of a space, with their latencies: rank.tsv.
#
#   fastest_networks.sh LUT SPACE
set -euo pipefail
lut=${1:?usage: fastest_networks.sh LUT SPACE}
space=${2:?usage: fastest_networks.sh LUT SPACE}

nasprof space sample "$space" -n 1000 --seed 1 > drawn.jsonl
nasprof estimate --lut "$lut" --space "$space" --arch - --json < drawn.jsonl |
  python3 -c 'import json, sys; [print(json.loads(line)["latency_ms"]) for line in sys.stdin]' |
  paste - drawn.jsonl | sort -g | awk 'NR <= 10' > rank.tsv
