"""The project file `kgpu-env.yaml`: its keys, and reading it with suggestions for what it misspells."""

from pathlib import Path

import msgspec

from provision.catalogue.load import convert
from provision.errors import InputError, nearest

FILE_NAME = "kgpu-env.yaml"


class UserKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`provision.model.User`, key by key. None: not set here."""

    name: str | None = None
    uid: int | None = None
    gid: int | None = None


class NetworkKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`provision.model.Network`, key by key. None: not set here."""

    ca_bundle: str | None = None  # relative to the project file
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] | None = None
    proxy: str | None = None
    registries: dict[str, str] | None = None


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a project file and each of its profiles may set. None: not set here."""

    vendor: str | None = None
    fallback: str | None = None
    tensorflow: str | None = None
    python: str | None = None
    base: str | None = None
    cuda: str | None = None
    rocm: str | None = None
    backend: str | None = None
    packages: tuple[str, ...] | None = None
    apt: tuple[str, ...] | None = None
    user: UserKeys | None = None
    labels: dict[str, str] | None = None
    env: dict[str, str] | None = None
    tag: str | None = None
    network: NetworkKeys | None = None


class Project(Keys, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A project file. A profile's keys replace the file's own."""

    profile: str | None = None
    profiles: dict[str, Keys] | None = None


KEYS = Keys.__struct_fields__
_NESTED = {"user": UserKeys.__struct_fields__, "network": NetworkKeys.__struct_fields__}


def find_project(start: Path) -> Path | None:
    """Return the nearest project file in `start` or a folder above it."""
    return next((file for folder in (start, *start.parents) if (file := folder / FILE_NAME).is_file()), None)


def read_project(path: Path) -> Project:
    """Return the project file at `path`.

    Raises:
        InputError: KGE-603, not YAML; KGE-604, a key or value that it cannot have, with a suggestion.
    """
    from provision.catalogue.yaml_file import read_yaml  # noqa: PLC0415 - only where there is a project file

    values = read_yaml(path, "KGE-603")
    if values is None:
        return Project()
    if not isinstance(values, dict):
        raise InputError("KGE-604", f"{path} does not hold options", fix="write it as `key: value` lines")
    _check_keys(values, Project.__struct_fields__, path, "")
    profiles = values.get("profiles")
    for name, keys in profiles.items() if isinstance(profiles, dict) else ():
        if isinstance(keys, dict):
            _check_keys(keys, KEYS, path, f"profiles.{name}.")
    return convert(values, Project, path, "KGE-604")


def _check_keys(values: dict[object, object], known: tuple[str, ...], path: Path, prefix: str) -> None:
    for key, value in values.items():
        if key not in known:
            fix = nearest(str(key), known) or f"its keys are: {', '.join(known)}"
            raise InputError("KGE-604", f"{path}: there is no option {prefix}{key}", fix=fix)
        if key in _NESTED and isinstance(value, dict):
            _check_keys(value, _NESTED[str(key)], path, f"{prefix}{key}.")
