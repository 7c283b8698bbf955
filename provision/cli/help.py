"""The help of a command: what it takes, in sections, and examples; at a terminal in lines that fit."""

import textwrap
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

FIRST, LAST = "Options", "Output"  # the section of what names none, and the one at the end, which every command has
_COMMANDS: Final = "Commands"
_EXAMPLES: Final = "\n\nExamples:\n"  # the part of a docstring, as Google writes them
_WIDEST: Final = 26  # columns of a name that has its words beside it


class Entry(NamedTuple):
    """An argument, an option or a command."""

    names: str
    text: str


class Help(NamedTuple):
    """What the help of a command tells."""

    usage: str
    text: tuple[str, ...]  # paragraphs
    sections: dict[str, list[Entry]]
    note: str
    examples: str  # lines


class HelpCommand(TyperCommand):
    """A command whose help has sections."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - the parser's types are not public
        """Write the help; called by the parser."""
        formatter.write(as_text(help_of(ctx), formatter.width))


class HelpGroup(TyperGroup):
    """A group of commands whose help has sections."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Write the help; called by the parser."""
        formatter.write(as_text(help_of(ctx), formatter.width))


def help_of(context: typer.Context) -> Help:
    """Return the help of the command that a context of the parser is for."""
    command = context.command
    pieces = [piece.strip("{}") for piece in command.collect_usage_pieces(context)]
    text, _, examples = (command.help or "").partition(_EXAMPLES)
    return Help(
        usage=" ".join([context.command_path, *pieces]),
        text=_paragraphs(text),
        sections=_sections(context) | _commands(context),
        note=command.epilog or "",
        examples=textwrap.dedent(examples),
    )


def as_text(found: Help, width: int) -> str:
    """Return a help in lines of at most `width` columns, where no word is longer."""
    column = min(max(len(one.names) for one in _entries(found)), _WIDEST) + 4
    parts = [_filled(f"Usage: {found.usage}", width, "", " " * 7)]
    parts += [_filled(paragraph, width, "  ") for paragraph in found.text]
    for title, entries in found.sections.items():
        parts.append("\n".join([f"{title}:", *(_row(one, column, width) for one in entries)]))
    parts += [_filled(found.note, width, "  ")] if found.note else []
    parts += [f"Examples:\n{textwrap.indent(found.examples, '  ')}"] if found.examples else []
    return "\n\n".join(parts) + "\n"


def _entries(found: Help) -> Iterable[Entry]:
    return (one for entries in found.sections.values() for one in entries)


def _sections(context: typer.Context) -> dict[str, list[Entry]]:
    """Return arguments and options by their sections, in the order in which they are declared."""
    arguments: list[Entry] = []
    options: dict[str, list[Entry]] = {FIRST: []}
    for one in context.command.get_params(context):
        record = one.get_help_record(context)
        if record is None:
            continue
        names, text = record
        if one.param_type_name == "argument":  # in brackets or not, by the parser's release; the usage tells it anyhow
            arguments.append(Entry(names.removeprefix("[").removesuffix("]"), text))
            continue
        title = getattr(one, "rich_help_panel", None) or (LAST if one.name == "help" and LAST in options else FIRST)
        options.setdefault(title, []).append(Entry(names, text))
    if LAST in options:
        options[LAST] = options.pop(LAST)
    found = {title: entries for title, entries in options.items() if entries}
    if len(found) == 1:  # without others to tell it from
        found = {FIRST: next(iter(found.values()))}
    return ({"Arguments": arguments} if arguments else {}) | found


def _commands(context: typer.Context) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for name, one in getattr(context.command, "commands", {}).items():
        title = one.rich_help_panel if isinstance(one.rich_help_panel, str) else _COMMANDS
        found.setdefault(title, []).append(Entry(name, next(iter(_paragraphs(one.help or "")), "")))
    return found


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def _row(one: Entry, column: int, width: int) -> str:
    """Return an entry's lines: its words beside its names, or below them where these are long."""
    names, blank = f"  {one.names}", " " * column
    if len(names) > column - 2:
        return f"{names}\n{_filled(one.text, width, blank)}"
    return _filled(one.text, width, f"{names:<{column}}", blank)


def _filled(text: str, width: int, first: str, others: str | None = None) -> str:
    """Return a paragraph in lines that fit; options and names are never broken."""
    others = first if others is None else others
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
