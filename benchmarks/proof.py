"""What a proof costs beyond the training that it watches, and how soon the gate answers.

.venv/bin/kgpu-env build --vendor cpu && .venv/bin/python benchmarks/proof.py

On a machine without a GPU all of it runs on the CPU: nothing is compared there, so every part of the level standard is
run by hand as well, which is more than any real proof does on a CPU.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from timing import in_turn, machine, median

from provision.prove.workload.zipapp import source

KGPU = str(Path(sys.executable).parent / "kgpu-env")
IMAGE = "kgpu-env/cpu:tf2.21.0-py3.11"
RUNS, GATES = 5, 15
PARTS = ["reference", "product", "profile", "speed", "libraries"]  # of the level standard
# The same model, data and epochs as people write them, and nothing else.
PLAIN = """
import numpy as np, keras
rng = np.random.default_rng(20)
labels = np.arange(2000) % 10
inputs = ((rng.standard_normal((10, 784))[labels] + rng.standard_normal((2000, 784))) / 40).astype("float32")
dense = keras.layers.Dense
model = keras.Sequential([keras.Input((784,)), dense(128, activation="relu"), dense(10, activation="softmax")])
model.compile(optimizer="adam", loss="categorical_crossentropy")
model.fit(inputs, np.eye(10, dtype="float32")[labels], epochs=6, batch_size=100, verbose=0)
"""


def by_hand(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program in the image, as `verify` would but without its limits."""
    return ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-c", program, *arguments]


def spent() -> dict[str, Any]:
    """Return the proof of one quick verification: it tells where its time went."""
    command = [KGPU, "verify", IMAGE, "--vendor", "cpu", "--level", "quick", "--json"]
    proof: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return proof


def proofs() -> None:
    """Print the table of the proof."""
    spec: dict[str, Any] = {"device": "CPU", "indices": [0], "parts": []}
    plain_run = "plain `docker run` of one such training"
    taken = in_turn(
        {
            plain_run: by_hand(PLAIN),
            "the proof's workload by `docker run`": by_hand(source(), json.dumps(spec)),
            "`kgpu-env verify --level quick`": [KGPU, "verify", IMAGE, "--vendor", "cpu", "--level", "quick"],
            "every part of the level standard by `docker run`": by_hand(source(), json.dumps(spec | {"parts": PARTS})),
        },
        RUNS,
    )
    plain = median(taken[plain_run])
    print(f"Medians of {RUNS} runs in turn; {machine()}, load {os.getloadavg()[0]:.1f}\n")
    print("| what | wall s | against the plain one |\n|---|---|---|")
    for name, runs in taken.items():
        print(f"| {name} | {median(runs):.2f} | {median(runs) / plain:.2f} |")
    rows = [spent() for _ in range(RUNS)]
    print("\n| of a quick proof | s |\n|---|---|")
    for name in ("workload", "import", "trainings"):
        print(f"| {name} | {middle([row['spent'][name] for row in rows]):.2f} |")
    print(f"| whole, less its trainings | {middle([row['seconds'] - row['spent']['trainings'] for row in rows]):.2f} |")


def heres() -> None:
    """Print the table of a proof without a container: there the seconds of the processors tell what a load hides."""
    taken = in_turn(
        {
            "one such training": [sys.executable, "-c", PLAIN],
            "`kgpu-env verify --here --level quick`": [KGPU, "verify", "--here", "--vendor", "cpu", "--level", "quick"],
        },
        RUNS,
    )
    print("\n| without a container | wall s | CPU s |\n|---|---|---|")
    for name, runs in taken.items():
        print(f"| {name} | {median(runs):.2f} | {median(runs, 'cpu'):.2f} |")


def middle(values: list[float]) -> float:
    """Return the median."""
    return sorted(values)[len(values) // 2]


def gates() -> None:
    """Print the table of the gate: it never finds a proof here, which takes it the same way through the records."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        for words in ([IMAGE], ["--here"]):
            subprocess.run(
                [KGPU, "verify", *words, "--vendor", "cpu"], env=environment, capture_output=True, check=True
            )
        print(f"\nMedians of {GATES} runs; load {os.getloadavg()[0]:.1f}\n\n| what | wall s |\n|---|---|")
        for words in ([IMAGE], ["--here"]):
            seconds = []
            for _ in range(GATES):
                begun = time.monotonic()
                done = subprocess.run([KGPU, "gate", *words], env=environment, capture_output=True, check=False)
                seconds.append(time.monotonic() - begun)
                if done.returncode != 7:  # noqa: PLR2004 - a training on the CPU opens no gate
                    raise SystemExit(done.stderr.decode())
            print(f"| `kgpu-env gate {' '.join(words)}` | {middle(seconds):.2f} |")


if __name__ == "__main__":
    proofs()
    heres()
    gates()
