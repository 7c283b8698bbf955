"""What kinds of hosts get from the shipped catalogue: the goldens that hold it, for tests/regenerate.py.

No test of logic has a release of the shipped catalogue in its expectation (they have tests/data/catalogue). A new row
changes these files, and a person reads the difference.
"""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import yaml
from helpers.trees import build  # type: ignore[import-not-found] # a folder beside this file

from provision import model
from provision.catalogue import load
from provision.cli.formatting.matrix import csv_table
from provision.errors import NoStackError
from provision.model import GPU_VENDORS, Driver, Gpu, Host, Request, Stack, Vendor
from provision.probe import lookups_of, probe_files
from provision.resolve import resolve, upgrades
from provision.resolve.catalogue_check import review
from provision.resolve.image_check import check_image
from provision.resolve.matrix import matrix

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
TODAY = "2026-11-29"  # what has ended by then is said, as in the explanations
HARDWARE = ROOT / "docs" / "hardware"


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of kinds.yaml."""

    nvidia: str = ""
    amd: str = ""
    product: str | None = None
    partition: str | None = None
    machine: str = "x86_64"
    wsl: bool = False
    ask: Request = Request()

    @property
    def host(self) -> Host:
        """The host, of GPUs without anything that no rule looks at."""
        gpus, drivers = [], []
        for vendor, text in (("nvidia", self.nvidia), ("amd", self.amd)):
            release, *architectures = text.split() or [""]
            for one in architectures:
                row = {"vendor": vendor, "architecture": one, "name": self.product, "partition": self.partition}
                gpus.append(msgspec.convert(row, Gpu))
            if vendor == "nvidia" and text:
                drivers.append(Driver(vendor="nvidia", version=release))
            elif text:
                inbox = release == "inbox"
                flavour = {"release": None, "flavour": "inbox"} if inbox else {"release": release, "flavour": "dkms"}
                drivers.append(msgspec.convert({"vendor": "amd", **flavour}, Driver))
        return Host(gpus=tuple(gpus), drivers=tuple(drivers), wsl=self.wsl, architecture=self.machine)


def kinds() -> str:
    """Return what every line of kinds.yaml gets."""
    given = yaml.load((DATA / "kinds.yaml").read_text(), yaml.CSafeLoader)
    return "\n".join(line for one in given for line in (*_answer(one), "")) + "\n"


def _answer(given: dict[str, object]) -> list[str]:
    kind = msgspec.convert(given, Kind)
    title = " ".join(f"{key}: {json.dumps(value)}" for key, value in given.items())
    told = _answer_of(kind.host, kind.ask)
    return [title, *(f"  {line}" for line in (*told, *_image(kind)))]


def _answer_of(host: Host, request: Request) -> list[str]:
    try:
        stack = resolve(load(), host, request, today=TODAY)
    except NoStackError as error:
        nearest = [f"nearest: {one.change} gives {one.gives}" for one in error.changes]
        return [
            f"{error.code} {error.text}",
            error.cause,
            f"fix: {error.fix}",
            f"conflict: {', '.join(error.conflict)}",
            *nearest,
            _rules(error.rejected),
        ]
    better = upgrades(load(), host, request, stack) if stack.vendor is not Vendor.CPU else ()
    return [*_stack(stack), *(f"{one.change} gives {one.gives}" for one in better)]


def _stack(stack: Stack) -> list[str]:
    libraries = [one for one in stack.packages if "cudnn" in one or one.startswith(("rocm", "torch", "jax"))]
    packages = f"{len(stack.packages)} packages" + "".join(f", {one}" for one in libraries)
    return [
        f"{stack.vendor}: {stack.summary}",
        f"{stack.backend} by {stack.route}, jit_compile {stack.settings.jit_compile}, {packages}",
        *(f"from {one}" for one in stack.indexes),
        *(f"{one.code}: {one.text}" for one in stack.warnings),
        *([_rules(stack.rejected)] if stack.rejected else []),
    ]


def _rules(rejected: tuple[model.Rejection, ...]) -> str:
    """Return how often each rule was the first that a candidate broke, and by which candidate."""
    found: dict[str, list[str]] = {}
    for one in rejected:
        found.setdefault(one.rule, []).append(one.candidate)
    return "not taken: " + "; ".join(f"{rule} ({len(names)}, {names[0]})" for rule, names in found.items())


def _image(kind: Kind) -> list[str]:
    """Return the newest CUDA image that starts on an NVIDIA host, and how drivers in the way are told."""
    if not kind.nvidia:
        return []
    try:
        check_image(load(), kind.host, "x", {"NVIDIA_REQUIRE_CUDA": "cuda>=99.0"})
    except NoStackError as error:
        return [f"image: {error.fix}"]
    raise AssertionError("no driver has CUDA 99")


def checked() -> str:
    """Return what `catalogue check` finds on the day of the newest row: rows without a host, and doubtful ones."""
    today = max(row.checked for _, row in load().all_rows())
    return "".join(f"{one.severity} {one.code} {one.text}\n" for one in review(load(), today))


def hardware() -> str:
    """Return what the hosts that were really seen get, beside what was proved on them."""
    lines = []
    for path in sorted(HARDWARE.glob("*.json")):
        run = json.loads(path.read_text())
        if run.get("schema") == "kgpu-env/hardware/1":
            proof = run["first"]["proof"]
            was = f"{proof['verdict']} with {proof['versions'].get(run['backend'], 'nothing')}"
            host = msgspec.convert(run["host"], Host)
            stack = resolve(load(), host, Request(backend=run["backend"]), today=TODAY)
            lines += [f"{path.name}: {run['gpu']}, {run['backend']}, {was}", f"  {stack.summary}"]
    return "\n".join([*lines, ""])


def real_hosts() -> str:
    """Return what each host of people gets, from its files to the answer."""
    lines = []
    for right in yaml.load((DATA / "trees" / "resolved.yaml").read_text(), yaml.CSafeLoader):
        name, asked = right["name"], Request(backend=right.get("asks"), rocm=right.get("rocm"))
        with tempfile.TemporaryDirectory() as folder:
            here = probe_files(build(Path(folder), name), lookups_of(load()))
        try:
            lines.append(f"{name}: {resolve(load(), here, asked).summary}")
        except NoStackError as error:
            lines.append(f"{name}: {error.code} {error.cause}")
    return "\n".join([*lines, ""])


def _matrix(vendor: Vendor) -> str:
    return csv_table(matrix(load(), vendor))


def goldens() -> dict[Path, Callable[[], str]]:
    """Return the files, each with what writes it."""
    return {
        **{DATA / "matrix" / f"{vendor}.csv": partial(_matrix, vendor) for vendor in GPU_VENDORS},
        DATA / "kinds.txt": kinds,
        DATA / "checked.txt": checked,
        DATA / "hardware.txt": hardware,
        DATA / "real_hosts.txt": real_hosts,
    }
