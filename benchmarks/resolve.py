"""Resolving: one host, the whole matrix, and 10,000 hosts in one process.

Processor time is counted, so that other work on the machine does not change the figures.

.venv/bin/python benchmarks/resolve.py
"""

import random
import time

from provision.catalogue import load
from provision.errors import NoStackError
from provision.model import Host, Request, Vendor
from provision.resolve import resolve
from provision.resolve.matrix import hosts

COUNT = 10_000
LIMIT_FLEET, LIMIT_ONE = 5.0, 0.030  # seconds


def main() -> int:
    """Print the times, and return 1 when one is over its limit."""
    catalogue = load()
    begun = time.process_time()
    kinds = [(Vendor.CUDA, host) for _, _, host in hosts(catalogue, Vendor.CUDA)]
    kinds += [(Vendor.ROCM, host) for _, _, host in hosts(catalogue, Vendor.ROCM)]
    loaded = time.process_time() - begun
    worst, kind = max((timed(vendor, host), index) for index, (vendor, host) in enumerate(kinds))
    served = [(vendor, host) for vendor, host in kinds if stack(vendor, host)]
    chosen = random.Random(4711).choices(served, k=COUNT)
    begun = time.process_time()
    for vendor, host in chosen:
        resolve(catalogue, host, Request(vendor=vendor))
    fleet = time.process_time() - begun
    slowest = kinds[kind][1]
    print(f"load the catalogue          {loaded * 1000:8.1f} ms")
    print(
        f"slowest of {len(kinds):5} kinds      {worst * 1000:8.1f} ms  ({slowest.gpus[0].architecture}, "
        f"{slowest.drivers[0].version or slowest.drivers[0].release}; limit {LIMIT_ONE * 1000:.0f} ms)"
    )
    print(f"{COUNT} hosts with a stack   {fleet:8.2f} s   (processor time; limit {LIMIT_FLEET:.0f} s)")
    return int(fleet > LIMIT_FLEET or worst > LIMIT_ONE)


def stack(vendor: Vendor, host: Host) -> bool:
    """Tell whether a host gets a stack."""
    try:
        return bool(resolve(load(), host, Request(vendor=vendor)))
    except NoStackError:
        return False


def timed(vendor: Vendor, host: Host) -> float:
    """Return the seconds that a host takes, the best of two; an error with its advice counts too."""
    found = []
    for _ in range(2):
        begun = time.process_time()
        stack(vendor, host)
        found.append(time.process_time() - begun)
    return min(found)


if __name__ == "__main__":
    raise SystemExit(main())
