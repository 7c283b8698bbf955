"""Groups of options: Typer has no parameters that commands share, so a group's fields are spread into each command."""

import copy
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, ClassVar, get_args, get_origin

import msgspec

from provision.cli.parsers import GROUPS, flag, flag_type
from provision.model import SETTINGS, Value


class Flags(msgspec.Struct, frozen=True):
    """The annotation of a group's field that stands for flags of settings, those of one key or all.

    A setting that the group has as a field of its own is not among them.
    """

    group: str = ""

    def names(self, others: tuple[str, ...]) -> list[str]:
        """Return the settings that the field stands for; `others` are the group's fields."""
        return [
            name for name, one in SETTINGS.items() if one.option.flag and name not in others and self._has(one.group)
        ]

    def _has(self, group: str) -> bool:
        """Tell whether a setting of `group` is meant: most commands start no container that could have a shape."""
        return group == self.group or (not self.group and group not in GROUPS)


class Folded(msgspec.Struct, frozen=True):
    """The annotation of a group whose options are taken and not in the help, but for those that are named."""

    shown: tuple[str, ...]
    note: str  # what the help says of the others


class Options(Value):
    """A group of options: each field is an annotated option with its default, or stands for `Flags`."""

    section: ClassVar[str] = ""  # of the help, for those that name none

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the options as parameters of a command."""
        found: dict[str, Parameter] = {}
        defaults = zip(cls.__struct_fields__, cls.__struct_defaults__, strict=True)  # every option has one
        for field, default in defaults:
            annotation = cls.__annotations__[field]
            flags = _flags(annotation)
            names = flags.names(cls.__struct_fields__) if flags else ()
            found |= {name: _parameter(name, None, Annotated[flag_type(name), flag(name)]) for name in names}
            if not flags:
                placed = _changed(annotation, rich_help_panel=cls.section) if cls.section else annotation
                found[field] = _parameter(field, default, placed)
        return found

    @classmethod
    def taken(cls, given: Mapping[str, Any]) -> "Options":
        """Return the group with its part of the arguments that Typer gives."""
        found: dict[str, Any] = {}
        for field in cls.__struct_fields__:
            flags = _flags(cls.__annotations__[field])
            names = flags.names(cls.__struct_fields__) if flags else ()
            found[field] = {name: given[name] for name in names if given[name] is not None} if flags else given[field]
        return cls(**found)


class Spread(msgspec.Struct, frozen=True):
    """A command's parameters as Typer sees them, and the groups that the command itself takes."""

    signature: Signature
    groups: dict[str, type[Options]]
    own: frozenset[str]  # the parameters that are in no group
    note: str  # what the help says of options that it has not

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the command's arguments for those that Typer gives."""
        own = {name: value for name, value in given.items() if name in self.own}
        return own | {name: group.taken(given) for name, group in self.groups.items()}


def spread(function: Callable[..., None], *every: type[Options]) -> Spread:
    """Return the parameters of a command, each group replaced by its options at its place.

    An option that two groups share stands once, and both get it.

    Args:
        function: the command.
        every: groups that every command has, and no function gets.
    """
    parameters: dict[str, Parameter] = {}
    groups: dict[str, type[Options]] = {}
    own: set[str] = set()
    note = ""
    for name, one in signature(function).parameters.items():
        kind, folded = _group(one.annotation)
        if kind:
            groups[name] = kind
            note = folded.note if folded else note
            parameters |= _shown(kind.parameters(), folded) | parameters
        else:
            own.add(name)
            # By keyword only: then no order of defaults is wrong.
            parameters[name] = one.replace(kind=Parameter.KEYWORD_ONLY)
    for kind in every:
        parameters |= kind.parameters()
    return Spread(Signature(list(parameters.values())), groups, frozenset(own), note)


def _group(annotation: Any) -> tuple[type[Options] | None, Folded | None]:  # noqa: ANN401 - a type of any kind
    """Return the group that a parameter is, and which of its options the help has."""
    own, *others = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    kind = own if isinstance(own, type) and issubclass(own, Options) else None
    return kind, next((one for one in others if isinstance(one, Folded)), None)


def _shown(parameters: dict[str, Parameter], folded: Folded | None) -> dict[str, Parameter]:
    if folded is None:
        return parameters
    return {
        name: one.replace(annotation=_changed(one.annotation, hidden=name not in folded.shown))
        for name, one in parameters.items()
    }


def _changed(annotation: Any, **settings: object) -> Any:  # noqa: ANN401 - a type of any kind
    """Return an option's annotation with what is said of it, where it does not say that itself."""
    kind, option = get_args(annotation)
    changed = copy.copy(option)
    for name, value in settings.items():
        setattr(changed, name, getattr(changed, name) or value)
    return Annotated[kind, changed]


def _flags(annotation: Any) -> Flags | None:  # noqa: ANN401 - a type of any kind
    if get_origin(annotation) is not Annotated:
        return None
    return next((one for one in get_args(annotation) if isinstance(one, Flags)), None)


def _parameter(name: str, default: object, annotation: Any) -> Parameter:  # noqa: ANN401 - a type of any kind
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
