"""What a run on hardware leaves: one JSON document for each backend, and the pages that follow from those."""

import json
from pathlib import Path
from typing import Any

SCHEMA = "kgpu-env/hardware/1"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
NOT_YET = """\
Not seen on hardware yet. Nobody has run this tool's proof on a machine with a GPU: its GPU verdicts were tried on
synthetic evidence only (`tests/unit/prove/conftest.py`, `tests/sabotage`), its trainings on CPUs."""
SEEN = """\
Each row is a run of `tests/gpu/run.py`: the proof of that machine's own Python, without an engine, then the same with
the GPU taken away in several ways, each of which must end not proved. The page has checks, libraries and sabotage, the
JSON the whole of it; what the workload recorded is in NAME.evidence.json, and unit tests judge it again."""


def records(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the runs in a folder, each with the name of its files, the newest first."""
    found = []
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("schema") == SCHEMA:
            found.append((path.stem, record))
    return sorted(found, key=lambda one: (one[1]["when"], one[0]), reverse=True)


def page(record: dict[str, Any]) -> str:
    """Return the Markdown of one run."""
    proof, quick, gate = record["first"]["proof"], record["quick"]["proof"], record["gate"]
    versions = ", ".join(f"{name} {version}" for name, version in proof.get("versions", {}).items())
    backend = record["backend"]
    lines = [
        f"# {record['gpu']}, {record['backend']}: {proof['verdict']}",
        "",
        f"{record['when']}, driver {record['driver']}, level {record['level']}, {record['seconds']:.0f} s in all:",
        "",
        f"    {record['command']}",
        "",
        sentence(proof["reason"]),
        "",
        f"The proof took {proof.get('seconds', 0):.1f} s, {spent(proof, 'import'):.1f} s of them to import {backend}.",
        f"At the level quick: {quick['verdict']} in {quick.get('seconds', 0):.1f} s.",
        f"`gate` then said {gate['state']}, exit {gate['exit']}, in {gate['seconds']:.2f} s.",
        "",
        f"Versions: {versions or 'none were recorded'}",
        "",
        "| check | status | detail |",
        "|---|---|---|",
        *(row(one["name"], one["status"], one["detail"]) for one in proof["checks"]),
        "",
    ]
    libraries = [
        row(*(one[key] for key in ("name", "device", "state", "detail"))) for one in proof.get("libraries", ())
    ]
    if libraries:
        lines += ["| library | device | state | detail |", "|---|---|---|---|", *libraries, ""]
    taken = [
        row(
            one["name"],
            one["what"],
            one.get("verdict", "skipped"),
            one.get("code", ""),
            one.get("reason") or one.get("skipped", ""),
        )
        for one in record["sabotage"]
    ]
    if taken:
        lines += ["| sabotage | what | verdict | code | reason |", "|---|---|---|---|---|", *taken, ""]
    if record["problem"]:
        lines += [f"What went wrong around it: {record['problem']}", ""]
    return "\n".join(lines)


def spent(proof: dict[str, Any], part: str) -> float:
    """Return the seconds that a part of a proof took."""
    found: float = proof.get("spent", {}).get(part, 0.0)
    return found


def sentence(text: str) -> str:
    """Return words as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def row(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |"


def table(folder: Path) -> str:
    """Return what README says of the runs in a folder."""
    rows = [
        row(
            record["gpu"],
            record["driver"],
            f"{record['backend']} {record['first']['proof'].get('versions', {}).get(record['backend'], '')}",
            record["level"],
            record["when"][:10],
            record["first"]["proof"]["verdict"],
            f"{sum(one.get('right', False) for one in record['sabotage'])} of {len(record['sabotage'])}",
            f"[page]({stem}.md), [JSON]({stem}.json)",
        )
        for stem, record in records(folder)
        if record["vendor"] != "cpu"  # a rehearsal
    ]
    head = ["| GPU | driver | backend | level | seen | verdict | sabotage as it must | report |", "|---" * 8 + "|"]
    words = SEEN if rows else NOT_YET
    return "\n".join([words, "", *head, *(rows or ["| none | | | | | | | |"])])


def readme(text: str, folder: Path) -> str:
    """Return README with what it says of the runs made anew."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table(folder)}\n{END}{after}"


def write(folder: Path) -> None:
    """Write the page of each run in a folder, and its README's table where it has one."""
    for stem, record in records(folder):
        (folder / f"{stem}.md").write_text(page(record), encoding="utf-8")
    path = folder / "README.md"
    if path.exists():
        path.write_text(readme(path.read_text(encoding="utf-8"), folder), encoding="utf-8")
