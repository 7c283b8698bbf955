"""The adversary's suite: every field of the evidence, altered in every way.

What is still proved is explained in docs/proof.md.

The records are those of real hardware, and a synthetic one of an AMD partition (`tests/unit/prove/test_holes.py`), each
with what its host knows of the GPU.
"""

import functools
import importlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Gpu, Vendor, Verdict
from provision.prove import Evidence, Expectation, Problem, parse_result
from provision.prove.evidence import MARKER
from provision.prove.judge import judge

# as pytest names them with import-mode importlib
V = importlib.import_module("tests.unit.prove.conftest")
H = importlib.import_module("tests.unit.prove.test_holes")
M = importlib.import_module("tests.unit.prove.mutations")
ROOT = Path(__file__).parents[3]
FILES: list[Path] = sorted(V.HARDWARE.glob("*.evidence.json"))
AMD = "a partition of an AMD card, synthetic"
ALL = frozenset({*M.KINDS, "failed"})
OTHER_RUN = frozenset({"of another run"})
# Why an alteration may be proved, and of which fields; docs/proof.md has this table.
SURVIVORS: dict[str, tuple[frozenset[str], str]] = {
    "told to people, and no check rests on it": (
        ALL,
        (
            "environment.nvidia_version environment.nvidia_information environment.nvidia_information[] "
            "environment.gids environment.gids[] environment.machine versions{} "
            "import_seconds trainings[].weights[].name trainings[].gradients[].name trainings[].tensors[].name"
        ),
    ),
    "a variable explains a failure and decides nothing": (
        ALL,
        "environment.variables environment.variables{}",
    ),
    "one driver library that loads and one device node that opens are enough": (
        ALL,
        (
            "environment.nodes environment.nodes[] environment.nodes[].path environment.libraries "
            "environment.libraries[] environment.libraries[].name environment.libraries[].error mapped mapped[]"
        ),
    ),
    "a GPU is known by its UUID, its PCI address or its node: one is enough where the others are not told, and none "
    "leaves identity unknown; to the contrary is refused": (
        ALL,
        (
            "driver driver[] driver[].pci driver[].uuid driver[].capacity driver[].capacity{} devices devices[] "
            "devices[].name devices[].type devices[].text devices[].bytes devices_error listing[].description "
            "listing listing[].compute_capability environment.boot_id environment.kfd environment.kfd[] "
            "environment.kfd[]{}"
        ),
    ),
    "every run computes the same, on every device": (
        OTHER_RUN,
        (
            "trainings trainings[] trainings[].losses trainings[].losses[] trainings[].weights trainings[].weights[] "
            "trainings[].weights[].device trainings[].tensors trainings[].tensors[] trainings[].tensors[].device "
            "trainings[].tensors[].memory trainings[].gradients trainings[].gradients[] trainings[].gradients[].device "
            "trainings[].gradients[].memory trainings[].ops trainings[].ops[] trainings[].ops[].device products "
            "products[] products[].place products[].values products[].values[] libraries libraries[] libraries[].place"
        ),
    ),
    "a time, a size and a count have bounds, not one right value": (
        ALL,
        (
            "trainings[].seconds seconds trainings[].memory trainings[].memory.current trainings[].memory.peak "
            "trainings[].ops[].count products[].difference libraries[].seconds libraries[].difference soaks[].rounds "
            "soaks[].rates[] soaks[].seconds soaks soaks[] soaks[].rates"
        ),
    ),
    "an operation beside the matrix products is asked for its place, not for its name or number": (
        ALL,
        "trainings[].ops[] trainings[].ops[].op trainings[].ops[].floating trainings[].ops_error",
    ),
    "a warning at most: the framework may lack the library or the right, a slow GPU is one": (
        ALL,
        (
            "planes planes{} planes_error speeds speeds[] speeds[].device speeds[].flops speeds[].error "
            "libraries[].error libraries[].not_asked build build{}"
        ),
    ),
    "the same twice": (
        frozenset({"doubled"}),
        "libraries soaks trainings[].ops trainings[].tensors",
    ),
    "the CPU's line in the list of devices": (
        ALL,
        "listing[] listing[].name listing[].type",
    ),
}


