"""The checks of scripts/check-gpu.sh, one after the other, each bounded in time; one that fails does not stop the rest."""

import argparse
import pathlib
import sys
import time
import traceback

import measuring
import training
from runner import Runner

# What matters most comes first: the time may run out. The winner is of the LUT that `cifar` measures.
CHECKS = [training.compute, measuring.device_check, measuring.cifar, training.steps, training.winner, training.repeatable,
          measuring.kernels, training.graphs, measuring.halves, training.precisions, measuring.imagenet,
          measuring.energy]


def arguments():
    parser = argparse.ArgumentParser(prog="check-gpu.sh")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("check-gpu-results"))
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=470, help="for all checks together")
    parser.add_argument("--only", action="append", default=[], choices=[check.__name__ for check in CHECKS])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    if args.list:
        for check in CHECKS:
            print(f"{check.__name__:22} {check.__doc__.splitlines()[0]}")
        return 0
    if not (args.programs / "nasprof").exists():
        print(f"error: no program nasprof in {args.programs}", file=sys.stderr)
        print("hint: scripts/check-gpu.sh --pack FOLDER, or --programs FOLDER", file=sys.stderr)
        return 1
    runner = Runner(args.programs.resolve(), args.output, args.seconds, args.dry_run)
    for check in CHECKS:
        if args.only and check.__name__ not in args.only:
            continue
        runner.begin(check.__name__)
        started = time.monotonic()
        if runner.left() < 5:
            runner.claim("is checked", "no time is left", False)
        else:
            try:
                check(runner)
            except Exception as error:  # What breaks one check says nothing about the others.
                (runner.folder / "traceback.txt").write_text(traceback.format_exc())
                runner.claim("the check ran to its end", f"{type(error).__name__}: {error}".splitlines()[0][:160], False)
        print(f"{check.__name__}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
