"""Groups of options: what Typer sees, and what the command gets."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from provision.cli import commands
from provision.cli.app import app
from provision.cli.commands import COMMANDS
from provision.cli.commands.build import build
from provision.cli.commands.export import ExportOptions
from provision.cli.commands.up import up
from provision.cli.commands.verify import verify
from provision.cli.commands.work import WorkOptions
from provision.cli.options import BuildOptions, NetworkOptions, ProofOptions, ReportOptions, StackOptions
from provision.cli.parsers import GROUPS
from provision.cli.spread import Options, spread
from provision.model import KEYS, SETTINGS, Option, Request, Value
from provision.model.option import settings_of

Call = Callable[..., Any]
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
    for command in ("up", "resolve", "render", "build", "lock", "export"):
        out = kgpu_env(command, "--help").out
        assert [word for word in words if f"  {word}" not in out] == [], command


@pytest.mark.parametrize("command", ["run", "shell", "jupyter"])
def test_what_an_image_is_made_of_is_taken_and_folded_away(kgpu_env: object, command: str) -> None:
    assert callable(kgpu_env)
    out = kgpu_env(command, "--help").out
    assert [word for word in ("--tensorflow", "--apt", "--ca-bundle") if f"  {word}" in out] == []
    assert [word for word in ("--gpus", "--mount", "--publish", "--show-config", "Examples:") if word not in out] == []
    assert "kgpu-env build --help" in out
    (found,) = (one for one in COMMANDS if one.name == command)
    assert {"tensorflow", "apt", "packages"} <= set(spread(getattr(found.module(), command)).signature.parameters)


def test_up_proves_as_verify_does(kgpu_env: object) -> None:
    assert callable(kgpu_env)
    words = ("--gpus", "--level", "--minutes", "--timeout", "--key", "--report", "--html", "--junit", "--ctrf")
    for command in ("up", "verify"):
        out = kgpu_env(command, "--help").out
        assert [word for word in words if f"  {word}" not in out] == [], command


def test_every_option_of_build_and_what_verify_proves_is_in_up() -> None:
    there = set(spread(up).signature.parameters)
    assert set(spread(build).signature.parameters) <= there
    # An image that is there already, and an environment without one, are no matter of `up`.
    assert set(spread(verify).signature.parameters) - there == {"image", "here"}


def test_every_flag_of_a_setting_is_in_every_group_of_a_stack() -> None:
    flags = {name: one.group for name, one in SETTINGS.items() if one.option.flag}
    own = {name for name, group in flags.items() if group in GROUPS}
    assert set(flags) - own <= set(StackOptions.parameters())
    assert not own & set(StackOptions.parameters())  # most commands start no container that could have a shape
    assert {name for name in own if flags[name] == "run"} <= set(WorkOptions.parameters())
    assert own <= set(ExportOptions.parameters())
    assert {name for name in flags if SETTINGS[name].group == "network"} <= set(NetworkOptions.parameters())


def test_every_field_of_a_request_can_be_set_and_is_explained() -> None:
    assert set(Request.__struct_fields__) <= set(KEYS)
    assert [key for key, option in KEYS.items() if not option.meaning] == []
    assert [name for name, one in SETTINGS.items() if one.option.flag and not one.option.help] == []


@pytest.mark.parametrize("option", [Option(flag="--size", help="How large."), Option("How large.", flag="--size")])
def test_an_option_without_its_words_is_named(option: Option) -> None:
    class Wish(Value):
        size: Annotated[int, option] = 3

    with pytest.raises(TypeError, match="the option 'size' is incomplete"):
        list(settings_of(Wish))


def test_the_group_gets_the_flags_that_were_given() -> None:
    given = dict.fromkeys(StackOptions.parameters()) | {"vendor": "cpu", "packages": ["a"], "show_config": True}
    group = StackOptions.taken(given)
    assert (group.vendor, group.settings, group.host) == ("cpu", {"packages": ["a"]}, None)  # type: ignore[attr-defined] # it is one


def test_every_module_of_a_command_is_in_the_table() -> None:
    folder = Path(commands.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert modules - {"__init__", "work"} == {one.name for one in COMMANDS}


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_every_command_is_a_function_or_a_group(one: commands.Command) -> None:
    module = one.module()
    group = getattr(module, "group", None)
    assert isinstance(group, typer.Typer) or getattr(module, one.name).__doc__


def test_a_second_call_in_one_process_builds_no_larger_parser(kgpu_env: Callable[..., Any]) -> None:
    for _ in range(2):
        assert kgpu_env("--help").code == 0
        assert len(app.registered_commands) + len(app.registered_groups) == len(COMMANDS)


OWN_BASE = """
bases:
- {id: own, image: "registry.corp/py:1", family: image, python: "3.12", glibc: "2.36", source: x, checked: "2026-01-31"}
"""


def test_a_base_that_no_row_has_is_told_by_the_names_near_it(kgpu_env: Call) -> None:
    code, _, err = kgpu_env("resolve", "--vendor", "cpu", "--base", "python:3.12-slim")
    assert code == 4
    assert "did you mean --base python:3.12-slim-bookworm" in err
    assert "catalogue: DIR in kgpu-env.yaml" in err


def test_a_companys_base_is_a_row_of_the_projects_catalogue(kgpu_env: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("facts").mkdir()
    Path("facts/bases.yaml").write_text(OWN_BASE)
    Path("kgpu-env.yaml").write_text("catalogue: facts\n")
    Path("below").mkdir()
    monkeypatch.chdir("below")  # the folder is the project file's neighbour
    words = ("--vendor", "cpu", "--base", "registry.corp/py:1")
    assert "registry.corp/py:1" in kgpu_env("resolve", *words).out
    assert "registry.corp/py:1" in kgpu_env("render", *words).out
    assert "own" in kgpu_env("catalogue", "show", "own").out
    assert json.loads(kgpu_env("resolve", "--show-config", "--json").out)["options"]["catalogue"]["origin"].endswith(
        "kgpu-env.yaml"
    )


def test_version_behind_the_command_is_the_commands_own(kgpu_env: Call) -> None:
    assert [one.name for one in commands.requested(["run", "--", "python3", "--version"])] == ["run"]
    assert kgpu_env("run", "--user", "x", "--", "python3", "--version").err.startswith("KGE-902: Invalid value")
    assert kgpu_env("run", "python3", "--version").err.startswith("KGE-902: No such option: --version")
    assert kgpu_env("--version", "run").out.startswith("kgpu-env ")
