"""Searches and trainings: where they compute, how fast a step is, and whether a run can be repeated and resumed."""

import hashlib
import json
import math
import pathlib
import random
import re
import threading

from measuring import SHORT, measure
from runner import HERE

WRITING = threading.Lock()
SMALL = '''format_version = 1
kind = "mobilenet"
input = [3, 32, 32]
num_classes = 10
width_mult = 0.25
settings = [[8, 2, 2], [16, 2, 2]]
candidates = ["MB3 3x3", "MB6 3x3", "MB6 5x5"]
skip_connect = true
'''

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


def images(check):
    """A folder of IDX files; a class is a bright band."""
    folder = check.output / "images"
    with WRITING:
        if folder.exists():
            return folder
        making = check.output / "images.part"
        making.mkdir(exist_ok=True)
        rng = random.Random(0)
        for name, count in [("train", 100 if check.dry else 2000), ("t10k", 20 if check.dry else 400)]:
            pixels, labels = bytearray(), bytes(i % 10 for i in range(count))
            for label in labels:
                noise = bytearray(rng.randbytes(784))
                for i in range(784):
                    noise[i] = noise[i] // 3 + (150 if i // 28 // 2 == label else 0)
                pixels += noise
            idx = lambda dims: bytes([0, 0, 8, len(dims)]) + b"".join(d.to_bytes(4, "big") for d in dims)
            (making / f"{name}-images-idx3-ubyte").write_bytes(idx([count, 28, 28]) + pixels)
            (making / f"{name}-labels-idx1-ubyte").write_bytes(idx([count]) + labels)
        making.rename(folder)
    return folder


def experiment(check, name, table, epochs, training="", more="", space=None, batch=64, weights=WEIGHTS, alphas=ALPHAS):
    """Writes an experiment file."""
    data = DATA.replace("{images:?}", json.dumps(str(images(check)))).replace("{{", "{").replace("}}", "}")
    # Gradients are clipped by tensor, and the steps of an epoch are 25, or 20 with a batch of 80.
    # What computes on the processor does so beside other checks, where threads that wait for each other take seconds for a step.
    text = (f'format_version = 1\nspace = "{space or small(check)}"\nseed = 3\n{more}{data}\n[training]\nepochs = {epochs}\n'
            f"batch_size = {10 if check.dry else batch}\nthreads = 1\n{training}\n{weights}{alphas if 'searcher' in table else ''}\n{table}\n")
    path = check.path(f"{name}.toml")
    path.write_text(text)
    return path


def small(check):
    """A space whose networks are trained in no time."""
    path = check.path("small.toml")
    with WRITING:
        # Written once: programs may be reading it.
        if not path.exists():
            path.write_text(SMALL)
    return str(path)


def result(folder):
    return json.loads((pathlib.Path(folder) / "result.json").read_text())


def on_gpu(check, words):
    return words.startswith("the CPU") if check.dry else words.startswith("cuda:0, ")


PNAS, DARTS, TRAINER = '[searcher]\nkind = "proxylessnas"\nsamples = 2', '[searcher]\nkind = "darts"', '[trainer]\narch = "random"'


def compute(check):
    """Searches and trainings compute on the GPU, without preloads, and say so; else they say why not."""
    pnas = experiment(check, "pnas", PNAS, 1, 'compute = "auto"')
    search = lambda folder, *more, **where: check.nasprof("search", pnas, "-o", folder, *more, seconds=60, **where)
    # What is refused is refused at once.
    refused = search("refused", "--set", "training.compute=cuda:99")
    check.claim("a GPU that is not there is refused by its name", refused.error(),
                refused.code == 2 and "`cuda:99`" in refused.error())
    if not check.dry:
        missing = search("missing", "--set", "training.compute=cuda", environment={"NASPROF_LIBTORCH_CUDA": str(check.folder)})
        check.claim("a missing CUDA part is named with what installs it", missing.error(),
                    missing.code == 2 and "install-libtorch-cuda.sh" in missing.err)
    done = search("pnas").ok("search")
    words = result(check.path("pnas"))["computed_on"]
    check.claim("a search with compute = \"auto\" takes the GPU and says so", words, on_gpu(check, words))
    check.claim("seconds of a search of one epoch, loading included, beside three others", f"{done.seconds:.1f} s", None)
    search("hidden", environment={"CUDA_VISIBLE_DEVICES": "-1"}).ok("search")
    words = result(check.path("hidden"))["computed_on"]
    check.claim("with no GPU visible `auto` takes the CPU and says why", words, words.startswith("the CPU; no GPU: "))


