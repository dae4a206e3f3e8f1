"""Damaged inputs for scripts/campaign.sh: campaign.py NASPROF EXECUTIONS SEED."""

import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from campaign_damage import damaged

NASPROF, EXECUTIONS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
SPACE = """format_version = 1
kind = "mobilenet"
input = [3, 16, 16]
num_classes = 10
settings = [[24, 2, 2], [40, 2, 2]]
candidates = ["MB3 3x3", "MB6 5x5"]
skip_connect = true
"""
DEVICE = """format_version = 1
transport = "local"
backend = "synthetic:quiet"
threads = 1
"""
SECONDS = 30


class Counts:
    """What happened, by kind."""

    def __init__(self):
        self.all = collections.defaultdict(collections.Counter)

    def add(self, kind, what):
        self.all[kind][what] += 1


def run(arguments, folder, interrupted_after=None, **environment):
    """Exit code (None: it hung), standard output, standard error. What may wait for minutes is interrupted, and must end then."""
    process = subprocess.Popen([NASPROF, *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "XDG_CONFIG_HOME": str(folder), **environment}, start_new_session=True)
    try:
        if interrupted_after is not None:
            try:
                out, err = process.communicate(timeout=interrupted_after)
                return process.returncode, out, err
            except subprocess.TimeoutExpired:
                process.terminate()
        out, err = process.communicate(timeout=SECONDS if interrupted_after is None else 5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        return None, out, err
    return process.returncode, out, err


def good(arguments, folder):
    code, out, err = run(arguments, folder)
    assert code in (0, 3), f"{arguments}: {code}: {err.decode()}"
    return out


def prepared(folder):
    """Files of every kind, made by nasprof itself, with the commands that read them."""
    (folder / "small.toml").write_text(SPACE)
    # Where device files are looked for.
    (folder / "nasprof/devices").mkdir(parents=True)
    (folder / "device.toml").write_text(DEVICE)
    (folder / "nasprof/devices/undamaged.toml").write_text(DEVICE)
    good(["measure", "--device", "synthetic:noisy", "--space", "small.toml", "--max-rounds", "8", "-o", "a.parquet"], folder)
    good(["measure", "--device", "synthetic:noisy", "--space", "small.toml", "--max-rounds", "8", "--seed", "2", "-o", "b.parquet"], folder)
    (folder / "arch.jsonl").write_bytes(good(["space", "sample", "small.toml", "-n", "3"], folder))
    (folder / "arch.json").write_bytes((folder / "arch.jsonl").read_bytes().splitlines()[0])
    good(["lut", "export", "a.parquet", "-o", "a.csv"], folder)
    good(["lut", "export", "a.parquet", "-o", "a.json"], folder)
    good(["export", "--space", "small.toml", "--arch", "arch.json", "-o", "net.onnx"], folder)
    good(["measure", "--device", "synthetic:noisy", "--model", "net.onnx", "--max-rounds", "8", "-o", "net.parquet"], folder)
    (folder / "valid.json").write_bytes(
        good(["validate", "--device", "synthetic:noisy", "--lut", "a.parquet", "--space", "small.toml", "-n", "5", "--json"], folder))
    (folder / "tflite.csv").write_text("x,y\n")
    lut = [["lut", "show", "{}", "--json"], ["lut", "check", "{}"], ["lut", "diff", "{}", "b.parquet"],
           ["lut", "merge", "{}", "b.parquet", "-o", "out.parquet"], ["lut", "export", "{}", "-o", "out.csv"],
           ["estimate", "--lut", "{}", "--arch", "arch.json", "--space", "small.toml", "--json"], ["report", "{}", "-o", "out.html"], ["report", "{}", "b.parquet", "-o", "out.html"],
           ["rank", "--lut", "{}", "--space", "small.toml", "--top", "2", "--json"],
           ["validate", "--device", "synthetic:noisy", "--lut", "{}", "--space", "small.toml", "-n", "3", "--json"],
           ["pareto", "--lut", "{}", "--space", "small.toml", "-o", "out.csv"], ["lut", "import", "{}", "--space", "small.toml", "-o", "out.parquet"]]
    return {
        "LUT, Parquet": ("a.parquet", lut),
        "LUT, CSV": ("a.csv", lut),
        "LUT, JSON": ("a.json", lut),
        "journal": ("a.journal.jsonl", [["lut", "rebuild", "{}", "-o", "out.parquet"]]),
        "architectures": ("arch.jsonl", [["estimate", "--lut", "a.parquet", "--arch", "{}", "--space", "small.toml", "--json"],
                                         ["export", "--space", "small.toml", "--arch", "{}", "-o", "out.svg"],
                                         ["time", "--device", "synthetic:quiet", "--space", "small.toml", "--arch", "{}", "--json"]]),
        "space": ("small.toml", [["space", "show", "{}"], ["space", "sample", "{}", "-n", "2"],
                                 ["estimate", "--lut", "a.parquet", "--arch", "arch.json", "--space", "{}", "--json"],
                                 ["measure", "--device", "synthetic:quiet", "--space", "{}", "--max-rounds", "8", "-o", "out.parquet"]]),
        "device": ("device.toml", [["devices", "show", "board"], ["devices", "check", "board"], ["devices", "list"],
                                   ["measure", "--device", "board", "--space", "small.toml", "--max-rounds", "8", "-o", "out.parquet"]]),
        "model": ("net.onnx", [["estimate", "--lut", "net.parquet", "--model", "{}", "--json"],
                               ["measure", "--device", "synthetic:quiet", "--model", "{}", "--max-rounds", "8", "-o", "out.parquet"]]),
        "validation": ("valid.json", [["report", "{}", "-o", "out.html"]]),
    }


def values(lut, folder):
    """What a LUT says, told by its CSV."""
    code, _, _ = run(["lut", "export", lut, "-o", "told.csv"], folder)
    return (folder / "told.csv").read_bytes() if code == 0 else None


def is_whole(path):
    """Whether an output is all there."""
    content = path.read_bytes()
    ends = {".html": b"</html>", ".svg": b"</svg>", ".parquet": b"PAR1", ".csv": b"\n"}
    return content.rstrip(b" \n" if path.suffix != ".csv" else b"").endswith(ends[path.suffix])


def one(rng, kinds, folder, counts):
    kind = rng.choice(sorted(kinds))
    name, commands = kinds[kind]
    command = rng.choice(commands)
    original = (folder / name).read_bytes()
    others = [(folder / other).read_bytes() for other, _ in kinds.values()] + [b"", b"\x00" * 4096]
    content = damaged(rng, original, others)
    path = folder / f"damaged{pathlib.Path(name).suffix if rng.randrange(20) else '.json'}"
    path.write_bytes(content)
    board = folder / "nasprof/devices/board.toml"
    if kind == "device":
        board.write_bytes(content)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    code, out, err = run([path.name if part == "{}" else part for part in command], folder)
    counts.add(kind, "executions")
    faults = [fault for fault in [ending_fault(code, err)] if fault]
    if not faults and code not in (0, 1, 2, 3, 4, 5, 6, 7) or (code and not (out + err).strip()):
        faults.append("wrong")
    if code in (0, 3):
        counts.add(kind, "accepted")
    outputs = [p for p in folder.glob("out*") if p.suffix in (".html", ".svg", ".parquet", ".csv")]
    if any(not is_whole(p) for p in outputs) or (outputs and code not in (0, 3)):
        faults.append("wrong")
    changed = [p.name for p in folder.iterdir() if p.name in before and p.stat().st_mtime_ns != before[p.name]]
    # No input is written to; what a damaged measurement kept for --resume is its journal.
    if [p for p in changed if not p.startswith(("out", "told"))]:
        faults.append("wrong")
    if b"\x1b[31m" in out + err or b"\nhint: rm -rf" in out + err:
        faults.append("wrong")
    # Parquet has a checksum over all values: another value may never be read.
    if kind == "LUT, Parquet" and content != original and path.suffix == ".parquet" and code in (0, 3) and command[1] == "show":
        told = values(path.name, folder)
        if told is not None and told not in (values("a.parquet", folder), values("b.parquet", folder)):
            faults.append("wrong")
    for fault in set(faults):
        counts.add(kind, fault)
        kept = pathlib.Path(tempfile.gettempdir()) / f"nasprof-campaign-{SEED}-{sum(c['executions'] for c in counts.all.values())}{path.suffix}"
        shutil.copy(path, kept)
        print(f"{fault}: {kind}: {' '.join(command)}: exit code {code}; input kept as {kept}\n{err.decode(errors='replace')[-600:]}", file=sys.stderr)
    board.unlink(missing_ok=True)
    for p in list(folder.iterdir()):
        if p.name not in before or p == path:
            shutil.rmtree(p) if p.is_dir() else p.unlink()


AGENT = """#!/usr/bin/env python3
import subprocess, sys
sys.path.insert(0, {scripts!r})
import random
from campaign_damage import damaged
rng = random.Random({seed})
child = subprocess.Popen([{agent!r}] + sys.argv[1:], stdin=sys.stdin, stdout=subprocess.PIPE)
at = rng.randrange(120)
before = b"{{}}"
for number, line in enumerate(child.stdout):
    sys.stdout.buffer.write(damaged(rng, line, [before, b"", b"\\n"]) if number == at else line)
    sys.stdout.buffer.flush()
    before = line
sys.exit(child.wait())
"""


def hostile_agent(rng, folder, counts):
    """An agent one of whose replies is damaged; with a good one, the measurement goes on."""
    kind, seed = "agent's replies", rng.randrange(10**9)
    agent = str(pathlib.Path(NASPROF).with_name("nasprof-agent"))
    wrapper = folder / "agent.py"
    wrapper.write_text(AGENT.format(scripts=str(pathlib.Path(__file__).parent), seed=seed, agent=agent))
    wrapper.chmod(0o755)
    measure = ["measure", "--device", "synthetic:noisy", "--space", "small.toml", "--max-rounds", "8", "-o", "out.parquet"]
    code, out, err = run(measure, folder, interrupted_after=20, NASPROF_AGENT=str(wrapper))
    counts.add(kind, "executions")
    fault = ending_fault(code, err)
    if code in (0, 3):
        counts.add(kind, "accepted")
    elif fault is None:
        again, _, words = run([*measure, "--resume"], folder)
        # A reply may be damaged and plausible: a recorded number that this device, in virtual time, does not give is noticed.
        noticed = again == 2 and b"differs from what this measurement would record" in words
        fault = ending_fault(again, words) or (None if again in (0, 3) or noticed else "wrong")
        err += words
    report(counts, kind, fault, f"seed {seed}", code, err)
    for p in folder.glob("out*"):
        p.unlink()


def ending_fault(code, err):
    """Whether it hung or panicked."""
    if code is None:
        return "hangs"
    return "panics" if code < 0 or code == 101 or b"panicked" in err else None


def report(counts, kind, fault, what, code, err):
    if fault:
        counts.add(kind, fault)
        print(f"{fault}: {kind}: {what}: exit code {code}\n{err.decode(errors='replace')[-600:]}", file=sys.stderr)


def environment(rng, folder, counts):
    """Where programs of others lie in the current folder, no environment makes nasprof run them, and none makes it panic."""
    kind = "environment"
    trap = folder / "trap/nasprof/devices"
    if not trap.exists():
        trap.mkdir(parents=True)
        (trap / "local.toml").write_text(DEVICE + 'power_mode_command = "touch sprung"\n')
    names = rng.sample(["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME", "TMPDIR", "LC_ALL", "TERM", "COLUMNS", "PATH"], 4)
    values = {name: rng.choice(["", ".", "./", "..", "trap", "nasprof", "\x1b[31m", "a" * 5000, "/nowhere", "0", "-1"]) for name in names}
    command = rng.choice([["devices", "list"], ["devices", "show", "local"], ["devices", "check", "synthetic:quiet"], ["lut", "show", "../a.parquet"],
                          ["measure", "--device", "synthetic:quiet", "--space", "../small.toml", "--max-rounds", "8", "-o", "../out.parquet"]])
    code, out, err = run(command, folder / "trap", **values)
    counts.add(kind, "executions")
    counts.add(kind, "accepted" if code in (0, 3) else "refused")
    sprung = [p for p in folder.rglob("sprung")]
    report(counts, kind, ending_fault(code, err) or ("wrong" if sprung or b"\x1b[31m" in err else None), f"{values} {command}", code, err)
    for p in [*sprung, *folder.glob("out*")]:
        p.unlink()


def overwritten(rng, folder, counts):
    """No output replaces an input, by whatever name."""
    kind = "output over input"
    name, command = rng.choice([("a.parquet", ["lut", "export", "{}", "-o"]), ("a.csv", ["lut", "export", "{}", "-o"]), ("a.parquet", ["report", "{}", "-o"]),
                                ("a.parquet", ["lut", "merge", "{}", "b.parquet", "-o"]), ("a.journal.jsonl", ["lut", "rebuild", "{}", "-o"]),
                                ("arch.json", ["export", "--space", "small.toml", "--arch", "{}", "-o"]),
                                ("small.toml", ["measure", "--device", "synthetic:quiet", "--max-rounds", "8", "--space", "{}", "-o"]),
                                ("a.parquet", ["pareto", "--space", "small.toml", "--lut", "{}", "-o"])])
    before = (folder / name).read_bytes()
    link = folder / f"link{pathlib.Path(name).suffix}"
    way = rng.choice(["same", "symbolic", "hard", "dots"])
    if way == "symbolic":
        link.symlink_to(name)
    elif way == "hard":
        os.link(folder / name, link)
    output = {"same": name, "symbolic": link.name, "hard": link.name, "dots": f"../{folder.name}/{name}"}[way]
    code, out, err = run([name if part == "{}" else part for part in command] + [output], folder)
    counts.add(kind, "executions")
    if code in (0, 3):
        counts.add(kind, "accepted")
    # A symbolic or hard link that was replaced is another file now; its input must be as it was in any case.
    wrong = (folder / name).read_bytes() != before or (code in (0, 3) and way == "same")
    report(counts, kind, ending_fault(code, err) or ("wrong" if wrong else None), f"{way} {command}", code, err)
    (folder / name).write_bytes(before)
    link.unlink(missing_ok=True)


def race(rng, folder, counts):
    """Several processes measure into one file: one wins, the others are told, and the result is the one that there is alone."""
    kind = "races"
    measure = [NASPROF, "measure", "--device", "synthetic:noisy", "--space", "small.toml", "--max-rounds", "8", "-o", "out.parquet"]
    processes = [subprocess.Popen(measure, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    ended = [(process.communicate()[1], process.returncode) for process in processes]
    counts.add(kind, "executions")
    winners = sum(code in (0, 3) for _, code in ended)
    fault = next((f for f in (ending_fault(code, err) for err, code in ended) if f), None)
    same = (folder / "out.parquet").exists() and values("out.parquet", folder) == values("a.parquet", folder)
    counts.add(kind, "accepted")
    report(counts, kind, fault or (None if winners >= 1 and same else "wrong"), f"{winners} winners", [code for _, code in ended], b"".join(e for e, _ in ended))
    for p in folder.glob("out*"):
        p.unlink()


def control(kinds, folder):
    """The checks above see what they look for: undamaged files are taken, and a program that is not there is no success."""
    (folder / "nasprof/devices/board.toml").write_text(DEVICE)
    for name, commands in kinds.values():
        for command in commands:
            if command[:2] == ["lut", "import"]:
                continue
            code, _, err = run([name if part == "{}" else part for part in command], folder)
            assert code in (0, 3) or (name == "arch.jsonl" and command[0] == "export"), f"{command}: {code}: {err.decode()}"
            for p in folder.glob("out*"):
                assert p.is_dir() or p.suffix == ".jsonl" or is_whole(p), p
                if p.suffix == ".html":
                    p.write_bytes(p.read_bytes()[:-20])
                    assert not is_whole(p)
                p.unlink()


def main():
    rng, counts = random.Random(SEED), Counts()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kinds = prepared(folder)
        control(kinds, folder)
        for number in range(EXECUTIONS):
            one(rng, kinds, folder, counts)
            # Each of these starts several processes, or measures.
            if number % 10 == 0:
                rng.choice([hostile_agent, environment, overwritten, overwritten])(rng, folder, counts)
            if number % 200 == 0:
                race(rng, folder, counts)
            if (number + 1) % 500 == 0:
                print(f"{number + 1} of {EXECUTIONS}", file=sys.stderr)
    columns = ["executions", "accepted", "panics", "hangs", "wrong"]
    print("| kind | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns))
    for kind, what in sorted(counts.all.items()):
        print(f"| {kind} | " + " | ".join(str(what[c]) for c in columns) + " |")
    bad = sum(what[c] for what in counts.all.values() for c in columns[2:])
    print(f"seed {SEED}: panics, hangs and wrong results: {bad}")
    return 1 if bad else 0


sys.exit(main())
