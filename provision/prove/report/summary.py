"""A proof in the few lines that a person reads first."""

from collections.abc import Iterator

from provision.compat import assert_never
from provision.model import TITLES, Proof, Status, Verdict
from provision.prove.checks import table
from provision.prove.checks.devices import counted
from provision.prove.checks.row import READ_LOG
from provision.prove.report.headline import headline, losses

INDENT = "      "
LOG_LINES = 8  # of the workload's own words, where they are the next step


def summary(proof: Proof) -> list[str]:
    """Return the lines for a terminal: the answer, what it rests on, the next step."""
    match proof.verdict:
        case Verdict.PROVED:
            rest = _evidence(proof)
        case Verdict.CPU:
            rest = _versions(proof)
        case Verdict.NOT_PROVED | Verdict.INVALID:
            rest = _fix(proof)
        case _:
            assert_never(proof.verdict)
    return [headline(proof), *rest]


def _counted(proof: Proof) -> Iterator[str]:
    words, missing = counted(proof.expected), any(item.seen is False for item in proof.expected)
    if (len(proof.expected) > 1 or missing) and words not in proof.reason:
        yield f"{INDENT}devices   {_line(words)}"


def _evidence(proof: Proof) -> Iterator[str]:
    yield f"{INDENT}because   {_line(proof.reason)}"
    yield from _counted(proof)
    for device in proof.devices:
        parts = (device.description, device.architecture, device.pci, device.uuid)
        yield f"{INDENT}device    {device.name}  {', '.join(part for part in parts if part)}"
    yield f"{INDENT}training  {losses(proof)}"
    yield from _versions(proof)
    if proof.libraries:
        yield f"{INDENT}libraries {', '.join(f'{name} {states}' for name, states in _libraries(proof))}"
    for check in proof.checks:
        row = table.row_of(check.name)
        if row and row.in_summary and check.status is Status.PASS:
            yield f"{INDENT}{check.name:<9} {_line(check.detail)}"
        elif check.status not in {Status.PASS, Status.SKIP}:
            yield f"{INDENT}{check.name:<9} {check.status}: {_line(check.detail)}"


def _libraries(proof: Proof) -> Iterator[tuple[str, str]]:
    """Yield each library's name with its state on all devices: "works", or "works, slow"."""
    for name in dict.fromkeys(row.name for row in proof.libraries):
        yield name, "/".join(dict.fromkeys(row.state for row in proof.libraries if row.name == name))


def _versions(proof: Proof) -> Iterator[str]:
    names = (*TITLES.items(), ("keras", "Keras"), ("python", "Python"))
    known = [f"{name} {proof.versions[key]}" for key, name in names if proof.versions.get(key)]
    if known:
        yield f"{INDENT}inside    {', '.join(known)}"


def _fix(proof: Proof) -> Iterator[str]:
    yield from _counted(proof)
    if proof.seen:
        yield f"{INDENT}text      {_line(proof.seen)}"
    if proof.fix:
        yield f"{INDENT}fix       {proof.fix}"
    if proof.fix == READ_LOG:
        yield from (f"{INDENT}log       {_line(line)}" for line in proof.log[-LOG_LINES:])
    if proof.code:
        yield f"{INDENT}check     kgpu-env doctor {proof.code}"


def _line(text: str) -> str:
    """Return a message in one line of bearable length; the whole of it is in the report."""
    joined = " ".join(text.split())
    limit = 240
    return joined if len(joined) <= limit else f"{joined[: limit - 3]}..."
