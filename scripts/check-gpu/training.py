"""Searches and trainings: where they compute, how fast a step is, and whether a run can be repeated and resumed."""

import csv
import hashlib
import json
import pathlib
import random
import re

from runner import HERE

# Grey images on a network of the space whose LUT the other checks measure.
DATA = """
[data]
dataset = "fashion-mnist"
path = {images:?}
train_portion = 0.8
workers = 4
train_transform = [{{ step = "normalize", mean = [0.3], std = [0.3] }}, {{ step = "random-crop", pad = 4, size = [32, 32] }}]
test_transform = [{{ step = "normalize", mean = [0.3], std = [0.3] }}, {{ step = "pad", pad = 2 }}]
"""
WEIGHTS = """
[optimizers.weights]
kind = "momentum"
learning_rate = 0.02
weight_decay = 4e-5
clip = 5.0
"""
ALPHAS = """
[optimizers.architecture]
kind = "adam"
learning_rate = 0.01
betas = [0.5, 0.999]
"""


def images(runner):
    """A folder of IDX files; a class is a bright band."""
    folder = runner.output / "images"
    if not folder.exists():
        folder.mkdir()
        rng = random.Random(0)
        for name, count in [("train", 100 if runner.dry else 2000), ("t10k", 20 if runner.dry else 400)]:
            pixels, labels = bytearray(), bytes(i % 10 for i in range(count))
            for label in labels:
                noise = bytearray(rng.randbytes(784))
                for i in range(784):
                    noise[i] = noise[i] // 3 + (150 if i // 28 // 2 == label else 0)
                pixels += noise
            idx = lambda dims: bytes([0, 0, 8, len(dims)]) + b"".join(d.to_bytes(4, "big") for d in dims)
            (folder / f"{name}-images-idx3-ubyte").write_bytes(idx([count, 28, 28]) + pixels)
            (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx([count]) + labels)
    return folder


def experiment(runner, name, table, epochs, training="", more="", space="mobilenet-cifar10"):
    """Writes an experiment file."""
    data = DATA.replace("{images:?}", json.dumps(str(images(runner)))).replace("{{", "{").replace("}}", "}")
    batch = 10 if runner.dry else 64
    text = (f'format_version = 1\nspace = "{space}"\nseed = 3\n{more}{data}\n[training]\nepochs = {epochs}\n'
            f"batch_size = {batch}\n{training}\n{WEIGHTS}{ALPHAS if 'searcher' in table else ''}\n{table}\n")
    path = runner.path(f"{name}.toml")
    path.write_text(text)
    return path


def small_space(runner):
    """Where a dry run cannot afford a real one."""
    path = runner.path("small.toml")
    path.write_text('format_version = 1\nkind = "mobilenet"\ninput = [3, 32, 32]\nnum_classes = 10\nwidth_mult = 0.25\n'
                    'settings = [[8, 2, 2], [16, 2, 2]]\ncandidates = ["MB3 3x3", "MB6 3x3", "MB6 5x5"]\n'
                    "skip_connect = true\n")
    return str(path)


def space(runner):
    return small_space(runner) if runner.dry else "mobilenet-cifar10"


def result(folder):
    return json.loads((pathlib.Path(folder) / "result.json").read_text())


def on_gpu(runner, words):
    return words.startswith("the CPU") if runner.dry else words.startswith("cuda:0, ")


def compute(runner):
    """Searches and trainings compute on the GPU, without preloads, and say so; else they say why not."""
    one = lambda name, table, extra="": experiment(runner, name, table, 1, extra, space=space(runner))
    pnas = one("pnas", '[searcher]\nkind = "proxylessnas"\nsamples = 2', 'compute = "auto"')
    done = runner.nasprof("search", pnas, "-o", "pnas", seconds=60).ok("search")
    words = result(runner.path("pnas"))["computed_on"]
    runner.claim("a search with compute = \"auto\" takes the GPU and says so", words, on_gpu(runner, words))
    runner.claim("seconds of a search of one epoch, loading included", f"{done.seconds:.1f} s", None)
    darts = one("darts", '[searcher]\nkind = "darts"', f'compute = "{runner.compute}"')
    runner.nasprof("search", darts, "-o", "darts", seconds=60).ok("search")
    words = result(runner.path("darts"))["computed_on"]
    runner.claim("DARTS computes there", words, on_gpu(runner, words))
    hidden = runner.nasprof("search", pnas, "-o", "hidden", "--set", "training.epochs=1", seconds=60,
                            environment={"CUDA_VISIBLE_DEVICES": "-1"}).ok("search")
    words = result(runner.path("hidden"))["computed_on"]
    runner.claim("with no GPU visible `auto` takes the CPU and says why", words, words.startswith("the CPU; no GPU: "))
    del hidden
    refused = runner.nasprof("search", pnas, "-o", "refused", "--set", "training.compute=cuda:99", seconds=60)
    last = [line for line in refused.err.splitlines() if line.startswith("error")]
    runner.claim("a GPU that is not there is refused by its name", (last or ["no error"])[0][:120],
                 refused.code == 2 and any("`cuda:99`" in line for line in last))
    if not runner.dry:
        missing = runner.nasprof("search", pnas, "-o", "missing", "--set", "training.compute=cuda", seconds=60,
                                 environment={"NASPROF_LIBTORCH_CUDA": str(runner.folder)})
        runner.claim("a missing CUDA part is named with what installs it", f"exit code {missing.code}",
                     missing.code == 2 and "install-libtorch-cuda.sh" in missing.err)


