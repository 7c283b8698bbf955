"""How people set a field: one declaration gives a flag, a key of the project file and a variable."""

from collections.abc import Iterator
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec


class Option(msgspec.Struct, frozen=True):
    """The annotation of a field that people can set; a field of `user` or `network` is a key without one, too."""

    meaning: str = ""  # of the project file's key
    flag: str = ""  # "--package"; empty: there is only the key, and its variable
    short: str = ""  # "-r"
    help: str = ""  # of the flag
    metavar: str = ""
    kind: Literal["text", "version", "size", "path", "address", "mount"] = "text"  # an address may hold a password
    choices: tuple[str, ...] = ()  # the words that are taken; those of `metavar` are the ones to suggest
    example: object = None  # what `kgpu-env init` shows of it
    section: str = ""  # of the help; empty: that of the group, or what the environment is


class Setting(msgspec.Struct, frozen=True):
    """One value that people can set."""

    name: str  # "packages", "network_ca_bundle"; in capitals and behind KGPU_ENV_ the variable
    type: Any  # of the value as it is written: a choice is a str
    option: Option
    group: str = ""  # "network": the key that holds it in the project file; empty: it is a key itself

    @property
    def key(self) -> str:
        """Its key in the project file, or in the group: "ca_bundle"."""
        return self.name.removeprefix(f"{self.group}_") if self.group else self.name


def settings_of(kind: type[msgspec.Struct]) -> Iterator[Setting]:
    """Yield what people can set of a value, in the order of its fields; fields without an `Option` are not theirs.

    Raises:
        TypeError: an option lacks the words that explain its key or its flag.
    """
    for name, annotation in _annotations(kind).items():
        own, option = _unpacked(annotation)
        if option is None:
            continue
        if not option.meaning or bool(option.flag) != bool(option.help):
            raise TypeError(f"the option {name!r} is incomplete: it needs a meaning, and help where it has a flag")
        if not _is_group(own):
            yield Setting(name, _as_written(own), option)
            continue
        for inner, one in own.__annotations__.items():
            inner_type, inner_option = _unpacked(one)
            yield Setting(f"{name}_{inner}", _as_written(inner_type), inner_option or Option(), group=name)


def keys_of(kind: type[msgspec.Struct]) -> dict[str, Option]:
    """Return the keys of the project file that are a value's fields, `user` and `network` as one each."""
    found = {name: _unpacked(annotation)[1] for name, annotation in _annotations(kind).items()}
    return {name: option for name, option in found.items() if option}


def _annotations(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the annotations of a value's fields, those of its base classes first."""
    return {name: one for base in reversed(kind.__mro__) for name, one in _own(base).items()}


def _own(kind: type) -> dict[str, Any]:
    return vars(kind).get("__annotations__", {}) if issubclass(kind, msgspec.Struct) else {}


def _unpacked(annotation: Any) -> tuple[Any, Option | None]:  # noqa: ANN401 - a type of any kind
    """Return the type in an annotation, and its `Option`."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    own, *others = get_args(annotation)
    return own, next((one for one in others if isinstance(one, Option)), None)


def _is_group(kind: Any) -> bool:  # noqa: ANN401 - a type of any kind
    """Tell whether a field's type is a value with fields of its own."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _as_written(kind: Any) -> Any:  # noqa: ANN401 - a type of any kind
    """Return the type of a value as people write it: a choice is a word, and what may be absent is there."""
    if get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return str
    parts = [part for part in get_args(kind) if part is not NoneType]
    return _as_written(parts[0]) if len(parts) < len(get_args(kind)) else kind
