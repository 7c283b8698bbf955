"""Planning fleets of 10 to 100,000 nodes, each a random driver with a random GPU of the catalogue; most are served.

Processor time of planning from host values, with the reading of the facts, feasibility and the curve of upgrades. Each
size has a process of its own, which knows nothing of an earlier one; its nodes are host values of their own, as read
from files. The ratio is to `json.loads` of the same host files. It writes the plot of the growth, `fleet.svg`.

.venv/bin/python benchmarks/fleet.py
"""

import json
import multiprocessing
import os
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from plot import growth
from timing import machine

from provision.catalogue import load
from provision.fleet.classes import Served
from provision.fleet.plan import plan
from provision.model import GPU_VENDORS, Host, Request, decode, encode
from provision.resolve.matrix import hosts

SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
GPUS = 8  # of a node
SERVED = 0.95  # share of the nodes that have a stack
LIMITS = {1_000: 2.0, 100_000: 20.0}  # seconds
MEMORY = 1024  # MiB


class Taken(NamedTuple):
    """What planning a fleet took."""

    seconds: float
    reading: float  # seconds of `json.loads` of the nodes' files
    images: int
    points: int  # of the curve of upgrades
    peak: float  # MiB of the process


def main() -> int:
    """Print a row for each size, write the plot, and return 1 when one is over its limit."""
    able, others = _kinds()
    dice, taken = random.Random(4711), {}
    load_before = os.getloadavg()[0]
    print(
        "| nodes | s | against `json.loads` of their files | images | points | peak memory |\n|---|---|---|---|---|---|"
    )
    for size in SIZES:
        texts = [dice.choice(able if dice.random() < SERVED else others) for _ in range(size)]
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            one = taken[size] = pool.apply(_taken, (texts,))
        ratio = f"{one.seconds / one.reading:.1f}"
        print(
            f"| {size:,} | {one.seconds:.2f} | {ratio} | {one.images} | {one.points} | {one.peak:.0f} MiB |", flush=True
        )
    loads = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(f"\nOne run; {machine()}, {loads}")
    curves = {
        "fleet plan": {size: one.seconds for size, one in taken.items()},
        "json.loads of the nodes' files": {size: one.reading for size, one in taken.items()},
    }
    picture = growth(f"Planning a fleet: processor seconds, {machine()}", "nodes", curves, LIMITS)
    Path(__file__).with_suffix(".svg").write_text(picture, encoding="utf-8")
    slow = any(taken[size].seconds > limit for size, limit in LIMITS.items())
    return int(slow or max(one.peak for one in taken.values()) > MEMORY)


def _kinds() -> tuple[list[str], list[str]]:
    """Return the hosts' files of each driver with each GPU: those that have a stack, and the others."""
    catalogue = load()
    served = Served(catalogue, Request())
    kinds = [host for vendor in GPU_VENDORS for _, _, host in hosts(catalogue, vendor)]
    able = [bool(served.options(host)) for host in kinds]
    texts = [encode(replace(host, gpus=host.gpus * GPUS)) for host in kinds]
    return (
        [text for text, has in zip(texts, able, strict=True) if has],
        [text for text, has in zip(texts, able, strict=True) if not has],
    )


def _taken(texts: Sequence[str]) -> Taken:
    """Plan the fleet of these hosts' files, in a process that has planned nothing before."""
    nodes = {f"node{place:06}": decode(text, Host) for place, text in enumerate(texts)}
    begun = time.process_time()
    made = plan(load(), nodes)
    seconds = time.process_time() - begun
    if not made.optimal:
        raise SystemExit("not proved to be optimal")
    [peak] = re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    reading = min(_reading(texts) for _ in range(3))  # one pass may meet the collector of memory
    return Taken(seconds, reading, len(made.images), len(made.curve), int(peak) / 1024)


def _reading(texts: Sequence[str]) -> float:
    begun = time.process_time()
    for text in texts:
        json.loads(text)
    return time.process_time() - begun


if __name__ == "__main__":
    raise SystemExit(main())
