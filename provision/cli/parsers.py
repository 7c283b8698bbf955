"""What makes a value of an option's text, or says why it is none; and a flag from the declaration of a setting."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import typer

from provision.cli import completion
from provision.errors import nearest
from provision.model import SETTINGS, Cluster, Compose, DevContainer, Option, Setting, Shape, is_version

_NODE_NAME: Final = 253  # characters, as DNS has it
# Settings of commands of their own, each written in a form that its group can read.
GROUPS: Final[dict[str, type[Shape] | type[Cluster] | type[Compose] | type[DevContainer]]] = {
    "run": Shape,
    "kubernetes": Cluster,
    "compose": Compose,
    "devcontainer": DevContainer,
}
_SECTIONS: Final = {"": "Environment", "network": "Build", "run": "Container"}  # of the help; others as the key
_COMPLETIONS: Final = {"base": completion.bases, "cache_from": completion.images, "tag": completion.images}
Name = TypeVar("Name", bound=str)


def flag(name: str) -> Any:  # noqa: ANN401 - Typer's own type is not public
    """Return the flag of a setting of `provision.model.SETTINGS`, for `Annotated`."""
    option = SETTINGS[name].option
    return typer.Option(
        *([option.short] if option.short else []),
        f"{option.flag}/--no-{option.flag.removeprefix('--')}" if SETTINGS[name].type is bool else option.flag,
        parser=_parser(name, option),
        metavar=option.metavar or None,
        help=option.help,
        autocompletion=_COMPLETIONS.get(name) or (_completion(option) if option.choices else None),
        rich_help_panel=option.section or _SECTIONS.get(SETTINGS[name].group, SETTINGS[name].group.capitalize()),
    )


def flag_type(name: str) -> Any:  # noqa: ANN401 - a type of any kind
    """Return the type of the flag of a setting, as Typer knows it."""
    setting = SETTINGS[name]
    if setting.option.kind == "path" and setting.type is str:
        return Path | None
    return list[str] | None if setting.type == tuple[str, ...] else setting.type | None


def is_node(text: str) -> bool:
    """Tell whether a text is the name of a Kubernetes node: a DNS subdomain (RFC 1123)."""
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    return len(text) <= _NODE_NAME and bool(re.fullmatch(rf"{label}(\.{label})*", text, flags=re.ASCII))


def one_of(noun: str, known: tuple[Name, ...], suggested: str = "") -> Callable[[str], Name]:
    """Return a parser that takes one of the `known` words.

    Args:
        noun: what they are, for the message.
        known: the words.
        suggested: those to name in the message; by default all.
    """

    def parse(text: str) -> Name:
        found = next((one for one in known if one == text), None)
        if found is not None:
            return found
        if len(known) == 1:
            raise typer.BadParameter(f"{text!r} is no {noun}: the only one is {known[0]}.")
        hint = nearest(text, known) or f"choose from {suggested or ', '.join(known)}."
        raise typer.BadParameter(f"{text!r} is no {noun}: {hint}")

    return parse


def version(text: str) -> str:
    """Return a version number as it is written."""
    if is_version(text):
        return text
    raise typer.BadParameter(f"{text!r} is no version number, such as 2.21 or 12.5.1.")


def seconds(text: str | float) -> float:
    """Return a time of at least a second and at most a week."""
    return _between(text, 1, 604_800, "time in seconds")


def minutes(text: str | float) -> float:
    """Return a time of at most a week in minutes."""
    return _between(text, 0.01, 10_080, "time in minutes")


def percent(text: str | float) -> float:
    """Return a share in per cent."""
    return _between(text, 0, 100, "share in per cent")


def price(text: str | float) -> float:
    """Return a price in nodes."""
    return _between(text, 0, 100_000, "price in nodes")


def batch(text: str) -> str:
    """Return the size of a batch, a number of nodes or a share of them, as Ansible's `serial` has it."""
    if re.fullmatch(r"[0-9]{1,9}|([1-9][0-9]?|100)%", text):
        return text
    raise typer.BadParameter(f"{text!r} is no number of nodes, such as 20, and no share of them, from 1% to 100%.")


def _between(text: str | float, least: float, most: float, kind: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if least <= value <= most:  # which no NaN is
        return value
    raise typer.BadParameter(f"{text!r} is no {kind} from {least:g} to {most:g}.")


def _parser(name: str, option: Option) -> Callable[[str], str] | None:
    if option.choices:
        return one_of(name, option.choices, ", ".join(_words(option)))
    return version if option.kind == "version" else _word(SETTINGS[name])


def _word(setting: Setting) -> Callable[[str], str] | None:
    """Return a parser that takes what the setting's group can read."""
    kind = GROUPS.get(setting.group)
    if kind is None or setting.option.kind == "path" or setting.type is bool:
        return None

    def parse(text: str) -> str:
        try:
            msgspec.convert({setting.key: text if setting.type is str else (text,)}, kind).check()
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return text

    return parse


def _completion(option: Option) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in _words(option) if word.startswith(incomplete)]

    return complete


def _words(option: Option) -> list[str]:
    """Return the words to suggest: an alias is taken, and not named."""
    return option.metavar.split("|")
