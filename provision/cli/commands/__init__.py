"""The commands, one module each (a group's commands share one). Only the module that is asked for is imported."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

import msgspec
from msgspec.structs import replace


class Command(msgspec.Struct, frozen=True):
    """A command: the function of this name in the module of this name; a group is `group` there."""

    name: str
    variables: bool = True  # whether a misspelt variable stops it
    section: str | None = None  # of the help of its group

    def module(self) -> ModuleType:
        """Import the module."""
        return import_module(f"{__name__}.{self.name}")


# By sections, in the order in which the help lists them.
SECTIONS: Final[dict[str, tuple[Command, ...]]] = {
    "From a host to a proof": (
        Command("up"),
        Command("probe"),
        Command("resolve"),
        Command("render"),
        Command("build"),
        Command("verify"),
    ),
    "Work in it": (
        Command("init"),
        Command("run"),
        Command("shell"),
        Command("jupyter"),
        Command("export"),
    ),
    "What is wrong, and what is proved": (
        Command("doctor", variables=False),  # it tells of them
        Command("check"),
        Command("gate"),
        Command("key"),
        Command("report"),
    ),
    "The same again": (
        Command("lock"),
        Command("outdated"),
        Command("bundle"),
    ),
    "Images": (
        Command("size"),
        Command("inspect"),
        Command("base"),
        Command("prune"),
    ),
    "Hosts and facts": (
        Command("prepare"),
        Command("fleet"),
        Command("catalogue"),
    ),
}
COMMANDS: Final = tuple(replace(one, section=title) for title, some in SECTIONS.items() for one in some)


def requested(arguments: Sequence[str]) -> Sequence[Command]:
    """Return the command that `arguments` name, or all of them for help and completion."""
    named = next((word for word in arguments if not word.startswith("-")), None)
    if "--version" in arguments[: arguments.index(named) if named else None]:  # behind it, it is a command's own word
        return ()
    return [one for one in COMMANDS if one.name == named] or COMMANDS
