"""The project file `kgpu-env.yaml`: its keys, and reading it with suggestions for what it misspells."""

import difflib
from pathlib import Path
from typing import Literal

import msgspec

from provision.catalogue.load import convert, read_yaml
from provision.errors import InputError
from provision.model import Network, User

FILE_NAME = "kgpu-env.yaml"


class _Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a project file and each of its profiles may set. None: not set here."""

    vendor: Literal["auto", "cuda", "rocm", "cpu", "nvidia", "amd"] | None = None
    fallback: Literal["cpu"] | None = None
    tensorflow: str | None = None
    python: str | None = None
    base: str | None = None
    cuda: str | None = None
    rocm: str | None = None
    backend: Literal["tensorflow", "jax", "torch"] | None = None
    packages: tuple[str, ...] | None = None
    apt: tuple[str, ...] | None = None
    user: User | None = None
    labels: dict[str, str] | None = None
    env: dict[str, str] | None = None
    tag: str | None = None
    network: Network | None = None


class Project(_Keys, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A project file. A profile's keys replace the file's own."""

    profile: str | None = None
    profiles: dict[str, _Keys] | None = None


KEYS = _Keys.__struct_fields__
_NESTED = {"user": User.__struct_fields__, "network": Network.__struct_fields__}


def find_project(start: Path) -> Path | None:
    """Return the nearest project file in `start` or a folder above it."""
    return next((file for folder in (start, *start.parents) if (file := folder / FILE_NAME).is_file()), None)


def read_project(path: Path) -> Project:
    """Return the project file at `path`.

    Raises:
        InputError: KGE-603, not YAML; KGE-604, a key or value that it cannot have, with a suggestion.
    """
    values = read_yaml(path, "KGE-603")
    if values is None:
        return Project()
    if not isinstance(values, dict):
        raise InputError("KGE-604", f"{path} does not hold options", fix="write it as `key: value` lines")
    _check_keys(values, Project.__struct_fields__, path, "")
    for name, fields in _NESTED.items():
        if isinstance(values.get(name), dict):
            _check_keys(values[name], fields, path, f"{name}.")
    return convert(values, Project, path, "KGE-604")


def _check_keys(values: dict[object, object], known: tuple[str, ...], path: Path, prefix: str) -> None:
    for key in values:
        if key in known:
            continue
        near = difflib.get_close_matches(str(key), known, n=1)
        fix = f"did you mean {prefix}{near[0]}?" if near else f"its keys are: {', '.join(known)}"
        raise InputError("KGE-604", f"{path}: there is no option {prefix}{key}", fix=fix)
