"""The pages for people: what they link to is there, and the commands that they name can be typed."""

import re
from pathlib import Path

import pytest

from provision.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (
        ROOT,
        *(ROOT / "docs" / name for name in (".", "hardware", "commands", "tutorials")),
        ROOT / "benchmarks",
    )
    for path in folder.glob("*.md")
)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


def slugs(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    found = []
    for link in LINK.findall(path.read_text()):
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        place = path.parent / name if name else path
        if not place.exists() or (anchor and anchor not in slugs(place)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    assert broken(ROOT / page) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](gone.md)", ["gone.md"]),
        ("[a](#gone)", ["#gone"]),
        ("# What it is, now\n[a](#what-it-is-now) [b](https://x.example/gone)", []),
    ],
)
def test_a_broken_link_is_seen(tmp_path: Path, text: str, found: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert broken(page) == found


def named(text: str) -> set[str]:
    """Return the commands that stand behind the program's name."""
    return set(re.findall(r"(?<![\w/.])kgpu-env ([a-z]+)\b", text))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_is_one(page: str) -> None:
    quoted = re.findall(r"`[^`\n]+`|^    .+$|- Fix: .+$", (ROOT / page).read_text(), re.MULTILINE)
    assert named("\n".join(quoted)) - {"does"} <= {one.name for one in COMMANDS}  # "as kgpu-env does" is prose


def test_the_readme_names_every_command() -> None:
    table = (ROOT / "README.md").read_text().split("\n## What it does\n")[1].split("\n## ")[0]
    assert sorted(one.name for one in COMMANDS if f"`{one.name}`" not in table and one.name not in named(table)) == []
