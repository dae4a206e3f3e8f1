#!/usr/bin/env bash
# From nothing to an estimate and to how far it is off, on a device that exists in virtual time: it takes seconds and needs no
# quiet machine. Replace `synthetic:quiet` by `local` to measure this one.
set -euo pipefail
device=${1:-synthetic:quiet}

# A space of your own: three choices, two of them with a skip.
cat > small.toml <<'TOML'
format_version = 1
kind = "mobilenet"
input = [3, 16, 16]
num_classes = 10
settings = [[24, 3, 1]]
candidates = ["MB3 3x3", "MB6 3x3", "MB3 5x5"]
skip_connect = true
TOML

# Time every layer of the space, then predict three networks that were not measured.
nasprof measure --device "$device" --space small.toml -o lut.parquet
nasprof space sample small.toml -n 3 --seed 7 > archs.jsonl
nasprof estimate --lut lut.parquet --space small.toml --arch - --json < archs.jsonl > estimates.jsonl

# How far are such predictions? Fresh networks, measured whole.
nasprof validate --device "$device" --lut lut.parquet --space small.toml -n 10 --json > validation.json
nasprof report validation.json -o validation.html
