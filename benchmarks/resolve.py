"""Resolving: one host that nothing is known of yet, the whole matrix, and 10,000 hosts in one process.

Processor time is counted, so that other work on the machine does not change the figures; what counts is the ratio to
`json.loads` of the same hosts' files, taken in the same run.

.venv/bin/python benchmarks/resolve.py
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from provision.catalogue import Catalogue, load
from provision.errors import NoStackError
from provision.model import GPU_VENDORS, Host, Request, Vendor, encode
from provision.resolve import resolve
from provision.resolve.matrix import hosts

COUNT = 10_000
LIMIT_ONE, LIMIT_SERVED, LIMIT_REFUSED = 0.015, 5, 40  # seconds; times json.loads
SECTIONS = ("nvidia", "tensorflow", "images", "amd", "keras", "site_policy")


class Kind(NamedTuple):
    """A driver with a GPU, both of the catalogue."""

    vendor: Vendor
    host: Host


def main() -> int:
    """Print the times, and return 1 when one is over its limit."""
    begun = time.process_time()
    kinds = [Kind(vendor, host) for vendor in GPU_VENDORS for _, _, host in hosts(load(), vendor)]
    print(f"load the catalogue            {(time.process_time() - begun) * 1000:8.1f} ms")
    worst, slowest = max((cold(kind), place) for place, kind in enumerate(kinds))
    name = f"{kinds[slowest].host.gpus[0].architecture}, {driver_of(kinds[slowest].host)}"
    print(f"slowest of {len(kinds):5} kinds        {worst * 1000:8.1f} ms  ({name}; limit {LIMIT_ONE * 1000:.0f} ms)")
    refused = [kind for kind in kinds if not stack(load(), kind)]
    served = [kind for kind in kinds if kind not in refused]
    ratios = [
        fleet("with a stack", served, LIMIT_SERVED),
        fleet("without a stack", refused, LIMIT_REFUSED),
    ]
    return int(worst > LIMIT_ONE or ratios[0] > LIMIT_SERVED or ratios[1] > LIMIT_REFUSED)


def fleet(what: str, kinds: Sequence[Kind], limit: float) -> float:
    """Print what many hosts of some kinds take, and return it as a multiple of reading their files."""
    chosen = random.Random(4711).choices(kinds, k=COUNT)
    texts = [encode(kind.host) for kind in chosen]
    catalogue = fresh()
    reading = timed(lambda: [json.loads(text) for text in texts])
    resolving = timed(lambda: [stack(catalogue, kind) for kind in chosen])
    ratio = resolving / reading
    print(f"{COUNT} hosts {what:16} {resolving:8.2f} s   ({ratio:.1f} times json.loads; limit {limit:.0f})")
    return ratio


def fresh() -> Catalogue:
    """Return the catalogue, read, for which nothing was resolved yet."""
    known = load()
    found = Catalogue(known.directory)
    found.__dict__ |= {name: getattr(known, name) for name in SECTIONS}
    return found


def stack(catalogue: Catalogue, kind: Kind) -> bool:
    """Tell whether a host gets a stack; an error seeks its advice."""
    try:
        return bool(resolve(catalogue, kind.host, Request(vendor=kind.vendor)))
    except NoStackError:
        return False


def cold(kind: Kind) -> float:
    """Return the seconds that a host takes of which nothing is known, the best of three."""
    return min(timed(partial(stack, fresh(), kind)) for _ in range(3))


def timed(work: Callable[[], object]) -> float:
    """Return the processor seconds that some work takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def driver_of(host: Host) -> str:
    """Return the version by which a driver goes."""
    return host.drivers[0].version or host.drivers[0].release or ""


if __name__ == "__main__":
    raise SystemExit(main())
