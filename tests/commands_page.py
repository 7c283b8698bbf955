"""docs/commands.md, the index of all commands, and docs/commands/NAME.md, a page for each, from the parser itself.

`regenerate.py` writes them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from helpers.parsed_commands import parsed_commands  # type: ignore[import-not-found] # a folder beside this file

from provision.cli.commands import SECTIONS
from provision.cli.help import Entry, Help, help_of
from provision.model import SETTINGS
from provision.variables import PREFIX

INDEX: Final = Path(__file__).parents[1] / "docs" / "commands.md"
FOLDER: Final = INDEX.with_suffix("")
INTRODUCTION: Final = """# Commands

Each has a page with its options and examples; `kgpu-env COMMAND --help` prints the same. Written by
`tests/regenerate.py` from the command line itself. Every command takes `--json`, `-q` and `-v`; an option that has a
key can be set in `kgpu-env.yaml`, in `[tool.kgpu-env]` of a pyproject.toml, or by its variable, too.
"""
BACK: Final = "[All commands](../commands.md)\n"
# What a flag is called in the project file, and as a variable.
_NAMES: Final = {
    one.option.flag: (f"{one.group}.{one.key}" if one.group else one.key, f"{PREFIX}{name.upper()}")
    for name, one in SETTINGS.items()
    if one.option.flag
}


def index() -> str:
    """Return the index."""
    found = {words: help_of(context) for words, context in parsed_commands().items() if words}
    parts = [INTRODUCTION]
    for title, commands in SECTIONS.items():
        names = [one.name for one in commands]
        rows = {words: one for words, one in found.items() if words.split()[0] in names}
        ordered = sorted(rows, key=lambda words: names.index(words.split()[0]))
        lines = [f"| [kgpu-env {words}](commands/{_file(words)}) | {_cell(rows[words].text[0])} |" for words in ordered]
        parts.append("\n".join([f"## {title}\n", "| command | |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def command_pages() -> dict[Path, str]:
    """Return the page of each command."""
    found = {words: help_of(context) for words, context in parsed_commands().items() if words}
    return {FOLDER / _file(words): "\n".join(_page(words, one)) for words, one in found.items()}


def _page(words: str, found: Help) -> Iterator[str]:
    yield f"# kgpu-env {words}\n"
    yield "\n\n".join(map(_plain, found.text)) + "\n"
    yield f"```text\n{found.usage}\n```\n"
    for title, entries in found.sections.items():
        yield "\n".join([f"## {title}\n", "| | |", "|---|---|", *map(_row, entries), ""])
    if found.note:
        yield f"{_plain(found.note)}\n"
    yield f"## Examples\n\n```sh\n{found.examples}\n```\n"
    yield BACK


def _row(one: Entry) -> str:
    flags = [word.rstrip(",") for word in one.names.split()]
    key, variable = next((_NAMES[flag] for flag in flags if flag in _NAMES), ("", ""))
    also = f" Key: `{key}`; variable: `{variable}`." if key else ""
    return f"| `{one.names.replace('|', chr(92) + '|')}` | {_cell(one.text)}{also} |"


def _file(words: str) -> str:
    return f"{words.replace(' ', '-')}.md"


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", r"\|")


def _plain(text: str) -> str:
    """Return a text in which nothing is taken for HTML or a link."""
    return text.replace("<", r"\<").replace("[", r"\[")
