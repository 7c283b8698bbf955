"""Merges flags over variables over the project file over the defaults."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from provision.config.project import Project
from provision.errors import InputError, nearest
from provision.model import SETTINGS, VENDORS, Cluster, Compose, DevContainer, Network, Request, Shape, User, is_version
from provision.model.size import parse_size
from provision.variables import OWN, PREFIX, PROFILE

T = TypeVar("T")
Words = TypeVar("Words", Shape, Cluster, Compose, DevContainer)
# A nested key is written with its group's: KGPU_ENV_USER_UID. Messages name these behind the others.
_NAMES = sorted(SETTINGS, key=lambda name: bool(SETTINGS[name].group))


def check_variables(names: Iterable[str]) -> None:
    """Refuse a misspelt variable, which would otherwise change nothing and say nothing.

    Raises:
        InputError: KGE-612, a name begins as ours do and is none of them.
    """
    known = [*(name.upper() for name in _NAMES), *(name.removeprefix(PREFIX) for name in OWN)]
    for name in names:
        word = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and word not in known:
            fix = nearest(word, known, PREFIX) or f"they are {PREFIX} and one of {', '.join(known)}"
            raise InputError("KGE-612", f"There is no variable {name}.", fix=fix)


class Settings(NamedTuple):
    """The settled options, and the origin of each that is not a default: "flag --tag", "KGPU_ENV_TAG", a file."""

    request: Request
    network: Network
    tag: str | None
    catalogue: str | None
    shape: Shape
    cluster: Cluster
    compose: Compose
    devcontainer: DevContainer
    origins: dict[str, str]
    values: dict[str, Any]


def settle(flags: Mapping[str, object], environment: Mapping[str, str], project: Project | None) -> Settings:
    """Return the options that hold.

    Args:
        flags: the command line's, by the name of the setting, and `profile`; None for a flag that was not given.
        environment: of which `KGPU_ENV_<KEY>` is read; lists and mappings are written there as YAML.
        project: the project file, if there is one.

    Raises:
        InputError: KGE-604, a variable's value or a profile that does not exist.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, origin in _layers(flags, environment, project):
        for key, value in layer.items():
            values[key] = value
            origins[key] = origin.format(name=key.upper(), flag=SETTINGS[key].option.flag)
    return _build(values, origins)


def _layers(
    flags: Mapping[str, object], environment: Mapping[str, str], project: Project | None
) -> list[tuple[dict[str, Any], str]]:
    variables = _variables(environment)
    layers: list[tuple[dict[str, Any], str]] = []
    if project:
        layers.append((project.settings, f"{project.path}"))
        name = flags.get("profile") or environment.get(PROFILE) or project.profile
        if name:
            layers.append((_profile(project, str(name)), f"{project.path}, profile {name}"))
    given = {key: value for key, value in flags.items() if value not in (None, (), [], {}) and key != "profile"}
    return [*layers, (variables, PREFIX + "{name}"), (given, "flag {flag}")]


def _profile(project: Project, name: str) -> dict[str, Any]:
    if name not in project.profiles:
        known = ", ".join(project.profiles) or "none"
        raise InputError("KGE-604", f"{project.path} has no profile {name!r}", fix=f"its profiles: {known}")
    return project.profiles[name]


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _NAMES:
        text = environment.get(PREFIX + name.upper())
        if text:
            found[name] = text if SETTINGS[name].type is str else _parse(name, text)  # words are no YAML
    return found


def _parse(key: str, text: str) -> object:
    from provision.catalogue.yaml_file import YAML_ERRORS, parse_yaml  # noqa: PLC0415 - 11 ms, for lists and mappings

    try:
        return parse_yaml(text)
    except YAML_ERRORS as error:
        why = " ".join(str(error).split())
        raise InputError("KGE-604", f"{PREFIX}{key.upper()} is not valid YAML", cause=why) from None


def _build(values: dict[str, Any], origins: dict[str, str]) -> Settings:
    for key, value in values.items():
        _check(key, value, origins[key])
    request = {key: value for key, value in values.items() if key in Request.__struct_fields__}
    request |= {"vendor": VENDORS[values.get("vendor", "auto")]}
    request |= {"user": _convert(values, User, "user_", origins)}
    return Settings(
        _convert(request, Request, "", origins),
        _convert(values, Network, "network_", origins),
        values.get("tag"),
        values.get("catalogue"),
        _checked(values, Shape, "run", origins),
        _checked(values, Cluster, "kubernetes", origins),
        _checked(values, Compose, "compose", origins),
        _checked(values, DevContainer, "devcontainer", origins),
        origins,
        values,
    )


def _checked(values: dict[str, Any], kind: type[Words], group: str, origins: dict[str, str]) -> Words:
    """Return a group whose values are words with a form of their own, each as it can be read."""
    found = _convert(values, kind, f"{group}_", origins)
    for name in found.given:
        try:
            kind(**{name: getattr(found, name)}).check()
        except ValueError as error:
            what = f"{origins[f'{group}_{name}']}: {group}.{name} has a value that it cannot have."
            fix = "write it as `kgpu-env export --help` says"
            raise InputError("KGE-604", what, cause=str(error), fix=fix) from None
    return found


def _check(key: str, value: object, origin: str) -> None:
    """Raise InputError KGE-604 for a choice, a version or a size that is none."""
    text = str(value)
    option = SETTINGS[key].option
    choices = option.choices
    if choices and text not in choices:
        fix = nearest(text, choices) or f"choose from {', '.join(choices)}"
        raise InputError("KGE-604", f"{origin}: {key} cannot be {text!r}.", fix=fix)
    if option.kind == "version" and not is_version(text):
        raise InputError(
            "KGE-604", f"{origin}: {key} cannot be {text!r}.", fix="give a version, such as 2.21 or 12.5.1"
        )
    if option.kind == "size":
        parse_size(text, f"{origin}: ")


def _convert(values: Mapping[str, Any], kind: type[T], prefix: str, origins: Mapping[str, str]) -> T:
    """Return the `kind` whose fields are the keys that begin with `prefix`."""
    fields = {name: values[prefix + name] for name in _fields(kind) if prefix + name in values}
    try:
        return msgspec.convert(fields, kind)
    except UnicodeEncodeError as error:
        keys = ", ".join(sorted({origins.get(prefix + name, "") for name in fields}))
        raise InputError("KGE-604", f"{keys}: a value has half of a character.", cause=str(error)) from error
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        name = re.split(r"[.\[`]", where)[0]
        origin = origins.get(prefix + name, "")
        what = f"{origin}: {(prefix + name).replace('_', '.', bool(prefix))} has a value that it cannot have."
        raise InputError("KGE-604", what, cause=problem, fix=_advice(problem)) from error


def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(kind.__struct_fields__)


def _advice(problem: str) -> str:
    if "Expected `array`" in problem:
        return "write a list as [one, two]"
    if "Expected `object`" in problem:
        return "write it as {key: value}"
    if "got `float`" in problem or "Expected `str`, got `int`" in problem:
        return 'quote the value: YAML reads 12.10 as the number 12.1 (write "12.10")'
    return ""
