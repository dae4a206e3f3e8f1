"""Lookup tables of the GPU: how true their predictions and rows are, and how long they take."""

import json
import pathlib
import statistics

from runner import HERE

TIMINGS = ["queue", "graph", "wall"]
# The goals: mean error, and what all networks are within.
GOALS = {"queue": (1.0, 5.0), "graph": (1.0, 5.0), "wall": (3.0, 10.0)}


def takes(runner, command, argument):
    """Whether a command of this version has an argument."""
    return argument in runner.nasprof(command, "--help", seconds=10).out


def measure(runner, space, lut, *more, seconds=120):
    done = runner.nasprof("measure", "--device", runner.device, "--space", space, "-o", lut, *more, seconds=seconds)
    if done.code not in (0, 3):
        done.ok("measure")
    return done


def context(lut, runner):
    shown = runner.nasprof("lut", "show", "--json", lut, seconds=20).ok("lut show")
    return json.loads(shown.out)


def device_check(runner):
    """The device is usable, and its probes are seen."""
    done = runner.nasprof("devices", "check", runner.device, seconds=40)
    runner.claim(f"devices check {runner.device}", f"exit code {done.code}, {done.seconds:.1f} s", done.code == 0)
    if not runner.dry:
        listed = runner.run(["nvidia-smi", "-L"], 15)
        runner.claim("GPU", (listed.out.strip() or "nvidia-smi shows none").splitlines()[0], None)


def predictions(runner, space, lut, count):
    """Claims of how true the predictions of new networks are, for each timing of the LUT."""
    timings = TIMINGS if takes(runner, "validate", "--timing") else [None]
    for timing in timings:
        chosen = ["--timing", timing] if timing else []
        done = runner.nasprof("validate", "--device", runner.device, "--lut", lut, "--space", space, "-n", count, "--json",
                              "--max-rounds", 9, *chosen, seconds=60)
        if done.code != 0:
            last = [line for line in done.err.splitlines() if line.startswith("error")]
            runner.claim(f"validate, {timing or 'queue'}, {space}", (last or [f"exit code {done.code}"])[0][:120], False)
            continue
        found = json.loads(done.out)
        mape, most = GOALS[timing or "queue"]
        worst = max(abs(row["estimated_ms"] * found["level"] / row["measured_ms"] - 1) for row in found["rows"])
        figure = (f"{100 * found['mape']:.2f} % (noise {100 * found['noise_floor']:.2f} %), all within {100 * worst:.1f} %, "
                  f"level {found['level']:.3f}")
        runner.claim(f"MAPE of {timing or 'queue'}, {pathlib.Path(space).stem}, n = {count}", figure,
                     100 * found["mape"] <= mape and 100 * worst <= most, f"{mape} %, all within {most} %")


def rows(runner, lut):
    """Claims of the rows: what scale is left between their sum and a network."""
    found = context(lut, runner)
    anchors = found["context"]["anchors"]
    scale = statistics.mean(statistics.mean(a["sessions_ns"]) / a["sum_ns"] for a in anchors)
    runner.claim("scale between the sum of a network's rows and its plain run", f"{scale:.3f}", abs(scale - 1) <= 0.05,
                 "within 5 % of 1")


def cifar(runner):
    """A LUT of mobilenet-cifar10: its time, its predictions and its rows."""
    lut = runner.output / "lut.parquet"
    done = measure(runner, "mobilenet-cifar10", lut)
    runner.claim("seconds of the LUT of mobilenet-cifar10", f"{done.seconds:.0f} s", done.seconds <= 60, "at most 60 s")
    predictions(runner, "mobilenet-cifar10", lut, 5 if runner.dry else 20)
    rows(runner, lut)


