"""Runs programs with time limits, keeps what they print, and writes the table of claims."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from pretend import build

HERE = pathlib.Path(__file__).resolve().parent
# The version of libtorch that the programs were built with.
VERSION = "2.11.0"


@dataclasses.dataclass
class Done:
    """A program that has ended: its exit code (None: stopped at its time limit), output and seconds."""

    code: int | None
    out: str
    err: str
    seconds: float

    def ok(self, what):
        if self.code != 0:
            raise RuntimeError(f"{what}: {self.error()}")
        return self

    def error(self):
        """Its line of an error, or how it ended."""
        ended = "stopped at its time limit" if self.code is None else f"exit code {self.code}"
        lines = [line for line in self.err.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("error")]
        return (told or [f"{ended}: {line}" for line in lines[-1:]] or [ended])[0][:140]


class Runner:
    """What all checks share: programs, device, and the table."""

    def __init__(self, programs, output, dry, pretend):
        self.programs, self.output, self.dry, self.pretend = programs, output.resolve(), dry, pretend
        self.rows, self.lock = [], threading.RLock()
        self.output.mkdir(parents=True, exist_ok=True)
        self.compute = "cpu" if dry else "cuda"
        self.device = "synthetic:gpu" if dry else "cuda0"
        self.python = sys.executable
        self.torch = None if dry else self.find_torch()
        self.environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "LD_LIBRARY_PATH")}
        if self.torch:
            self.environment["LD_LIBRARY_PATH"] = str(self.torch)
            self.environment["NASPROF_LIBTORCH_CUDA"] = str(self.torch)
        if pretend:
            self.environment.update(build(self.torch, self.output / "pretended"))
        self.end = float("inf")

    def find_torch(self):
        """The folder torch/lib of this Python's PyTorch, which is not started for that."""
        found = importlib.util.find_spec("torch")
        if found is None or not found.origin:
            print(f"error: {self.python} has no PyTorch", file=sys.stderr)
            print(f"hint: PYTHON=/path/to/python, of an environment with PyTorch {VERSION} with CUDA", file=sys.stderr)
            sys.exit(1)
        folder = pathlib.Path(found.origin).parent
        version = re.search(r"__version__ = '([^'+]*)", (folder / "version.py").read_text())
        if not version or version.group(1) != VERSION:
            print(f"error: PyTorch {version.group(1) if version else '?'} in {folder}: not {VERSION}", file=sys.stderr)
            print(f"hint: the programs need the libtorch of PyTorch {VERSION}", file=sys.stderr)
            sys.exit(1)
        return folder / "lib"

    def claim(self, check, claim, figure, ok, goal):
        word = {True: "ok", False: "NOT OK", None: "-"}[ok]
        with self.lock:
            self.rows.append([check, claim, figure, goal, word])
            print(f"   {word:6} {check}: {claim}: {figure}", file=sys.stderr, flush=True)
            # Written each time, so that it is there if the machine goes away.
            names = ["check", "claim", "figure", "goal", "ok"]
            (self.output / "table.json").write_text(json.dumps([dict(zip(names, row)) for row in self.rows], indent=1))
            (self.output / "table.txt").write_text(self.table())

    def table(self):
        title = "Dry run without a GPU: fakes in place of the GPU's parts and of PyTorch\n" if self.dry else ""
        title = "Pretended GPU: all that calls CUDA is tried, and what it computes is made up\n" if self.pretend else title
        rows = [["claim", "figure", "goal", "ok"], *([f"{check}: {claim}", *rest] for check, claim, *rest in self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return title + "\n".join(lines) + "\n"

    def finish(self):
        print(self.table() if self.rows else "nothing was checked")
        missed = sum(row[-1] == "NOT OK" for row in self.rows)
        print(f"{len(self.rows)} claims, {missed} not ok; raw results are in {self.output}")
        return 3 if missed or not self.rows else 0


class Check:
    """One check: its folder, its claims, and when it must have ended."""

    def __init__(self, runner, name, until):
        self.runner, self.name, self.until, self.count = runner, name, until, 0
        self.folder = runner.output / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.programs, self.output, self.dry, self.pretend = runner.programs, runner.output, runner.dry, runner.pretend
        self.compute, self.device, self.python = runner.compute, runner.device, runner.python
        # What is made up needs no quiet machine.
        self.patience = ["--allow-noisy"] if runner.pretend else []

    def left(self):
        return self.until - time.monotonic()

    def path(self, name):
        return self.folder / name

    def run(self, command, seconds, environment=None, stop_when=None):
        """Runs a program for so long at the most; `stop_when(errors so far)` ends it early, as a kill would."""
        with self.runner.lock:
            self.count += 1
            number = self.count
        command = [str(part) for part in command]
        name = f"{number:02}-{pathlib.Path(command[0]).name}"
        limit = min(seconds, self.left())
        if limit <= 0:
            return Done(None, "", "", 0.0)
        env = {**self.runner.environment, **(environment or {})}
        out, err = self.path(f"{name}.out"), self.path(f"{name}.err")
        self.path(f"{name}.command").write_text(json.dumps(command) + "\n")
        started = time.monotonic()
        with open(out, "w") as o, open(err, "w") as e:
            try:
                child = subprocess.Popen(command, stdout=o, stderr=e, stdin=subprocess.DEVNULL, env=env,
                                         cwd=self.folder, start_new_session=True)
            except OSError as problem:
                return Done(127, "", f"error: {problem}", 0.0)
            code, size, times = None, 0, []
            while time.monotonic() - started < limit:
                code = child.poll()
                if code is not None or (stop_when and stop_when(err.read_text(errors="replace"))):
                    break
                if err.stat().st_size > size:
                    # When a program said what, for the question of what takes its time.
                    size = err.stat().st_size
                    times.append(f"{time.monotonic() - started:.2f} {err.read_text(errors='replace').splitlines()[-1:]}")
                time.sleep(0.02)
            self.path(f"{name}.times").write_text("\n".join(times))
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
        self.runner.claim(self.name, claim, figure, ok, goal)

    def at_most(self, claim, value, goal, unit="", digits=2):
        self.claim(claim, f"{value:.{digits}f}{unit}", value <= goal, f"at most {goal:g}{unit}")
