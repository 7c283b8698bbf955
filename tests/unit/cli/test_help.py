"""The help: sections, whole words at every width, and examples that can be typed."""

import re
import shlex
from collections.abc import Callable
from typing import Annotated, Any, cast

import pytest
import typer
from parsed_commands import parsed_commands

from provision.cli.commands import SECTIONS
from provision.cli.help import Entry, Help, HelpCommand, as_text, help_of

Call = Callable[..., Any]
LONG_WORK = {"build", "up", "verify", "base", "fleet build"}


KNOWN = {words: context for words, context in parsed_commands().items() if words}


@pytest.mark.parametrize("words", KNOWN)
def test_every_command_has_examples_that_can_be_typed(words: str) -> None:
    examples = help_of(KNOWN[words]).examples.splitlines()
    assert examples
    for line in examples:
        typed = shlex.split(re.split(r" (?:>|&&) ", line)[0].removeprefix("sudo "))
        assert typed[: 1 + len(words.split())] == ["kgpu-env", *words.split()]
        command = KNOWN[words].command
        command.make_context(words, typed[1 + len(words.split()) :])  # raises where the parser does not take it


@pytest.mark.parametrize("words", KNOWN)
def test_verbose_and_quiet_mean_the_same_everywhere(words: str) -> None:
    options = {name: one for one in KNOWN[words].command.params for name in getattr(one, "opts", ())}
    assert options["-v"].opts == ["-v", "--verbose"]
    assert options["-q"].opts == ["-q", "--quiet"]
    assert ("--progress" in options) == (words in LONG_WORK)


@pytest.mark.parametrize("words", KNOWN)
@pytest.mark.parametrize("width", [60, 118])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_broken(words: str, width: int) -> None:
    found = help_of(KNOWN[words])
    text = as_text(found, width)
    assert [line for line in text.partition("\nExamples:")[0].splitlines() if len(line) > width] == []
    entries = [one for some in found.sections.values() for one in some]
    assert [one.names for one in entries if f"\n  {one.names}" not in text] == []
    assert "kgpu-\n" not in text


def test_a_large_help_has_sections_and_a_small_one_has_none() -> None:
    build = list(help_of(KNOWN["build"]).sections)
    assert build == ["Options", "Build", "Environment", "Packages", "Project file", "Output"]
    assert list(help_of(KNOWN["size"]).sections) == ["Arguments", "Options"]
    assert list(help_of(KNOWN["run"]).sections)[:2] == ["Arguments", "Container"]


def test_the_commands_are_listed_in_sections(kgpu_env: Call) -> None:
    out = kgpu_env("--help").out
    places = [out.index(f"\n{title}:\n") for title in SECTIONS]
    assert places == sorted(places)
    assert "\nOptions:\n  -q, --quiet" in out


def test_an_argument_is_called_the_same_by_every_release_of_the_parser() -> None:
    """Typer 0.26 puts what may be left out in brackets here; the usage line has them anyhow."""
    app = typer.Typer()

    @app.command(cls=HelpCommand)
    def show(image: Annotated[str, typer.Argument(metavar="[IMAGE]", help="Some image.")] = "") -> None:
        """Show."""

    found = help_of(typer.Context(cast("Any", typer.main.get_command(app)), info_name="show"))
    assert found.sections["Arguments"] == [Entry("IMAGE", "Some image.")]
    assert found.usage == "show [OPTIONS] [IMAGE]"


def test_words_stand_beside_short_names_and_below_long_ones() -> None:
    entries = [Entry("-x", "One two three."), Entry("--exceedingly-long-name WORD", "Four five.")]
    found = Help("kgpu-env x [OPTIONS]", ("About it.",), {"Options": entries}, "A note.", "kgpu-env x -x")
    assert as_text(found, 40) == (
        "Usage: kgpu-env x [OPTIONS]\n\n  About it.\n\nOptions:\n"
        "  -x                          One two\n                              three.\n"
        "  --exceedingly-long-name WORD\n                              Four five.\n\n"
        "  A note.\n\nExamples:\n  kgpu-env x -x\n"
    )