def kernels(runner):
    """Rows of ten layers against the kernels that torch.profiler sees."""
    lut = runner.output / "lut.parquet"
    if not lut.exists():
        measure(runner, "mobilenet-cifar10", lut, "--max-rounds", 8)
    # The layers that PyTorch is asked for, from the cheapest to the most expensive.
    known = ("conv", "batch_norm", "add", "linear", "relu", "relu6")
    layers = [row for row in context(lut, runner)["rows"] if row["op"] in known and row["times"]]
    layers.sort(key=lambda row: row["times"]["mean_ns"])
    some = [layers[round(i * (len(layers) - 1) / 9)] for i in range(10)]
    keys = ["key", "op", "attributes", "input_shapes"]
    chosen = runner.path("layers.json")
    chosen.write_text(json.dumps([{**{key: row[key] for key in keys}, "mean_ns": row["times"]["mean_ns"]} for row in some]))
    if runner.dry:
        runner.claim("rows of ten layers against their kernels", "PyTorch is not asked in a dry run", None)
        return
    done = runner.run([runner.python, HERE / "pytorch.py", "kernels", chosen], 60).ok("torch.profiler")
    ratios = [layer["row_ns"] / layer["kernel_ns"] for layer in json.loads(done.out.splitlines()[-1])]
    runner.claim("rows of ten layers over the time of their kernels", f"median {statistics.median(ratios):.2f}, "
                 f"{min(ratios):.2f} to {max(ratios):.2f}", 0.9 <= statistics.median(ratios) <= 1.2, "median 0.9 to 1.2")


def imagenet(runner):
    """A LUT of mobilenet-imagenet and its predictions."""
    lut = runner.output / "imagenet.parquet"
    done = measure(runner, "mobilenet-imagenet", lut, "--max-rounds", 8, "--sessions", 1, seconds=110)
    runner.claim("seconds of the LUT of mobilenet-imagenet", f"{done.seconds:.0f} s", None)
    predictions(runner, "mobilenet-imagenet", lut, 5 if runner.dry else 20)


def energy(runner):
    """Energy of networks: the power that it means lies between the idle GPU's and the board's limit."""
    lut = runner.output / "energy.parquet"
    space = runner.path("few-layers.toml")
    space.write_text('format_version = 1\nkind = "mobilenet"\ninput = [3, 32, 32]\nnum_classes = 10\nwidth_mult = 0.25\n'
                     'settings = [[8, 1, 2], [16, 1, 2]]\ncandidates = ["MB3 3x3", "MB6 3x3"]\nskip_connect = true\n')
    done = measure(runner, space, lut, "--energy", "--max-rounds", 8, "--sessions", 1, seconds=60)
    anchors = context(lut, runner)["context"]["anchors"]
    # Millijoules over milliseconds are watts.
    watts = [a["energy"]["energy_mj"] / (statistics.mean(a["sessions_ns"]) / 1e6) for a in anchors if a.get("energy")]
    goal, low, high = "a figure", 0.0, float("inf")
    if not runner.dry:
        asked = runner.run(["nvidia-smi", "--query-gpu=power.draw,power.limit", "--format=csv,noheader,nounits"], 15)
        numbers = [float(x) for x in asked.out.splitlines()[0].split(",")] if asked.code == 0 and asked.out.strip() else []
        if len(numbers) == 2:
            low, high = 0.8 * numbers[0], 1.1 * numbers[1]
            goal = f"{low:.0f} to {high:.0f} W, from the idle GPU's to the board's limit"
    figure = f"{min(watts):.1f} to {max(watts):.1f} W over {len(watts)} networks; {done.seconds:.0f} s" if watts else "no energy was measured"
    seen = bool(watts) and all(low <= w <= high for w in watts)
    runner.claim("power of whole networks, from their energy and time", figure, (None if watts else False) if runner.dry else seen, goal)


def halves(runner):
    """LUTs in float16 and bfloat16."""
    if not takes(runner, "measure", "--precision"):
        runner.claim("LUTs in float16 and bfloat16", "this version has no --precision", False)
        return
    for precision, layout in [("float16", "channels-last"), ("bfloat16", "channels-first")]:
        lut = runner.output / f"{precision}.parquet"
        done = measure(runner, "mobilenet-cifar10", lut, "--precision", precision, "--layout", layout, "--max-rounds", 6,
                       "--sessions", 1, seconds=60)
        found = context(lut, runner)["context"]["header"].get("precision") if lut.exists() else None
        runner.claim(f"a LUT in {precision}, {layout}", f"its context says {found}; {done.seconds:.0f} s", found == precision)