def steps(runner):
    """Steps of training against PyTorch eager on the same device, alternating."""
    bench = runner.programs / "nasprof-bench-pytorch"
    script = HERE.parent / "steps.py"
    if not script.exists():
        script = HERE.parent.parent / "train" / "benches" / "pytorch" / "steps.py"
    # Paths that change, and those that do not, with and without CUDA graphs; the goals are the issue's.
    cases = [("mobilenet", "float32", False, 1.0), ("darts", "float32", False, 1.0), ("darts", "float32", True, 0.6),
             ("train", "float32", True, 0.6), ("mobilenet", "tf32", False, 1.0)]
    for case, precision, graphs, goal in cases[:1] if runner.dry else cases:
        environment = {"PYTHON": runner.python, "STEPS_SCRIPT": str(script), "CASES": case, "PRECISION": precision,
                       "DEVICE": "cuda", "GRAPHS": str(int(graphs)), "ROUNDS": "5", "STEPS": "4" if case == "darts" else "20"}
        if runner.dry:
            # One step here, and a fake there: the plumbing is what is tried.
            environment.update({"STEPS_SCRIPT": str(HERE / "fakes.py"), "DEVICE": "cpu", "ROUNDS": "1", "STEPS": "1"})
            if not bench.exists():
                break
        done = runner.run([bench], 60, environment=environment)
        name = f"ratio of a step, {case}, {precision}{', CUDA graphs' if graphs else ''}"
        found = re.search(r"median ([\d.]+) ms here, ([\d.]+) ms in PyTorch; ratio ([\d.]+) \((.*?)\)", done.out)
        if not found:
            runner.claim(name, f"no ratio: {(done.err.strip().splitlines() or ['no words'])[-1][:120]}", False)
            continue
        ratio = float(found.group(3))
        figure = f"{ratio:.3f} ({found.group(4)}): {found.group(1)} ms here, {found.group(2)} ms there"
        runner.claim(name, figure, None if runner.dry else ratio <= goal, f"at most {goal}")
    if runner.dry and not bench.exists():
        runner.claim("ratio of a step", "nasprof-bench-pytorch is not packed", None)


def weights(folder):
    return hashlib.sha256((pathlib.Path(folder) / "weights.safetensors").read_bytes()).hexdigest()[:16]


def repeatable(runner):
    """Runs are repeated bit by bit with deterministic = true, resumed after a kill, and moved between GPU and CPU."""
    extra = f'compute = "{runner.compute}"\ndeterministic = true'
    train = experiment(runner, "train", '[trainer]\narch = "random"', 3, extra, space=space(runner))
    command = lambda folder, *more: ["train", train, "-o", folder, *more]
    whole = runner.nasprof(*command("whole"), seconds=60).ok("train")
    again = runner.nasprof(*command("again"), seconds=60, stop_when=lambda text: "epoch 1/3: " in text)
    runner.claim("a run is killed after its first epoch", "killed" if again.code is None else f"exit code {again.code}", again.code != 0)
    runner.nasprof(*command("again", "--resume"), seconds=60).ok("train --resume")
    one, two = weights(runner.path("whole")), weights(runner.path("again"))
    runner.claim("a killed and resumed run ends with the same bits", f"{one} and {two}", one == two)
    plain = runner.nasprof(*command("plain", "--set", "training.deterministic=false"), seconds=60).ok("train")
    runner.claim("cost of deterministic = true in a whole run",
                 f"{result(runner.path('whole'))['seconds'] / max(result(runner.path('plain'))['seconds'], 1e-9):.2f} times", None)
    del whole, plain
    # The other place, and back.
    moved = runner.nasprof(*command("again", "--resume", "--set", "training.epochs=4", "--set", "training.compute=cpu"),
                           seconds=60).ok("train on the CPU")
    runner.nasprof(*command("again", "--resume", "--set", "training.epochs=5"), seconds=60).ok("train on the GPU again")
    del moved
    places = result(runner.path("again"))["computed_on"]
    went = places.count("; then ") == 2 and "then the CPU" in places if not runner.dry else places.startswith("the CPU")
    runner.claim("a run goes from the GPU to the CPU and back", places, went)


