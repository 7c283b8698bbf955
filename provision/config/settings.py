"""Merges flags over variables over the project file over the defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from provision.config.project import KEYS, Project
from provision.errors import InputError
from provision.model import Network, Request, User, Vendor

_PREFIX = "KGPU_ENV_"
_TEXT = ("vendor", "fallback", "tensorflow", "python", "base", "cuda", "rocm", "backend", "tag")
_NESTED: Mapping[str, type[User | Network]] = {"user": User, "network": Network}
_ALIASES = {"nvidia": "cuda", "amd": "rocm"}


class Settings(NamedTuple):
    """The settled options, and the origin of each that is not a default: "flag --tag", "KGPU_ENV_TAG", a file."""

    request: Request
    network: Network
    tag: str | None
    origins: dict[str, str]
    values: dict[str, Any]


def settle(
    flags: Mapping[str, object], environment: Mapping[str, str], project: Project | None, path: Path | None
) -> Settings:
    """Return the options that hold.

    Args:
        flags: the command line's, by key; None for a flag that was not given.
        environment: of which `KGPU_ENV_<KEY>` is read; lists and mappings are written there as YAML.
        project: the project file, if there is one.
        path: where it lies, for messages.

    Raises:
        InputError: KGE-604, a variable's value or a profile that does not exist.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, origin in _layers(flags, environment, project, path):
        for key, value in layer.items():
            values[key] = value
            origins[key] = origin.format(key=key, name=key.upper(), flag=key.replace("_", "-"))
    return _build(values, origins)


def _layers(
    flags: Mapping[str, object], environment: Mapping[str, str], project: Project | None, path: Path | None
) -> list[tuple[dict[str, Any], str]]:
    variables = _variables(environment)
    layers: list[tuple[dict[str, Any], str]] = []
    if project:
        layers.append((_flat(project), f"{path}"))
        name = flags.get("profile") or environment.get(f"{_PREFIX}PROFILE") or project.profile
        if name:
            layers.append((_flat(_profile(project, str(name), path)), f"{path}, profile {name}"))
    given = {key: value for key, value in flags.items() if value not in (None, (), [], {}) and key != "profile"}
    return [*layers, (variables, _PREFIX + "{name}"), (given, "flag --{flag}")]


def _profile(project: Project, name: str, path: Path | None) -> Any:  # noqa: ANN401 - the private base of Project
    profiles = project.profiles or {}
    if name not in profiles:
        known = ", ".join(profiles) or "none"
        raise InputError("KGE-604", f"{path} has no profile {name!r}", fix=f"its profiles: {known}")
    return profiles[name]


def _flat(source: msgspec.Struct) -> dict[str, Any]:
    """Return the keys that are set, those of user and network as user_name, network_ca_bundle and so on."""
    found: dict[str, Any] = {}
    for key in KEYS:
        value = getattr(source, key)
        if value is None:
            continue
        if key in _NESTED:
            found |= {f"{key}_{name}": one for name, one in msgspec.structs.asdict(value).items()}
        else:
            found[key] = value
    return found


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    nested = [f"{key}_{field}" for key, kind in _NESTED.items() for field in kind.__struct_fields__]
    found: dict[str, Any] = {}
    for key in (*(key for key in KEYS if key not in _NESTED), *nested):
        text = environment.get(_PREFIX + key.upper())
        if text:
            found[key] = text if key in _TEXT else _parse(key, text)
    return found


def _parse(key: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            "KGE-604", f"{_PREFIX}{key.upper()} is not valid YAML", why=" ".join(str(error).split())
        ) from None


def _build(values: dict[str, Any], origins: dict[str, str]) -> Settings:
    request = {key: value for key, value in values.items() if key in Request.__struct_fields__}
    vendor = request.get("vendor", Vendor.AUTO)
    request["vendor"] = _ALIASES.get(str(vendor), str(vendor))
    user = {name: values[f"user_{name}"] for name in User.__struct_fields__ if f"user_{name}" in values}
    network = {name: values[f"network_{name}"] for name in Network.__struct_fields__ if f"network_{name}" in values}
    try:
        return Settings(
            msgspec.convert({**request, "user": user}, Request),
            msgspec.convert(network, Network),
            values.get("tag"),
            origins,
            values,
        )
    except msgspec.ValidationError as error:
        key = str(error).rpartition("`$.")[2].split(".")[0].split("[")[0].rstrip("`")
        where = next((f" ({origin})" for name, origin in origins.items() if name.startswith(key)), "")
        raise InputError(
            "KGE-604", f"The option {key}{where} has a value that it cannot have.", why=str(error)
        ) from error
