"""Groups of options: Typer has no parameters that commands share, so a group's fields are spread into each command."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from typing import Any, NamedTuple

from provision.model import Value


class Options(Value):
    """A group of options: each field is an annotated option with its default."""


class Spread(NamedTuple):
    """A command's parameters as Typer sees them, and the groups that the command itself takes."""

    signature: Signature
    groups: dict[str, type[Options]]

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the command's arguments for those that Typer gives."""
        inside = {name for group in self.groups.values() for name in group.__struct_fields__}
        own = {name: value for name, value in given.items() if name not in inside}
        return own | {
            name: group(**{field: given[field] for field in group.__struct_fields__})
            for name, group in self.groups.items()
        }


def spread(function: Callable[..., None]) -> Spread:
    """Return the parameters of a command, each group replaced by its fields at its place.

    An option that two groups share stands once, and both get it.
    """
    parameters: dict[str, Parameter] = {}
    groups: dict[str, type[Options]] = {}
    for name, one in signature(function).parameters.items():
        if isinstance(one.annotation, type) and issubclass(one.annotation, Options):
            groups[name] = one.annotation
            parameters |= {field: parameters.get(field, own) for field, own in _fields(one.annotation).items()}
        else:
            # By keyword only: then no order of defaults is wrong.
            parameters[name] = one.replace(kind=Parameter.KEYWORD_ONLY)
    return Spread(Signature(list(parameters.values())), groups)


def _fields(group: type[Options]) -> dict[str, Parameter]:
    defaults = zip(group.__struct_fields__, group.__struct_defaults__, strict=True)  # every option has one
    return {
        name: Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=group.__annotations__[name])
        for name, default in defaults
    }
