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
Each row is a run of `tests/gpu/run.py`: the proof of that machine's own Python, without an engine, and the same with
its GPUs hidden, which must not be proved. The page has the checks and the library table, the JSON the whole proof."""


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
    proof, hidden = record["proof"], record["hidden"]
    versions = ", ".join(f"{name} {version}" for name, version in proof.get("versions", {}).items())
    lines = [
        f"# {record['gpu']}, {record['backend']}: {proof['verdict']}",
        "",
        f"{record['when']}, driver {record['driver']}, level {record['level']}, {record['seconds']:.0f} s in all:",
        "",
        f"    {record['command']}",
        "",
        f"{sentence(proof['reason'])} With the GPUs hidden: {hidden['verdict']}. {sentence(hidden['reason'])}",
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
    if record["problem"]:
        lines += [f"What went wrong around it: {record['problem']}", ""]
    return "\n".join(lines)


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
            record["backend"],
            record["when"][:10],
            record["proof"]["verdict"],
            f"[page]({stem}.md), [JSON]({stem}.json)",
        )
        for stem, record in records(folder)
        if record["vendor"] != "cpu"  # a rehearsal
    ]
    head = ["| GPU | driver | backend | seen | verdict | report |", "|---|---|---|---|---|---|"]
    words = SEEN if rows else NOT_YET
    return "\n".join([words, "", *head, *(rows or ["| none | | | | | |"])])


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
