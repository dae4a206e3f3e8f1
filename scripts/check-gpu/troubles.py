"""What goes wrong on a GPU, on a pretended one: the environment says what it is to be (pretended/)."""

import json
import pathlib
import re
import tempfile

from measuring import SHORT, few_layers
from training import PNAS, TRAINER, experiment

# Bytes of a GPU that holds the training of the smaller network, and not that of the larger.
BETWEEN = "350e6"


def lost(check):
    """A GPU that is lost at any time is exit code 5, with the reason, and --resume continues."""
    space = few_layers(check)
    measure = lambda lut, *more, **environment: check.nasprof(
        "measure", "--device", check.device, "--space", space, "-o", lut, *check.patience, *SHORT, *more, seconds=60, environment=environment)
    # While the agent is set up, while layers are tried, and in a session.
    for launches in ["0", "3", "40", "200", "6000"]:
        done = measure(f"{launches}.parquet", PRETENDED_FALLS_AFTER=launches)
        fine = done.code == 5 and "--resume" in done.err and "unavailable" in done.err
        check.claim(f"a GPU lost after {launches} launches", f"exit code {done.code}, {done.error()}", fine, "exit code 5")
    done = measure(f"{launches}.parquet", "--resume")
    check.claim("the last of them resumed", f"exit code {done.code}", done.code in (0, 3))
    done = measure("full.parquet", PRETENDED_BYTES="400e6")
    check.claim("a full GPU", f"exit code {done.code}, {done.error()}", done.code == 2 and "nvidia-smi" in done.err, "exit code 2 and a hint")


def lost_training(check):
    """A training or search that loses its GPU is exit code 5, and --resume continues from its last epoch."""
    for command, table in [("train", TRAINER), ("search", PNAS)]:
        file = experiment(check, command, table, 3, f'compute = "{check.compute}"')
        run = lambda *more, **environment: check.nasprof(command, file, "-o", command, *more, seconds=60, environment=environment)
        # While the network is built, and in a step of each epoch. The last run resumes the others.
        for launches in ["5", "300", "4000", "9000"]:
            done = run("--resume", PRETENDED_FALLS_AFTER=launches)
            fine = done.code == 5 and "--resume" in done.err and "panicked" not in done.err
            check.claim(f"{command}: a GPU lost after {launches} launches", f"exit code {done.code}, {done.error()}", fine, "exit code 5")
        done = run("--resume")
        check.claim(f"{command}: resumed", f"exit code {done.code}", done.code == 0)


def full(check):
    """A list of networks is trained although one of them does not fit into the GPU's memory."""
    file = experiment(check, "many", TRAINER, 1, f'compute = "{check.compute}"', batch=400)
    lines = []
    for first, second in [("MB6 5x5", "MB6 5x5"), ("MB3 3x3", "skip_connect")]:
        choices = {"blocks/0": first, "blocks/1": second, "blocks/2": first, "blocks/3": second}
        lines.append(json.dumps({"format_version": 1, "space": "small", "choices": choices}))
    check.path("list.jsonl").write_text("\n".join(lines))
    train = lambda *more, **environment: check.nasprof("train", file, "--many", "list.jsonl", "-o", "many", *more, seconds=60, environment=environment)
    trained = lambda: check.path("many/networks.jsonl").read_text().count("\n")
    done = train(PRETENDED_BYTES=BETWEEN)
    fine = done.code == 2 and "network 1; " in done.err and trained() == 1
    check.claim("of two networks, the one that fits is trained", f"exit code {done.code}, {trained()} trained: {done.error()}", fine, "exit code 2, 1 trained")
    done = train("--resume")
    check.claim("with more memory the other one follows", f"exit code {done.code}, {trained()} trained", done.code == 0 and trained() == 2)


def neighbours(check):
    """Other processes on the GPU are told from this one, in containers and on slices too."""
    container, other, slices = {"PRETENDED_PID": "4711"}, {"PRETENDED_FOREIGN": "1"}, {"PRETENDED_SLICES": "1"}
    for name, environment, expected in [
        ("alone", {}, "ok   0.0"),
        ("beside another", other, "BAD  1.0"),
        ("in a container, alone", container, "not observable"),
        ("in a container, beside another", container | other, "BAD  1.0"),
        ("on a slice, another on another slice", slices | other, "ok   0.0"),
    ]:
        found = foreign(check, environment)
        check.claim(f"foreign processes, {name}", found, found == expected, expected)
    # Without the driver's library, as in a container with the capability `compute` alone.
    with tempfile.TemporaryDirectory() as folder:
        for library in ["libpretended.so", "libcuda.so.1"]:
            (pathlib.Path(folder) / library).symlink_to(check.output / "pretended" / library)
        found = foreign(check, {"LD_LIBRARY_PATH": f"{check.runner.torch}:{folder}"})
        check.claim("foreign processes, without NVML", found, found == "not observable", "not observable")


def foreign(check, environment):
    """What `devices check` says of foreign processes."""
    done = check.nasprof("devices", "check", check.device, seconds=40, environment=environment)
    found = re.search(r"^gpu_foreign_processes +(.*)$", done.out, re.M)
    return found.group(1).strip() if found else done.error()


def uncaptured(check):
    """Where a capture of a CUDA graph fails, all other latencies are measured."""
    for name, number in [("the first, of a trial", "1"), ("that of a network", "2"), ("none", "0")]:
        lut = f"capture-{number}.parquet"
        done = check.nasprof("measure", "--device", check.device, "--space", few_layers(check), "-o", lut, *check.patience, *SHORT, seconds=90,
                             environment={"PRETENDED_BREAKS_CAPTURE": number})
        shown = check.nasprof("lut", "show", lut, seconds=20).out
        timings = (re.search(r"available: (.*)$", shown, re.M) or ["", done.error()])[1]
        timings = re.sub(r" \(.*?\)", "", timings)
        check.claim(f"a capture fails: {name}", f"exit code {done.code}: {timings}",
                    done.code in (0, 3) and "wall" in timings and ("graph" in timings) == (number == "0"))
