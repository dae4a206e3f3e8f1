"""Lookup tables of the GPU: how true their predictions and rows are, and how long they take."""

import json
import math
import pathlib
import re
import statistics
import threading

from runner import HERE

# The goals: mean error, and what all networks are within.
GOALS = {"queue": (1.0, 5.0), "graph": (1.0, 5.0), "wall": (3.0, 10.0)}
# A network of few layers, for what takes long or is not about size.
FEW_LAYERS = """format_version = 1
kind = "mobilenet"
input = [3, 32, 32]
num_classes = 10
width_mult = 0.25
settings = [[8, 1, 2], [16, 1, 2]]
candidates = ["MB3 3x3", "MB6 3x3"]
skip_connect = true
"""
# The fewest that `measure` takes.
SHORT = ["--max-rounds", "8", "--sessions", "1"]


def measure(check, space, lut, *more, seconds=120):
    # A pretended GPU takes the time of a processor that others use as well; --seconds leaves it more for all checks.
    seconds *= 3 if check.pretend else 1
    done = check.nasprof("measure", "--device", check.device, "--space", space, "-o", lut, *check.patience, *more, seconds=seconds)
    if done.code not in (0, 3):
        done.ok("measure")
    return done


def context(check, lut):
    return json.loads(check.nasprof("lut", "show", "--json", lut, seconds=20).ok("lut show").out)


def few_layers(check):
    space = check.path("few-layers.toml")
    space.write_text(FEW_LAYERS)
    return space


def device_check(check):
    """The device is usable, and its probes are seen."""
    done = check.nasprof("devices", "check", check.device, seconds=40)
    # 4: this machine is busy, which does not matter to a pretended GPU.
    fine = done.code == 0 or (check.pretend and done.code == 4)
    check.claim(f"devices check {check.device}", f"exit code {done.code}, {done.seconds:.1f} s", fine)
    if not check.dry:
        listed = check.run(["nvidia-smi", "-L"], 15)
        check.claim("GPU", (listed.out.strip() or "nvidia-smi shows none").splitlines()[0], None)


def predictions(check, space, lut, count):
    """Claims of how true the predictions of new networks are, for each latency; all from the same runs."""
    done = check.nasprof("validate", "--device", check.device, "--lut", lut, "--space", space, "-n", count, "--json",
                         "--max-rounds", "8", "--all-timings", *check.patience, seconds=60)
    told = {one["timing"]: one for one in json.loads(done.out)} if done.code == 0 else {}
    for timing, (mape, most) in GOALS.items():
        name, goal = f"MAPE of {timing}, {pathlib.Path(space).stem}, n = {count}", f"{mape:g} %, all within {most:g} %"
        found = told.get(timing)
        if not found:
            check.claim(name, "the LUT does not tell it" if told else done.error(), False, goal)
            continue
        worst = max(abs(row["estimated_ms"] * (found["level"] or 1.0) / row["measured_ms"] - 1) for row in found["rows"])
        noise = "" if found["noise_floor"] is None else f" (noise {100 * found['noise_floor']:.2f} %)"
        figure = f"{100 * found['mape']:.2f} %{noise}, all within {100 * worst:.1f} %, level {found['level'] or 1.0:.3f}"
        check.claim(name, figure, 100 * found["mape"] <= mape and 100 * worst <= most, goal)


def rows(check, lut):
    """Claims of the rows: what scale is left between their sum and a network."""
    anchors = context(check, lut)["context"]["anchors"]
    scale = statistics.mean(statistics.mean(a["sessions_ns"]) / a["sum_ns"] for a in anchors)
    check.claim("scale between the sum of a network's rows and its plain run", f"{scale:.3f}", abs(scale - 1) <= 0.05,
                "within 5 % of 1")


def cifar(check):
    """A LUT of mobilenet-cifar10: its time, its predictions and its rows."""
    lut = check.output / "lut.parquet"
    done = measure(check, "mobilenet-cifar10", lut)
    waited = sum("waiting for a quiet machine" in line for line in done.err.splitlines())
    check.at_most("seconds of the LUT of mobilenet-cifar10", done.seconds, 60, " s", 0)
    if waited:
        check.claim("looks at a machine that was not quiet yet, in these seconds", str(waited), None)
    predictions(check, "mobilenet-cifar10", lut, 5 if check.dry else 20)
    rows(check, lut)


