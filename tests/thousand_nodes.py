"""The plan of a made-up fleet of 1,000 nodes, for tests/regenerate.py: what an operations team of that size would read.

The hosts are those of tests/data/hosts, which are synthetic. A new row of the catalogue changes this plan, and a person
reads the difference.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from provision.catalogue import load
from provision.fleet.plan import plan
from provision.model import Host, decode
from provision.model.fleet import FleetPlan

DATA = Path(__file__).parent / "data"
GOLDEN = DATA / "fleet-1000.txt"
IN_A_RACK = 20
# Racks of one kind of host, and which host every fourth node of them is instead: a driver update that was not finished.
RACKS = (
    ("h100-580", 10, "h100-580"),
    ("h100-550", 8, "h100-580"),
    ("h100-535", 5, "h100-550"),
    ("a100-535", 6, "a100-535"),
    ("a100-470", 2, "a100-535"),
    ("v100-580", 3, "v100-590"),
    ("t4-525", 2, "t4-440"),
    ("b200-570", 3, "b200-570"),
    ("gh200-580", 1, "gh200-580"),
    ("rtx5090-580", 1, "driver-not-loaded"),
    ("mi300x-30.10", 4, "mi300x-6.1"),
    ("mi300x-cpx", 1, "mi300x-spx"),
    ("mi250x-6.4", 2, "mi250x-6.4"),
    ("mi210", 1, "mi210"),
    ("none", 1, "none"),
)


def fleet() -> dict[str, str]:
    """Return the kind of host of each node, "r07n13"."""
    racks = [(kind, other) for kind, count, other in RACKS for _ in range(count)]
    return {
        f"r{rack:02}n{node:02}": other if node % 4 == 0 else kind
        for rack, (kind, other) in enumerate(racks, start=1)
        for node in range(1, IN_A_RACK + 1)
    }


def text() -> str:
    """Return the plan as lines."""
    kinds = fleet()
    hosts = {kind: decode((DATA / "hosts" / f"{kind}.json").read_bytes(), Host) for kind in set(kinds.values())}
    return "\n".join(_lines(plan(load(), {name: hosts[kind] for name, kind in kinds.items()}), kinds)) + "\n"


def _lines(made: FleetPlan, kinds: dict[str, str]) -> Iterator[str]:
    yield f"{len(kinds)} nodes of {len(set(kinds.values()))} kinds: {len(made.images)} images, at least {made.bound}"
    for image in made.images:
        yield from (
            "",
            image.id,
            f"  {image.stack.summary}",
            f"  {len(image.nodes)} nodes; {', '.join(image.stack.gpus)}",
        )
        yield from _of_kinds(image.nodes, kinds)
    rules: dict[str, list[str]] = defaultdict(list)
    for node in made.unserved:
        rules[f"{node.rule}: {node.cause}"].append(node.name)
    for rule, names in rules.items():
        yield from ("", f"unserved by {rule}", *_of_kinds(names, kinds))
    yield ""
    for point in made.curve:
        changes = "; ".join(f"{len(one.nodes)} nodes to {one.driver}" for one in point.changes)
        yield f"{point.images} images with {point.upgrades} upgrades, at least {point.bound}: {changes or 'as it is'}"


def _of_kinds(names: Iterable[str], kinds: dict[str, str]) -> Iterator[str]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[kinds[name]].append(name)
    for kind, some in sorted(found.items()):
        yield f"  {len(some):4} {kind}: {folded(some)}"


def folded(names: Iterable[str]) -> str:
    """Return names of nodes as Slurm folds them.

    >>> folded(["r01n01", "r01n02", "r01n04", "r02n01"])
    'r01n[01-02,04] r02n01'
    """
    return " ".join(
        _rack(rack, [name[4:] for name in some]) for rack, some in groupby(sorted(names), lambda one: one[:4])
    )


def _rack(rack: str, numbers: list[str]) -> str:
    runs = [[one for _, one in run] for _, run in groupby(enumerate(numbers), lambda pair: int(pair[1]) - pair[0])]
    words = [f"{run[0]}-{run[-1]}" if len(run) > 1 else run[0] for run in runs]
    return f"{rack}{words[0]}" if words == [numbers[0]] else f"{rack}[{','.join(words)}]"


def goldens() -> dict[Path, Callable[[], str]]:
    """Return what writes the golden."""
    return {GOLDEN: text}
