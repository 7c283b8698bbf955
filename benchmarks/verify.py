"""`kgpu-env verify` against running the same workload by hand with `docker run`.

.venv/bin/kgpu-env build --vendor cpu && .venv/bin/python benchmarks/verify.py
"""

import json
import sys
from pathlib import Path

from timing import in_turn, machine, median

from provision.prove.workload.zipapp import source

KGPU = str(Path(sys.executable).parent / "kgpu-env")
RUNS = 7
IMAGE = "kgpu-env/cpu:tf2.21.0-py3.11"


def main() -> None:
    """Print the table."""
    spec = json.dumps(
        {"nonce": "by-hand", "device": "CPU", "indices": "all", "jit_compile": "auto", "seed": 20, "epochs": 6}
    )
    by_hand = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-c", source(), spec]
    taken = in_turn(
        {"kgpu-env verify": [KGPU, "verify", IMAGE, "--vendor", "cpu"], "docker run": by_hand},
        RUNS,
    )
    ours, other = (median(runs) for runs in taken.values())
    print(f"Medians of {RUNS} runs in turn; {machine()}\n")
    print("| command | wall s | ratio |\n|---|---|---|")
    print(f"| kgpu-env verify | {ours:.2f} | {ours / other:.2f} |\n| docker run | {other:.2f} | 1 |")


if __name__ == "__main__":
    main()