def kernels(check):
    """Rows of ten layers against the kernels that torch.profiler sees."""
    lut = check.output / "lut.parquet"
    if not lut.exists():
        # Of its own: what became of the other one has left its journal.
        lut = check.path("lut.parquet")
        measure(check, "mobilenet-cifar10", lut, *SHORT)
    # The layers that PyTorch is asked for, from the cheapest to the most expensive.
    known = ("conv", "batch_norm", "add", "linear", "relu", "relu6")
    layers = [row for row in context(check, lut)["rows"] if row["op"] in known and row["times"]]
    layers.sort(key=lambda row: row["times"]["mean_ns"])
    some = [layers[round(i * (len(layers) - 1) / 9)] for i in range(10)]
    keys = ["key", "op", "attributes", "input_shapes"]
    chosen = check.path("layers.json")
    chosen.write_text(json.dumps([{**{key: row[key] for key in keys}, "mean_ns": row["times"]["mean_ns"]} for row in some]))
    name = "rows of ten layers over their kernels and the gap"
    if check.dry:
        check.claim(name, "PyTorch is not asked in a dry run", None)
        return
    done = check.run([check.python, HERE / "pytorch.py", "kernels", chosen], 60).ok("torch.profiler")
    found = json.loads(done.out.splitlines()[-1])
    check.path("kernels.json").write_text(json.dumps(found, indent=1))
    seen = [layer for layer in found if layer["kernel_ns"] > 0]
    if len(seen) < len(some):
        # It sees none of a pretended GPU.
        check.claim("layers whose kernels torch.profiler sees", f"{len(seen)} of {len(some)}", None if check.pretend else False)
    if not seen:
        return
    # A row holds the gap to the next kernel as well, which is part of a network's time.
    gap = statistics.median(layer["row_ns"] - layer["kernel_ns"] for layer in seen)
    over = sorted((layer["row_ns"] / (layer["kernel_ns"] + gap), layer["layer"]) for layer in seen)
    furthest = max(over, key=lambda row: abs(math.log(row[0])))
    check.claim("gap between two kernels, which rows include", f"{gap / 1e3:.2f} us", 0 <= gap <= 2000, "0 to 2 us")
    check.claim("the row that is furthest from its kernels and the gap", f"{furthest[0]:.2f}, {furthest[1]}"[:120], None)
    near = sum(abs(row - 1) <= 0.1 for row, _ in over)
    check.claim(name, f"{near} of {len(over)} within 10 %, {over[0][0]:.2f} to {over[-1][0]:.2f}", near >= 0.8 * len(over), "8 of 10")


def imagenet(check):
    """A LUT of mobilenet-imagenet and its predictions."""
    lut = check.output / "imagenet.parquet"
    done = measure(check, "mobilenet-imagenet", lut, *SHORT)
    check.claim("seconds of the LUT of mobilenet-imagenet", f"{done.seconds:.0f} s", None)
    predictions(check, "mobilenet-imagenet", lut, 5 if check.dry else 20)
    rows(check, lut)


def halves(check):
    """LUTs in float16 and bfloat16."""
    space = few_layers(check)
    for precision, layout in [("float16", "channels-last"), ("bfloat16", "channels-first")]:
        lut = check.output / f"{precision}.parquet"
        # The synthetic GPU has one layout.
        layout = "channels-first" if check.dry else layout
        done = measure(check, space, lut, "--precision", precision, "--layout", layout, *SHORT, seconds=60)
        header = context(check, lut)["context"]["header"]
        check.claim(f"a LUT in {precision}, {layout}", f"its context says {header.get('precision')}; {done.seconds:.0f} s",
                    header.get("precision") == precision)


def energy(check):
    """Energy of networks: the power that it means lies between the idle GPU's and the board's limit, and is what the driver draws."""
    lut = check.path("energy.parquet")
    # The driver says what is drawn, beside the counter of energy that nasprof reads.
    draw = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-lms", "200"]
    drawn = []
    sampling = threading.Thread(target=lambda: drawn.append(check.run(draw, max(1.0, check.left() - 2)).out))
    if not check.dry:
        sampling.start()
    # Each network takes seconds, and each layer after them: the journal keeps what was measured until the time is up.
    done = check.nasprof("measure", "--device", check.device, "--space", few_layers(check), "-o", lut, "--energy", *check.patience, *SHORT,
                         seconds=max(1.0, check.left() - 2))
    journals = sorted(check.folder.glob("energy*.jsonl"))
    text = journals[0].read_text(errors="replace") if journals else ""
    watts = [watt for line in text.splitlines() for watt in power(line)]
    goal, low, high = "a figure", 0.0, float("inf")
    if not check.dry:
        asked = check.run(["nvidia-smi", "--query-gpu=power.draw,power.limit", "--format=csv,noheader,nounits"], 15)
        try:
            idle, limit = (float(number) for number in asked.out.splitlines()[0].split(","))
            low, high = 0.8 * idle, 1.1 * limit
            goal = f"{low:.0f} to {high:.0f} W, from the idle GPU's to the board's limit"
        except (IndexError, ValueError):
            pass
    if not watts:
        check.claim("power while networks run, by the driver's counter", f"no energy was measured: {done.error()}", False, goal)
        return
    figure = f"{min(watts):.1f} to {max(watts):.1f} W in {len(watts)} windows"
    check.claim("power while networks run, by the driver's counter", figure, all(low <= w <= high for w in watts), goal)
    if check.dry:
        return
    sampling.join()
    draws = sorted(float(line) for line in drawn[0].split() if re.fullmatch(r"[\d.]+", line))
    if min(len(draws), len(watts)) > 1:
        # Neither is constant: the highest tenth of both is of networks that run.
        ratio = statistics.quantiles(watts, n=10)[-1] / statistics.quantiles(draws, n=10)[-1]
        check.claim("power by the counter over the power that the driver draws", f"{ratio:.2f}, {len(draws)} readings",
                    0.8 <= ratio <= 1.25, "0.8 to 1.25")
    else:
        check.claim("power that the driver draws", "nvidia-smi shows none", None if check.pretend else False)


def power(line):
    """Watts in each window of a line of the journal, if it is of energy."""
    try:
        event = json.loads(line)
    except ValueError:
        return []
    found = []

    def look(value):
        if isinstance(value, dict):
            if "microjoules" in value and value.get("calls") and value.get("nanoseconds"):
                found.append(value["microjoules"] / value["nanoseconds"] * 1e3)
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(event)
    return found