def winner(runner):
    """A search under a latency constraint from the device's LUT: the winner, measured there."""
    lut = runner.output / ("small.parquet" if runner.dry else "lut.parquet")
    if not lut.exists():
        seconds = ["--max-rounds", "8", "--sessions", "1"]
        runner.nasprof("measure", "--device", runner.device, "--space", space(runner), "-o", lut, *seconds, seconds=90).ok("measure")
    sampled = runner.nasprof("space", "sample", space(runner), "-n", "40", "--seed", "1", seconds=20).ok("space sample")
    archs = runner.path("archs.jsonl")
    archs.write_text(sampled.out)
    estimated = runner.nasprof("estimate", "--lut", lut, "--space", space(runner), "--arch", archs, "--json", seconds=20)
    found = sorted(json.loads(line)["latency_ms"] for line in estimated.ok("estimate").out.splitlines() if line.startswith("{"))
    target = found[len(found) // 2]
    more = f'device = "{runner.device}"\n'
    table = (f'[[regularizers]]\nkind = "constraint"\nquantity = "latency"\ntarget = {target}\nlut = {json.dumps(str(lut))}\n'
             '[searcher]\nkind = "proxylessnas"\nsamples = 4\n')
    file = experiment(runner, "constrained", table, 2, f'compute = "{runner.compute}"\nwarm_up_epochs = 1', more, space(runner))
    done = runner.nasprof("search", file, "-o", "constrained", seconds=120)
    done.ok("search")
    measured = result(runner.path("constrained"))["measured"]["latency_ms"]
    runner.at_most("winner's latency as measured, from the target", 100 * abs(measured / target - 1), 1.0, " %")
    runner.claim("seconds of the search and of measuring its winner", f"{done.seconds:.1f} s", None)


def precisions(runner):
    """Searches and trainings in 16 bits and with channels last end near those in 32."""
    losses = {}
    for name, keys in [("float32", ""), ("tf32", 'precision = "tf32"'), ("bfloat16", 'precision = "bfloat16"\nlayout = "channels-last"'),
                       ("float16", 'precision = "float16"\nlayout = "channels-last"')]:
        if runner.dry and name == "tf32":
            continue
        train = experiment(runner, name, '[trainer]\narch = "random"', 1, f'compute = "{runner.compute}"\n{keys}', space=space(runner))
        runner.nasprof("train", train, "-o", name, seconds=60).ok(f"train in {name}")
        with open(runner.path(name) / "metrics.csv") as file:
            losses[name] = float(list(csv.DictReader(file))[-1]["loss/train"])
    off = max(abs(loss / losses["float32"] - 1) for loss in losses.values())
    runner.claim("losses of an epoch in other precisions, from that in float32", f"{100 * off:.2f} %", off <= 0.05, "at most 5 %")


def graphs(runner):
    """Replayed steps (CUDA graphs) train as plain ones do, and faster."""
    if runner.dry:
        keys = 'compute = "cpu"\ncuda_graphs = true'
        file = experiment(runner, "refused", '[trainer]\narch = "random"', 1, keys)
        refused = runner.nasprof("train", file, "-o", "refused", seconds=60)
        runner.claim("cuda_graphs without a GPU is refused by name", f"exit code {refused.code}",
                     refused.code == 2 and "training.cuda_graphs" in refused.err)
        return
    for case, table in [("train", '[trainer]\narch = "random"'), ("darts", '[searcher]\nkind = "darts"')]:
        found = {}
        for name, keys in [("plain", ""), ("replayed", "cuda_graphs = true")]:
            file = experiment(runner, f"{case}-{name}", table, 2, f'compute = "cuda"\n{keys}')
            command = "search" if case == "darts" else "train"
            runner.nasprof(command, file, "-o", f"{case}-{name}", seconds=60).ok(f"{case}, {name}")
            with open(runner.path(f"{case}-{name}") / "metrics.csv") as rows:
                losses = [float(row["loss/train"]) for row in csv.DictReader(rows)]
            found[name] = (losses, result(runner.path(f"{case}-{name}"))["seconds"])
        off = max(abs(a / b - 1) for a, b in zip(found["plain"][0], found["replayed"][0]))
        runner.claim(f"losses of replayed steps, {case}, from those of plain ones", f"{100 * off:.3f} %", off <= 0.01, "at most 1 %")
        runner.claim(f"time of a replayed run, {case}, over that of a plain one", f"{found['replayed'][1] / found['plain'][1]:.2f}", None)
