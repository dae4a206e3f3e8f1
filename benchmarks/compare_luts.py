#!/usr/bin/env python3
"""Which of several LUTs predicts the same measured networks best?

    benchmarks/compare_luts.py TRUTH.json LUT LUT [LUT ...]

TRUTH.json is what `nasprof validate --json` printed: networks with their measured times. Each LUT predicts all of them. Its error
is the mean absolute error after one common factor, because the machine's level moves between measurements. The difference to the
first LUT has a 95 % interval of 10,000 bootstrap draws of the networks. NASPROF names the program (default: target/release/nasprof).
"""

import json
import math
import os
import random
import statistics
import subprocess
import sys

DRAWS = 10_000
SEED = 1


def estimates(lut, networks):
    """Milliseconds of each network by a LUT."""
    program = os.environ.get("NASPROF", "target/release/nasprof")
    command = [program, "estimate", "--lut", lut, "--space", networks[0]["space"], "--arch", "-", "--json"]
    lines = "".join(json.dumps(network) + "\n" for network in networks)
    answer = subprocess.run(command, input=lines, capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    return [json.loads(line)["latency_ms"] for line in answer.stdout.splitlines()]


def errors(lut, rows):
    """Absolute errors of a LUT in percent, after one common factor."""
    predicted = estimates(lut, [row["arch"] for row in rows])
    logs = [math.log(ms / row["measured_ms"]) for ms, row in zip(predicted, rows, strict=True)]
    level = statistics.median(logs)
    return [100 * abs(math.expm1(log - level)) for log in logs]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        truth = json.load(file)
    rows = truth["rows"]
    noise = truth.get("noise_floor")
    print(f"{len(rows)} networks" + (f", noise of their measured times {100 * noise:.2f} %" if noise else ""))
    draws = random.Random(SEED)
    first = None
    for lut in sys.argv[2:]:
        own = errors(lut, rows)
        within = sum(error <= 2 for error in own) / len(own)
        line = f"{lut}: error {statistics.mean(own):.3f} %, within 2 % {100 * within:.0f} %, largest {max(own):.1f} %"
        if first is not None:
            apart = [a - b for a, b in zip(own, first, strict=True)]
            means = sorted(statistics.mean(draws.choices(apart, k=len(apart))) for _ in range(DRAWS))
            low, high = means[int(0.025 * DRAWS)], means[int(0.975 * DRAWS)]
            line += f"; to the first {statistics.mean(apart):+.3f} ({low:+.3f} to {high:+.3f})"
        first = own if first is None else first
        print(line)


main()
