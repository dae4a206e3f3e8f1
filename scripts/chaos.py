"""Faults for scripts/chaos.sh: chaos.py NASPROF FAULTS SEED."""

import collections
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

NASPROF, FAULTS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
AGENT = str(pathlib.Path(NASPROF).with_name("nasprof-agent"))
SPACE = """format_version = 1
kind = "mobilenet"
input = [3, 16, 16]
num_classes = 10
settings = [[24, 2, 2]]
candidates = ["MB3 3x3", "MB6 5x5"]
skip_connect = true
"""
DEVICES = ["synthetic:quiet", "synthetic:noisy", "synthetic:preempted"]
# A wrapper of the agent: passes its replies on until the fault, which comes at byte or line AT.
WRAPPER = """#!/usr/bin/env python3
import os, subprocess, sys
kind, at = os.environ["CHAOS_KIND"], int(os.environ["CHAOS_AT"])
child = subprocess.Popen([{agent!r}] + sys.argv[1:], stdin=sys.stdin, stdout=subprocess.PIPE)
out = sys.stdout.buffer
seen = 0
for number, line in enumerate(child.stdout):
    if kind == "cut" and seen + len(line) > at:
        out.write(line[: max(at - seen, 0)])
        out.flush()
        child.kill()
        os._exit(0)
    if kind == "garbage" and number == at:
        out.write(b"\\x00\\xffnot a reply\\n")
    if kind == "repeat" and number == at:
        out.write(line)
    seen += len(line)
    out.write(line)
    out.flush()
sys.exit(child.wait())
"""


class Case:
    """A folder with a space, and how to measure in it."""

    def __init__(self, folder, device, seed):
        self.folder, self.device, self.seed = pathlib.Path(folder), device, seed
        (self.folder / "small.toml").write_text(SPACE)
        self.wrapper = self.folder / "agent.py"
        self.wrapper.write_text(WRAPPER.format(agent=AGENT))
        self.wrapper.chmod(0o755)

    def start(self, before=None, prefix=(), **environment):
        line = ["measure", "--device", self.device, "--space", "small.toml", "--seed", str(self.seed), "--max-rounds", "8",
                "-o", "a.parquet", "--resume"]
        return subprocess.Popen([*prefix, NASPROF, *line], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, preexec_fn=before, env={**os.environ, **environment})

    def result(self):
        path = self.folder / "a.parquet"
        return path.read_bytes() if path.exists() else None


def kill_after(rng, longest, process, number):
    time.sleep(rng.random() * longest)
    process.send_signal(number)
    process.communicate()


def inject(rng, case, kind, longest):
    """Lets one measurement fail, or be done before it does."""
    journal = case.folder / "a.journal.jsonl"
    if kind in ("killed", "terminated", "torn journal"):
        kill_after(rng, longest, case.start(), signal.SIGTERM if kind == "terminated" else signal.SIGKILL)
        if kind == "torn journal" and journal.exists() and case.result() is None:
            lines = journal.read_bytes().splitlines(keepends=True)
            if len(lines) > 2:
                # A write that was cut off: the last line loses its end.
                lines[-1] = lines[-1][: rng.randrange(1, len(lines[-1]))]
                journal.write_bytes(b"".join(lines))
    elif kind == "agent killed":
        process = case.start()
        time.sleep(rng.random() * longest)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for child in children.read_text().split() if children.exists() else []:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.communicate()
    elif kind in ("link cut", "garbage", "reply repeated"):
        word, most = {"link cut": ("cut", 60_000), "garbage": ("garbage", 300), "reply repeated": ("repeat", 300)}[kind]
        case.start(NASPROF_AGENT=str(case.wrapper), CHAOS_KIND=word, CHAOS_AT=str(rng.randrange(most))).communicate()
    elif kind == "disk full":
        limit = rng.randrange(1_000, 200_000)
        case.start(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))).communicate()
    elif kind == "clock jump":
        kill_after(rng, longest, case.start(), signal.SIGKILL)
        # The monotonic clocks of the process that goes on begin elsewhere, as after a reboot.
        prefix = ["unshare", "--time", f"--monotonic={rng.randrange(10**6)}", f"--boottime={rng.randrange(10**6)}"]
        kill_after(rng, longest, case.start(prefix=prefix), signal.SIGKILL)


def resumed(case):
    """Goes on until there is a LUT; what it was told last if there is none."""
    words = ""
    for _ in range(5):
        process = case.start()
        words = process.communicate()[1]
        if process.returncode in (0, 3):
            return None
    return words


def control():
    """Damage that no fault above makes must be told: a journal that was changed in its midst is refused."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder, DEVICES[0], 0)
        case.start().communicate()
        journal = case.folder / "a.journal.jsonl"
        changed = bytearray(journal.read_bytes())
        changed[len(changed) // 2] ^= 1
        journal.write_bytes(changed)
        assert resumed(case) is not None, "a changed journal was resumed: this script would not see a wrong LUT"


def main():
    control()
    rng = random.Random(SEED)
    kinds = ["killed", "terminated", "torn journal", "agent killed", "link cut", "garbage", "reply repeated", "disk full"]
    works = subprocess.run(["unshare", "--time", "--monotonic=1", "true"], stderr=subprocess.DEVNULL, check=False)
    if works.returncode == 0:
        kinds.append("clock jump")
    else:
        print("skipped: clock jump (this needs root and time namespaces)", file=sys.stderr)
    references, counts = {}, collections.Counter()
    lost = wrong = undisturbed = 0
    for number in range(FAULTS):
        device, seed, kind = rng.choice(DEVICES), rng.randrange(4), rng.choice(kinds)
        with tempfile.TemporaryDirectory() as folder:
            case = Case(folder, device, seed)
            if (device, seed) not in references:
                start = time.monotonic()
                process = case.start()
                words = process.communicate()[1]
                assert process.returncode in (0, 3), words
                references[device, seed] = (case.result(), time.monotonic() - start)
                for path in case.folder.glob("a.*"):
                    path.unlink()
            reference, seconds = references[device, seed]
            inject(rng, case, kind, seconds)
            undisturbed += case.result() is not None
            failure = resumed(case)
            if failure is not None:
                lost += 1
                print(f"fault {number} ({kind}, {device}, seed {seed}) lost: {failure.strip()}", file=sys.stderr)
            elif case.result() != reference:
                wrong += 1
                print(f"fault {number} ({kind}, {device}, seed {seed}) wrong: another LUT", file=sys.stderr)
            counts[kind] += 1
        if (number + 1) % 100 == 0:
            print(f"{number + 1} of {FAULTS} faults: lost {lost}, wrong {wrong}", file=sys.stderr)
    for kind, count in sorted(counts.items()):
        print(f"{kind:<15} {count}")
    print(f"{undisturbed} of {FAULTS} measurements were done before their fault; seed {SEED}")
    print(f"lost {lost}, wrong {wrong}")
    return 1 if lost or wrong else 0


sys.exit(main())