def steps(check):
    """Steps of training against PyTorch eager on the same device, alternating."""
    bench = check.programs / "nasprof-bench-pytorch"
    if check.dry and not bench.exists():
        check.claim("ratio of a step", "nasprof-bench-pytorch is not packed", None)
        return
    script = HERE.parent / "steps.py"
    if not script.exists():
        script = HERE.parent.parent / "train" / "benches" / "pytorch" / "steps.py"
    fake = {"STEPS_SCRIPT": str(HERE / "fakes.py"), "ROUNDS": "1"}
    # Paths that change, and those that do not, with CUDA graphs; with the goals. One process for each line.
    for cases, graphs in [([("mobilenet", 1.0), ("darts", 1.0)], False), ([("train", 0.6), ("darts", 0.6)], True)][: 1 if check.dry else 2]:
        environment = {"PYTHON": check.python, "STEPS_SCRIPT": str(script), "CASES": " ".join(case for case, _ in cases),
                       "DEVICE": "cuda", "GRAPHS": str(int(graphs)), "ROUNDS": "4", "STEPS": "6", "LOSSES": "3"}
        if check.dry:
            # One step here, and a fake there: the plumbing is what is tried.
            cases = cases[:1]
            environment.update({**fake, "CASES": cases[0][0], "DEVICE": "cpu", "STEPS": "1", "LOSSES": "0"})
        done = check.run([bench], 60, environment=environment)
        for case, goal in cases:
            name = f"ratio of a step, {case}{', CUDA graphs' if graphs else ''}"
            found = median(done, case)
            if not found:
                # Of either side; a panic here goes on with what the other one said.
                said = [line for line in done.err.splitlines() if "rror:" in line]
                check.claim(name, f"no ratio: {(said or [done.error()])[-1][:120]}", False)
                continue
            if not check.dry:
                claim_losses(check, done, case, name)
            ours, theirs, ratio, spread = found
            figure = f"{ratio:.3f} ({spread}): {ours:.1f} ms here, {theirs:.1f} ms there"
            check.claim(name, figure, None if check.dry else ratio <= goal, f"at most {goal:g}")
            if case == "mobilenet" and not check.dry:
                # The other side is not asked again.
                exact = {**environment, **fake, "CASES": case, "FAKE_SECONDS": "0", "DETERMINISTIC": "1", "ROUNDS": "3", "LOSSES": "0"}
                again = median(check.run([bench], 30, environment=exact), case)
                words = f"{again[0] / ours:.2f} times: {again[0]:.1f} ms" if again else "no figure"
                check.claim("cost of deterministic = true in a step, mobilenet", words, None if again else False)


def claim_losses(check, done, case, name):
    """Losses of both sides on the same batches agree; those of different batches are further apart.

    Later steps show nothing: a fresh network amplifies a rounding some hundred times in each. A pretended GPU computes no losses.
    """
    found = re.search(rf"^{case}: losses of 3 steps at most (\S+) apart; (\S+) between", done.out, re.M)
    apart, between = (float(number) for number in found.groups()) if found else (math.nan, math.nan)
    ok = None if check.pretend and found else apart <= 1e-4 and between > 1e-3
    figure = f"{apart:.1e} apart, {between:.1e} between one step and the next"
    check.claim(name.replace("ratio of a step", "losses of 3 steps, here against PyTorch"), figure, ok, "at most 1e-4")


def median(done, case):
    """Of a case of the bench: milliseconds here and there, their ratio, and its range."""
    found = re.search(rf"^{case}: .*median ([\d.]+) ms here, ([\d.]+) ms in PyTorch; ratio ([\d.]+) \((.*?)\)", done.out, re.M)
    return found and (float(found.group(1)), float(found.group(2)), float(found.group(3)), found.group(4))


def weights(folder):
    return hashlib.sha256((pathlib.Path(folder) / "weights.safetensors").read_bytes()).hexdigest()[:16]


def repeatable(check):
    """Runs are repeated bit by bit with deterministic = true, resumed after a kill, and moved between GPU and CPU."""
    train = experiment(check, "train", TRAINER, 3, f'compute = "{check.compute}"\ndeterministic = true')
    command = lambda folder, *more, **how: check.nasprof("train", train, "-o", folder, *more, seconds=60, **how)
    command("whole").ok("train")
    again = command("again", stop_when=lambda text: "epoch 1/3: " in text)
    check.claim("a run is killed after its first epoch", "killed" if again.code is None else f"exit code {again.code}", again.code != 0)
    command("again", "--resume").ok("train --resume")
    one, two = weights(check.path("whole")), weights(check.path("again"))
    check.claim("a killed and resumed run ends with the same bits", f"{one} and {two}", one == two)
    # The other place, and back.
    command("again", "--resume", "--set", "training.epochs=4", "--set", "training.compute=cpu").ok("train on the CPU")
    command("again", "--resume", "--set", "training.epochs=5").ok("train on the GPU again")
    places = result(check.path("again"))["computed_on"]
    went = places.startswith("the CPU") if check.dry else places.count("; then ") == 2 and "then the CPU" in places
    check.claim("a run goes from the GPU to the CPU and back", places, went)


def winner(check):
    """A search under a latency constraint from the device's LUT: the winner, measured there."""
    space = small(check) if check.dry else "mobilenet-cifar10"
    lut = check.output / "lut.parquet"
    if check.dry or not lut.exists():
        lut = check.path("lut.parquet")
        measure(check, space, lut, *SHORT, seconds=60)
    sampled = check.nasprof("space", "sample", space, "-n", "40", "--seed", "1", seconds=20).ok("space sample")
    archs = check.path("archs.jsonl")
    archs.write_text(sampled.out)
    estimated = check.nasprof("estimate", "--lut", lut, "--space", space, "--arch", archs, "--json", seconds=20)
    found = sorted(json.loads(line)["latency_ms"] for line in estimated.ok("estimate").out.splitlines() if line.startswith("{"))
    target = found[len(found) // 2]
    table = (f'[[regularizers]]\nkind = "constraint"\nquantity = "latency"\ntarget = {target}\nlut = {json.dumps(str(lut))}\n'
             '[searcher]\nkind = "proxylessnas"\nsamples = 4\n')
    file = experiment(check, "constrained", table, 2, f'compute = "{check.compute}"\nwarm_up_epochs = 1', f'device = "{check.device}"\n', space)
    done = check.nasprof("search", file, "-o", "constrained", *check.patience, seconds=120).ok("search")
    found = result(check.path("constrained"))
    check.at_most("winner's latency as measured, from the target", 100 * abs(found["measured"]["latency_ms"] / target - 1), 1.0, " %")
    times = max(1, len(found.get("selections") or []))
    check.at_most("seconds of measuring a winner, start of the search included", (done.seconds - found["seconds"]) / times, 30, " s", 0)
    check.claim("seconds of the whole search", f"{done.seconds:.1f} s, {found['seconds']:.1f} s of them training", None)
