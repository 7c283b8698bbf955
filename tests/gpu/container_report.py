"""What a run inside a container leaves: a JSON document, the page that follows from it, and README's table."""

import json
from pathlib import Path
from typing import Any

from gpu_report import row, sentence

SCHEMA = "kgpu-env/hardware-container/1"
BEGIN, END = "<!-- container: begin -->", "<!-- container: end -->"
NOT_YET = """\
Not yet seen on hardware: nobody has run a GPU through a container engine with this tool. The script was rehearsed
without a GPU (`tests/gpu/test_container.py`): made-up device nodes and a made-up driver library arrive by CDI."""
SEEN = "Each row is a run of `tests/gpu/container.py`; the page has every step, the JSON the whole of its proofs."


def records(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the runs in a folder, each with the name of its files, the newest first."""
    found = []
    for path in folder.glob("*-container.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("schema") == SCHEMA:
            found.append((path.stem, record))
    return sorted(found, key=lambda one: (one[1]["when"], one[0]), reverse=True)


def ended(record: dict[str, Any]) -> str:
    """Return how many steps ended how."""
    outcomes = [one["outcome"] for one in record["steps"]]
    return ", ".join(f"{outcomes.count(one)} {one}" for one in dict.fromkeys(outcomes))


def page(record: dict[str, Any]) -> str:
    """Return the Markdown of one run."""
    lines = [
        f"# {record['gpu']} inside a container: {ended(record)}",
        "",
        f"{record['when']}, driver {record['driver']}, kernel {record['kernel']}, Python {record['python']} with "
        f"{', '.join(record['frameworks']) or 'no framework'}, {record['seconds']:.0f} s in all"
        + (". A rehearsal: nodes and driver are made up." if record["rehearsal"] else "."),
        "",
        "    python3 tests/gpu/container.py run DIR",
        "",
        "| step | what | outcome | seconds | why |",
        "|---|---|---|---|---|",
    ]
    for one in record["steps"]:
        why = sentence(one["why"]) if one["why"] else ""
        lines.append(row(one["name"], one["what"], one["outcome"], f"{one['seconds']:.1f}", why))
    lacking = [text for one in record["steps"] for text in one.get("lacking", ())]
    if lacking:
        lines += ["", "What the machine lacks:", "", *(f"- {text}" for text in lacking)]
    for one in record["steps"]:
        if "proof" in one:
            lines += ["", f"## {one['name']}: {one['proof'].get('verdict', 'no verdict')}", ""]
            lines += ["| check | status | detail |", "|---|---|---|"]
            lines += [row(each["name"], each["status"], each["detail"]) for each in one["proof"].get("checks", ())]
    return "\n".join([*lines, ""])


def table(folder: Path) -> str:
    """Return what README says of the runs in a folder."""
    rows = [
        row(
            record["gpu"],
            record["driver"],
            record["when"][:10],
            ended(record),
            f"[page]({stem}.md), [JSON]({stem}.json)",
        )
        for stem, record in records(folder)
        if not record["rehearsal"]
    ]
    head = ["| GPU | driver | seen | steps | report |", "|---" * 5 + "|"]
    return "\n".join([SEEN, "", *head, *rows] if rows else [NOT_YET])


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
