"""The checks of scripts/check-gpu.sh, each bounded in time; one that fails does not stop the rest."""

import argparse
import pathlib
import sys
import threading
import time
import traceback

import alike
import measuring
import training
import troubles
from runner import Check, Runner

# What matters most comes first. Checks of one line run side by side: they look at no times. Each line has its seconds for sure, and
# what earlier ones leave over. The winner and the kernels are of the LUT that `cifar` measures; what measures waits for a processor that
# has become quiet, so `steps`, which does not, comes after what keeps it busy.
PLAN = [
    (10, [measuring.device_check]),
    (80, [measuring.cifar]),
    (45, [training.compute, training.repeatable, alike.precisions, alike.graphs]),
    (90, [training.steps]),
    (55, [training.winner]),
    (15, [measuring.kernels]),
    (70, [measuring.imagenet]),
    (50, [measuring.halves]),
    (45, [measuring.energy]),
]
# What a real GPU does not do when it is asked to.
PRETENDED = [(90, [troubles.lost]), (60, [troubles.lost_training]), (40, [troubles.full]), (60, [troubles.neighbours]), (90, [troubles.uncaptured])]
CHECKS = [check for _, checks in PLAN + PRETENDED for check in checks]


def arguments():
    parser = argparse.ArgumentParser(prog="check-gpu.sh")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("check-gpu-results"))
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, help="for all checks together (default: as --list says)")
    parser.add_argument("--only", action="append", default=[], choices=[check.__name__ for check in CHECKS])
    parser.add_argument("--list", action="store_true")
    without = parser.add_mutually_exclusive_group()
    without.add_argument("--dry-run", action="store_true")
    without.add_argument("--pretend", action="store_true")
    return parser.parse_args()


def list_checks():
    for seconds, checks in PLAN:
        for check in checks:
            print(f"{seconds if check is checks[0] else '':>4} {check.__name__:14} {check.__doc__.splitlines()[0]}")
    print(f"{sum(seconds for seconds, _ in PLAN):>4} seconds together")


def run(check, one):
    """Runs a check to its end, or to its claim that it broke."""
    started = time.monotonic()
    print(f"== {one.name}", file=sys.stderr, flush=True)
    if one.left() < 1:
        one.claim("is checked", "no time is left", False)
        return
    try:
        check(one)
    except Exception as error:  # What breaks one check says nothing about the others.
        one.path("traceback.txt").write_text(traceback.format_exc())
        one.claim("the check ran to its end", f"{type(error).__name__}: {error}".splitlines()[0][:160], False)
    print(f"== {one.name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def main():
    args = arguments()
    if args.list:
        list_checks()
        return 0
    if not (args.programs / "nasprof").exists():
        print(f"error: no program nasprof in {args.programs}", file=sys.stderr)
        print("hint: scripts/check-gpu.sh --pack FOLDER, or --programs FOLDER", file=sys.stderr)
        return 1
    chosen = lambda check: not args.only or check.__name__ in args.only
    plan = PLAN + (PRETENDED if args.pretend else [])
    plan = [(seconds, [check for check in checks if chosen(check)]) for seconds, checks in plan]
    plan = [(seconds, checks) for seconds, checks in plan if checks]
    planned = sum(seconds for seconds, _ in plan)
    runner = Runner(args.programs.resolve(), args.output, args.dry_run, args.pretend)
    runner.end = time.monotonic() + (args.seconds or planned)
    later = planned
    for seconds, checks in plan:
        later -= seconds
        until = runner.end - later * min(1.0, (args.seconds or planned) / planned)
        threads = [threading.Thread(target=run, args=(check, Check(runner, check.__name__, until))) for check in checks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
