"""Judges given architectures with the weights of a finished search that has no regularizers.

    python3 judge.py RUN ARCHITECTURES.jsonl > OUT.csv

Puts one after the other into the checkpoint as the searcher's winner and resumes the run, which then judges it.
"""

import json
import subprocess
import sys
from pathlib import Path

CANDIDATES = ["MB3 3x3", "MB6 3x3", "MB3 5x5", "MB6 5x5", "skip_connect"]

run = Path(sys.argv[1])
state = run / "checkpoint/state.json"
kept = state.read_text()
print("seed,network,supernet_accuracy,images")
for line in Path(sys.argv[2]).read_text().splitlines():
    network = json.loads(line)
    names = [network["arch"]["choices"][f"blocks/{i}"] for i in range(7)]
    checkpoint = json.loads(kept)
    checkpoint["state"]["winner"] = [CANDIDATES.index(name) for name in names]
    checkpoint["state"]["session"]["multipliers"] = []
    state.write_text(json.dumps(checkpoint))
    (run / "result.json").unlink(missing_ok=True)
    command = ["nasprof", "search", run / "config.toml", "-o", run, "--resume"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    result = json.loads((run / "result.json").read_text())
    assert list(result["arch"]["choices"].values()) == names, "another architecture was judged"
    print(network["seed"], network["network"], f"{result['accuracy']:.6f}", result["accuracy_of"].split()[0], sep=",")
state.write_text(kept)
