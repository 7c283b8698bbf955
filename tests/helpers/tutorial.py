"""A tutorial of docs/tutorials as a script: its blocks of sh run one after the other, its blocks of text are output.

A block of text stands for lines that the block of sh before it prints, in that order; "..." in it stands for anything.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[2] / "docs" / "tutorials"
_BLOCK: Final = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK: Final = "-- block of this tutorial: "


class Block(NamedTuple):
    """Commands, and the lines that they are said to print."""

    commands: str
    output: tuple[str, ...]


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page."""
    found: list[Block] = []
    for kind, body in _BLOCK.findall(text):
        if kind == "sh":
            found.append(Block(body, ()))
        else:
            found[-1] = Block(found[-1].commands, (*found[-1].output, *body.splitlines()))
    return found


def follow(
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    *,
    start: str = "",
    replaced: Mapping[str, str] | None = None,
) -> str:
    """Do what a tutorial says, in a folder, and return all that was printed.

    Args:
        name: of the page, without .md.
        folder: where it begins.
        environment: of its shell.
        start: lines that stand before its own, as functions that stand for programs.
        replaced: what of its commands is another word here, as the name of a company's proxy.

    Raises:
        AssertionError: a command failed, or did not print what the page says.
    """
    text = (FOLDER / f"{name}.md").read_text()
    for old, new in (replaced or {}).items():
        assert old in text, f"{name}.md has no {old}"
        text = text.replace(old, new)
    found = blocks(text)
    steps = [f"echo '{_MARK}{number}'\n{one.commands}" for number, one in enumerate(found)]
    script = "\n".join(["set -euo pipefail", "exec 2>&1", start, *steps])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode} of {name}.md:\n{done.stdout}{done.stderr}"
    for one, printed in zip(found, done.stdout.split(_MARK)[1:], strict=True):
        at = 0
        for line in one.output:
            pattern = ".*".join(map(re.escape, line.strip().split("...")))
            match = re.compile(rf"^\s*{pattern}\s*$", re.MULTILINE).search(printed, at)
            assert match, f"{name}.md says {line!r}; printed was:\n{printed}"
            at = match.end()
    return done.stdout
