"""Runs programs with time limits, keeps what they print, and writes the table of claims."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Done:
    """A program that has ended: its exit code (None: stopped at its time limit), output and seconds."""

    code: int | None
    out: str
    err: str
    seconds: float

    def ok(self, what):
        if self.code != 0:
            last = [line for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
            ended = "stopped at its time limit" if self.code is None else f"exit code {self.code}"
            raise RuntimeError(f"{what}: {ended}: {last[-1][:200] if last else 'no words'}")
        return self


class Runner:
    def __init__(self, programs, output, seconds, dry):
        self.programs, self.output, self.dry = programs, output.resolve(), dry
        self.end = time.monotonic() + seconds
        self.rows, self.count, self.check, self.folder = [], 0, "", self.output
        self.output.mkdir(parents=True, exist_ok=True)
        self.compute = "cpu" if dry else "cuda"
        self.python = sys.executable
        self.torch = None if dry else self.find_torch()
        self.environment = self.make_environment()
        self.device = self.find_device()

    def find_torch(self):
        """The folder torch/lib of this Python's PyTorch."""
        try:
            done = subprocess.run(
                [self.python, "-c", "import torch, os; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))"],
                capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip().splitlines()[-1] if done.returncode == 0 and done.stdout.strip() else None

    def find_device(self):
        """The GPU, or what stands for it."""
        if not self.dry:
            return "cuda0"
        help_ = subprocess.run([self.programs / "nasprof", "measure", "--help"], capture_output=True, text=True, timeout=60)
        return "synthetic:gpu" if "--timing" in help_.stdout else "synthetic:quiet"

    def make_environment(self):
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "LD_LIBRARY_PATH")}
        if self.torch:
            environment["LD_LIBRARY_PATH"] = self.torch
            environment["NASPROF_LIBTORCH_CUDA"] = self.torch
        return environment

    def left(self):
        return self.end - time.monotonic()

    def begin(self, check):
        self.check, self.count = check, 0
        self.folder = self.output / check
        self.folder.mkdir(parents=True, exist_ok=True)
        print(f"== {check}", file=sys.stderr, flush=True)

    def path(self, name):
        return self.folder / name

    def run(self, command, seconds, environment=None, stop_when=None):
        """Runs a program for so long at the most; `stop_when(output so far)` ends it early, as a kill would."""
        self.count += 1
        command = [str(part) for part in command]
        name = f"{self.count:02}-{pathlib.Path(command[0]).name}"
        limit = max(1.0, min(seconds, self.left()))
        env = {**self.environment, **(environment or {})}
        out, err = self.path(f"{name}.out"), self.path(f"{name}.err")
        self.path(f"{name}.command").write_text(json.dumps(command) + "\n")
        started = time.monotonic()
        with open(out, "w") as o, open(err, "w") as e:
            child = subprocess.Popen(command, stdout=o, stderr=e, stdin=subprocess.DEVNULL, env=env,
                                     cwd=self.folder, start_new_session=True)
            code = None
            while time.monotonic() - started < limit:
                code = child.poll()
                if code is not None or (stop_when and stop_when(err.read_text(errors="replace"))):
                    break
                time.sleep(0.02)
            if code is None and child.poll() is None:
                # The program and all that it started. One that waits for a GPU that does not answer may not even end by this.
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait(timeout=5)
                except (ProcessLookupError, subprocess.TimeoutExpired) as problem:
                    print(f"   {name}: {type(problem).__name__} while it was stopped", file=sys.stderr, flush=True)
        read = lambda path: path.read_text(errors="replace")
        return Done(code, read(out), read(err), time.monotonic() - started)

    def nasprof(self, *arguments, seconds, **more):
        return self.run([self.programs / "nasprof", *arguments], seconds, **more)

    def claim(self, claim, figure, ok, goal=""):
        """One row of the table. `ok` may be None: a figure without a goal."""
        word = {True: "ok", False: "NOT OK", None: "-"}[ok]
        self.rows.append([self.check, claim, figure, goal, word])
        print(f"   {word:6} {claim}: {figure}", file=sys.stderr, flush=True)
        # Written each time, so that it is there if the machine goes away.
        names = ["check", "claim", "figure", "goal", "ok"]
        (self.output / "table.json").write_text(json.dumps([dict(zip(names, row)) for row in self.rows], indent=1))
        (self.output / "table.txt").write_text(self.table())

    def at_most(self, claim, value, goal, unit="", digits=2):
        self.claim(claim, f"{value:.{digits}f}{unit}", value <= goal, f"at most {goal}{unit}")

    def table(self):
        title = "Dry run without a GPU: fakes in place of the GPU's parts and of PyTorch\n" if self.dry else ""
        rows = [["claim", "figure", "goal", "ok"], *([f"{check}: {claim}", *rest] for check, claim, *rest in self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return title + "\n".join(lines) + "\n"

    def finish(self):
        print(self.table() if self.rows else "nothing was checked")
        missed = sum(row[-1] == "NOT OK" for row in self.rows)
        print(f"{len(self.rows)} claims, {missed} not ok; raw results are in {self.output}")
        return 3 if missed or not self.rows else 0
