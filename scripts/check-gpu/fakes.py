"""In place of PyTorch: speaks as train/benches/pytorch/steps.py does, and computes nothing. FAKE_SECONDS is a step's time."""

import os
import sys
import time

SECONDS = float(os.environ.get("FAKE_SECONDS", "0.2"))


def main():
    # No shapes to compare.
    print("null", flush=True)
    for line in sys.stdin:
        if line.startswith("losses "):
            print("null", flush=True)
            continue
        start = time.perf_counter()
        time.sleep(SECONDS * (line.count(";") + 1))
        print(max(time.perf_counter() - start, 1e-6), flush=True)


main()
