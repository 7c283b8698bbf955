"""The commands, one module each (a group's commands share one). Only the module that is asked for is imported."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A command: the function of this name in the module of this name; a group is `group` there."""

    name: str
    variables: bool = True  # whether a misspelt variable stops it

    def module(self) -> ModuleType:
        """Import the module."""
        return import_module(f"{__name__}.{self.name}")


# In the order in which the help lists them.
COMMANDS: Final = (
    Command("up"),
    Command("probe"),
    Command("resolve"),
    Command("check"),
    Command("lock"),
    Command("outdated"),
    Command("render"),
    Command("build"),
    Command("bundle"),
    Command("verify"),
    Command("size"),
    Command("inspect"),
    Command("gate"),
    Command("key"),
    Command("init"),
    Command("run"),
    Command("shell"),
    Command("jupyter"),
    Command("export"),
    Command("doctor", variables=False),  # it tells of them
    Command("prepare"),
    Command("report"),
    Command("base"),
    Command("prune"),
    Command("catalogue"),
    Command("fleet"),
)


def requested(arguments: Sequence[str]) -> Sequence[Command]:
    """Return the command that `arguments` name, or all of them for help and completion."""
    named = next((word for word in arguments if not word.startswith("-")), None)
    if "--version" in arguments[: arguments.index(named) if named else None]:  # behind it, it is a command's own word
        return ()
    return [one for one in COMMANDS if one.name == named] or COMMANDS