class Run(NamedTuple):
    """A record, and what its host and this tool know of it."""

    record: dict[str, Any]
    expectation: Expectation

    def verdict(self, record: dict[str, Any]) -> tuple[Verdict, Evidence | Problem]:
        """Return how a record is judged, as it would be printed by the workload of this run."""
        nonce = self.record["nonce"]
        found = parse_result(f"{MARKER} {nonce} {msgspec.json.encode(record).decode()}\n", nonce)
        ran = Ran(exit_code=0, stdout="", stderr="", seconds=self.record["seconds"] + 3)
        return judge(self.expectation, ran, found).verdict, found


def of_hardware(path: Path) -> Run:
    seen = json.loads(path.read_text())
    record = M.complete(seen)
    bytes_ = 80 << 30
    record["driver"][0]["capacity"]["memory_bytes"] = bytes_ if "h100" in path.name else 150_000_000_000
    record["environment"]["boot_id"] = path.name
    memory = int(record["driver"][0]["capacity"]["memory_bytes"] * 1.006)
    gpu = msgspec.structs.replace(V.gpu_of(seen), name=seen["listing"][1]["description"], memory_bytes=memory)
    return Run(record, _expecting(record, Vendor.CUDA, gpu))


def of_amd() -> Run:
    synthetic = V.seen("tensorflow")
    build, environment = {"is_cuda_build": "False", "is_rocm_build": "True"}, synthetic["environment"] | V.AMD
    made = H.inside(synthetic | {"build": build, "environment": environment}, 1)
    record = M.complete(msgspec.to_builtins(made))
    record["environment"]["boot_id"] = "amd"
    return Run(record, _expecting(record, Vendor.ROCM, H.partition(1)))


def _expecting(record: dict[str, Any], vendor: Vendor, gpu: Gpu) -> Expectation:
    spec = record["spec"]
    return Expectation(
        vendor=vendor,
        indices=(0,),
        gpus=(gpu,),
        backend=spec["backend"],
        level="soak",
        minutes=spec["minutes"],
        sent=spec,
        boot_id=record["environment"]["boot_id"],
    )


RUNS = {path.name.removesuffix(".evidence.json"): of_hardware(path) for path in FILES} | {AMD: of_amd()}


def explained(pattern: str, kind: str) -> list[str]:
    return [why for why, (kinds, fields) in SURVIVORS.items() if kind in kinds and pattern in fields.split()]


@functools.cache
def survivors(name: str) -> list[Any]:
    """Return the alterations of a run's record that change it and are proved all the same."""
    run, text = RUNS[name], msgspec.json.encode(RUNS[name].record)
    own = run.verdict(run.record)[1]
    other = next(one.record for one in reversed(RUNS.values()) if one.record["driver"] != run.record["driver"])
    found = []
    for one in M.mutations(run.record, other):
        verdict, evidence = run.verdict(M.altered(text, one))
        if verdict is Verdict.PROVED and evidence != own:
            found.append(one)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_what_is_altered_and_still_proved_is_explained(name: str) -> None:
    assert RUNS[name].verdict(RUNS[name].record)[0] is Verdict.PROVED, "as it is"
    wrongly = [(one.pattern, one.kind, one.path) for one in survivors(name) if not explained(one.pattern, one.kind)]
    assert wrongly == []


def test_every_field_of_the_schema_is_altered() -> None:
    fields = frozenset(M.patterns())
    reached = {one for run in RUNS.values() for one, _ in M.places(run.record, schema=fields)}
    lacking = {one for one in fields - reached if not one.endswith(("error.type", "error.text"))}
    assert lacking == set(), "an error is put there as a whole"


def test_no_explanation_is_left_over() -> None:
    survived = {one.pattern for name in RUNS for one in survivors(name)}
    named = {field for _, fields in SURVIVORS.values() for field in fields.split()}
    assert named - survived == set()


def table() -> list[str]:
    """Return the rows of the table in docs/proof.md."""
    rows = []
    for why, (kinds, fields) in SURVIVORS.items():
        told = "any" if kinds == ALL else ", ".join(sorted(kinds))
        rows.append(f"| {why} | {told} | {' '.join(f'`{field}`' for field in fields.split())} |")
    return rows


def test_the_document_explains_them() -> None:
    text = (ROOT / "docs" / "proof.md").read_text()
    assert [row for row in table() if row not in text] == []
