"""Planning fleets of 10 to 100,000 nodes, each a random driver with a random GPU of the catalogue; most are served.

Processor time of planning from host values, feasibility and the curve of upgrades included; the ratio is to
`json.loads` of the same host files, taken in the same run. The last column is the process's peak memory.

.venv/bin/python benchmarks/fleet.py
"""

import json
import random
import resource
import time

from provision.catalogue import load
from provision.fleet.classes import Served
from provision.fleet.plan import plan
from provision.model import GPU_VENDORS, Host, Request, encode
from provision.resolve.matrix import hosts

SIZES = (10, 100, 1_000, 10_000, 100_000)
SERVED = 0.95  # share of the nodes that have a stack
LIMITS = {1_000: 2.0, 100_000: 20.0}  # seconds
MEMORY = 1024  # MiB


def main() -> int:
    """Print a line for each size, and return 1 when one is over its limit."""
    catalogue, dice = load(), random.Random(4711)
    kinds = [host for vendor in GPU_VENDORS for _, _, host in hosts(catalogue, vendor)]
    served = Served(catalogue, Request())
    able = [host for host in kinds if served.options(host)]
    others = [host for host in kinds if not served.options(host)]
    over = False
    for size in SIZES:
        nodes = {f"node{n:06}": dice.choice(able if dice.random() < SERVED else others) for n in range(size)}
        seconds, images, points = _planned(nodes)
        ratio = seconds / _reading(nodes)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found = f"{images:3} images {points:2} points"
        print(f"{size:7} nodes {seconds:7.2f} s {ratio:7.1f} x json.loads {found} {peak:6.0f} MiB")
        over = over or seconds > LIMITS.get(size, seconds) or peak > MEMORY
    return int(over)


def _planned(nodes: dict[str, Host]) -> tuple[float, int, int]:
    begun = time.process_time()
    made = plan(load(), nodes)
    if not made.optimal:
        raise SystemExit("not proved to be optimal")
    return time.process_time() - begun, len(made.images), len(made.curve)


def _reading(nodes: dict[str, Host]) -> float:
    texts = [encode(host) for host in nodes.values()]
    begun = time.process_time()
    for text in texts:
        json.loads(text)
    return time.process_time() - begun


if __name__ == "__main__":
    raise SystemExit(main())
