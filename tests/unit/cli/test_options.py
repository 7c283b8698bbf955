"""Groups of options: what Typer sees, and what the command gets."""

import inspect
from typing import Annotated

import pytest
import typer

from provision.cli.options import BuildOptions, NetworkOptions, ProofOptions, ReportOptions, StackOptions
from provision.cli.spread import Options, spread

Size = Annotated[int, typer.Option(help="How large.")]
Name = Annotated[str | None, typer.Option(help="What it is called.")]


class Box(Options):
    size: Size = 3
    name: Name = None


class Lid(Options):
    name: Name = None
    tight: Annotated[bool, typer.Option("--tight")] = False


def pack(what: str, *, box: Box, lid: Lid, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
    """Take two groups, and options of its own before and after them."""


def test_fields_stand_where_the_group_stood() -> None:
    shown = spread(pack).signature.parameters
    assert list(shown) == ["what", "size", "name", "tight", "loud"]
    assert shown["size"] == inspect.Parameter("size", inspect.Parameter.KEYWORD_ONLY, default=3, annotation=Size)
    assert shown["what"].default is inspect.Parameter.empty


def test_each_group_gets_its_fields_and_a_shared_one_goes_to_both() -> None:
    given = {"what": "tea", "size": 5, "name": "green", "tight": True, "loud": False}
    expected = {"what": "tea", "loud": False, "box": Box(size=5, name="green"), "lid": Lid(name="green", tight=True)}
    assert spread(pack).arguments(given) == expected


def test_a_group_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Box().size = 4  # type: ignore[misc] # what is tested


@pytest.mark.parametrize("group", [StackOptions, NetworkOptions, BuildOptions, ProofOptions, ReportOptions])
def test_every_option_explains_itself(group: type[Options]) -> None:
    for name, one in group.parameters().items():
        (option,) = one.annotation.__metadata__
        assert option.help, name
    group()  # each has its default


def test_one_line_of_options_serves_every_command_of_the_plan(kgpu_env: object) -> None:
    assert callable(kgpu_env)
    words = ("--vendor", "--backend", "--package", "--tag", "--ca-bundle", "--catalogue", "--show-config")
    for command in ("up", "resolve", "render", "build", "lock", "export", "run", "shell", "jupyter"):
        out = kgpu_env(command, "--help").out
        assert [word for word in words if f"  {word}" not in out] == [], command


def test_up_proves_as_verify_does(kgpu_env: object) -> None:
    assert callable(kgpu_env)
    words = ("--gpus", "--level", "--minutes", "--timeout", "--key", "--report", "--html", "--junit", "--ctrf")
    for command in ("up", "verify"):
        out = kgpu_env(command, "--help").out
        assert [word for word in words if f"  {word}" not in out] == [], command
