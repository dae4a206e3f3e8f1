"""Trainings that must go alike: with CUDA graphs as without, and in other precisions as in 32 bits."""

import array
import csv
import json
import math
import pathlib
from concurrent.futures import ThreadPoolExecutor

from training import DARTS, TRAINER, WEIGHTS, experiment, result

# So small rates that no step amplifies a rounding. Decay and clipping count, and the rate changes from step to step, so that a
# recording that leaves one out, or keeps the first rate, shows. Adam would amplify: its steps are as long for a small gradient.
REPLAYED = """
[optimizers.weights]
kind = "momentum"
learning_rate = {rate:g}
schedule = {{ kind = "cosine" }}
weight_decay = 0.01
clip = 0.2
"""
REPLAYED_ALPHAS = """
[optimizers.architecture]
kind = "sgd"
learning_rate = {rate:g}
"""
# On a processor losses are 1e-7 apart and updates 0.03 % with another order of the same arithmetic. A step of the 40 that is left out
# makes 9 %; a wrong rate, momentum, decay or clipping 30 % and more.
LOSSES_APART, UPDATES_APART = 1e-5, 0.01

# In the first epoch a network stays almost as it begins, so that its losses are those of the same weights.
LATE = WEIGHTS.replace("learning_rate = 0.02", 'learning_rate = 1e-5\nschedule = { kind = "multi-step", rate = 2000.0, epochs = [1] }')
EPOCHS = 5
# What a precision rounds off at the most, as a share of a number.
ROUNDINGS = {"tf32": 2**-11, "bfloat16": 2**-9, "float16": 2**-11}
# Few images and epochs: on an H200, TF32 ended 4.8 points under float32. What learns nothing has 10 %.
POINTS = 10.0


def rows(folder):
    """The numbers of each epoch."""
    with open(pathlib.Path(folder) / "metrics.csv") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def tensors(folder):
    """The tensors of a run after its last epoch: weights, what the optimizers keep of each, and the architecture's alphas."""
    data = max((pathlib.Path(folder) / "checkpoint").glob("epoch-*.safetensors")).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, tensor in json.loads(data[8:start]).items():
        kind = {"F32": "f", "F64": "d"}.get(tensor.get("dtype"))
        if kind:
            low, high = tensor["data_offsets"]
            found[name] = array.array(kind, data[start + low : start + high])
    return found


def part(name):
    """What a tensor of a checkpoint is part of."""
    if name.endswith(("/mean", "/variance")):
        return "running statistics"
    return {"net": "weights", "weights": "momentum", "alpha": "alphas"}.get(name.split("/")[0], "the rest")


def distances(one, two):
    """Between two runs, for each part; what is no number is as far apart as can be."""
    squares = {}
    for name in one.keys() | two.keys():
        square = sum((x - y) ** 2 for x, y in zip(one[name], two[name], strict=True))
        squares[part(name)] = squares.get(part(name), 0.0) + (square if math.isfinite(square) else math.inf)
    return {name: math.sqrt(square) for name, square in squares.items()}


def updates_apart(plain, other, control):
    """The part that is furthest from that of a plain run, as a share of how far the control is, and its name."""
    plain, other, control = tensors(plain), tensors(other), tensors(control)
    scales = distances(plain, control)
    share = lambda off, scale: off / scale if scale > 0 else math.inf if off > 0 else 0.0
    return max((share(off, scales[name]), name) for name, off in distances(plain, other).items())


def losses_apart(one, two):
    """The largest difference of a loss between two runs."""
    pairs = zip(rows(one), rows(two), strict=True)
    return max(abs(x[name] - y[name]) for x, y in pairs for name in x if name.startswith("loss/"))


def at_once(train, kinds):
    """Trains all kinds side by side: most of their time is that of loading libraries, and of those that make their kernels first."""
    with ThreadPoolExecutor(len(kinds)) as pool:
        return list(pool.map(lambda kind: train(*kind), kinds))


def graphs(check):
    """Replayed steps (CUDA graphs) train as plain ones do."""
    if check.dry:
        file = experiment(check, "refused", TRAINER, 1, 'compute = "cpu"\ncuda_graphs = true')
        refused = check.nasprof("train", file, "-o", "refused", seconds=60)
        check.claim("cuda_graphs without a GPU is refused by name", refused.error(),
                    refused.code == 2 and "training.cuda_graphs" in refused.err)
        return
    # The control has twice the rates: it is as far away as all updates together are long.
    kinds = [("plain", "", 1), ("replayed", "cuda_graphs = true", 1), ("doubled", "", 2)]
    for case, table, command in [("train", TRAINER, "train"), ("darts", DARTS, "search")]:
        def train(name, keys, times):
            folder = check.path(f"{case}-{name}")
            optimizers = {"weights": REPLAYED.format(rate=1e-5 * times), "alphas": REPLAYED_ALPHAS.format(rate=0.01 * times)}
            # Two epochs: replays go on after the images that are not trained on.
            file = experiment(check, folder.name, table, 2, f'compute = "cuda"\ndeterministic = true\n{keys}', batch=80, **optimizers)
            check.nasprof(command, file, "-o", folder, seconds=60).ok(f"{case}, {name}")
            return folder

        plain, replayed, doubled = at_once(train, kinds)
        words = result(replayed)["computed_on"]
        check.claim(f"{case} with cuda_graphs = true says so", words, "CUDA graphs" in words)
        off, between = losses_apart(plain, replayed), losses_apart(plain, doubled)
        # A pretended GPU computes no losses and no weights.
        ok = lambda holds: None if check.pretend else holds
        figure = f"{off:.1e} apart, {between:.1e} from those with twice the rates"
        check.claim(f"losses of 40 steps, {case}, replayed against plain", figure, ok(off <= LOSSES_APART < between / 10),
                    f"at most {LOSSES_APART:g}")
        share, name = updates_apart(plain, replayed, doubled)
        check.claim(f"updates of 40 steps, {case}, replayed against plain", f"{100 * share:.2g} % of them ({name})",
                    ok(share <= UPDATES_APART), f"at most {100 * UPDATES_APART:g} %")
        words = "the same" if tensors(plain) == tensors(replayed) else "not the same"
        check.claim(f"bits after 40 steps, {case}, replayed and plain", words, ok(words == "the same"), "the same")


def precisions(check):
    """Trainings in other precisions begin with the losses of those in 32 bits, and learn what those learn."""
    kinds = [("float32", ""), ("tf32", 'precision = "tf32"'), ("bfloat16", 'precision = "bfloat16"\nlayout = "channels-last"'),
             ("float16", 'precision = "float16"\nlayout = "channels-last"')]
    kinds = [kind for kind in kinds if not check.dry or kind[0] != "tf32"]

    def train(name, keys):
        file = experiment(check, name, TRAINER, 2 if check.dry else EPOCHS, f'compute = "{check.compute}"\n{keys}', weights=LATE)
        check.nasprof("train", file, "-o", name, seconds=60).ok(f"train in {name}")
        return name, (rows(check.path(name))[0]["loss/train"], 100 * result(check.path(name))["accuracy"])

    found = dict(at_once(train, kinds))
    # The few images of a dry run teach little, and a pretended GPU computes nothing.
    learns = lambda holds: None if check.dry or check.pretend else holds
    loss, accuracy = found.pop("float32")
    check.claim("accuracy in float32", f"{accuracy:.1f} % of test images", learns(accuracy >= 90), "at least 90 %")
    for name, (own, right) in found.items():
        off = abs(own / loss - 1)
        # What rounds nothing off is not in its precision.
        check.claim(f"loss of a fresh network in {name}, from that in float32", f"{100 * off:.4f} %: {own:.5f} for {loss:.5f}",
                    None if check.pretend else 0 < off <= ROUNDINGS[name], f"at most {100 * ROUNDINGS[name]:.2f} %, and not 0")
        check.claim(f"accuracy in {name}, under that in float32", f"{accuracy - right:.1f} points: {right:.1f} %",
                    learns(accuracy - right <= POINTS), f"at most {POINTS:g} points")
