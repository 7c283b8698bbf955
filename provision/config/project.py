"""The project file `kgpu-env.yaml`: its keys, and reading it with suggestions for what it misspells."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from provision.catalogue.load import convert
from provision.errors import InputError, nearest
from provision.files import read_file
from provision.model import SETTINGS

FILE_NAME = "kgpu-env.yaml"
PYPROJECT = "pyproject.toml"  # whose table [tool.kgpu-env] has the same keys


def _shape(
    name: str, meaning: str, fields: dict[str, Any], bases: tuple[type[msgspec.Struct], ...] = ()
) -> type[msgspec.Struct]:
    """Return what a mapping of the file may hold; None: a key is not set there."""
    return msgspec.defstruct(
        name,
        [(key, kind | None, None) for key, kind in fields.items()],
        bases=bases,
        module=__name__,
        namespace={"__doc__": meaning},
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
    )


def _group(name: str) -> type[msgspec.Struct]:
    title = name.capitalize()
    fields = {one.key: one.type for one in SETTINGS.values() if one.group == name}
    return _shape(f"{title}Keys", f"`provision.model.{title}`, key by key. None: not set here.", fields)


_SHAPES = {one.group: _group(one.group) for one in SETTINGS.values() if one.group}
_KEYS = _shape(
    "Keys",
    "What a project file and each of its profiles may set. None: not set here.",
    {one.group or one.name: _SHAPES.get(one.group, one.type) for one in SETTINGS.values()},
)
# The file as msgspec reads it, and as its JSON Schema describes it.
SHAPE = _shape(
    "Project",
    "A project file. A profile's keys replace the file's own.",
    {"profile": str, "profiles": dict[str, _KEYS]},  # type: ignore[valid-type] # a type made from the settings
    bases=(_KEYS,),
)


class Project(NamedTuple):
    """A project file: the settings by name, "network_ca_bundle" for `ca_bundle` of `network`."""

    path: Path
    settings: dict[str, Any]
    profile: str | None  # the one that holds when none is named
    profiles: dict[str, dict[str, Any]]


def find_project(start: Path) -> Path | None:
    """Return the nearest project file in `start` or a folder above it; or a pyproject.toml that has the table."""
    every = (folder / name for folder in (start, *start.parents) for name in (FILE_NAME, PYPROJECT))
    return next((file for file in every if _is_there(file) and (file.name == FILE_NAME or _has_table(file))), None)


def nearest_project() -> Path | None:
    """Return the project file of the working directory; one that was removed has none."""
    try:
        return find_project(Path.cwd())
    except OSError:
        return None


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder above may be closed to this user
        return False


def _has_table(file: Path) -> bool:
    """Tell whether a pyproject.toml speaks of this tool; one that cannot be read does not."""
    try:
        return b"tool.kgpu-env" in read_file(file)
    except OSError:
        return False


def _pyproject(path: Path) -> object:
    import msgspec.toml  # noqa: PLC0415 - 6 ms, only where a pyproject.toml speaks of this tool

    try:
        found = msgspec.toml.decode(read_file(path))
    except OSError as error:
        raise InputError("KGE-603", f"cannot read {path}", cause=error.strerror or str(error)) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError("KGE-603", f"{path} is not valid TOML", cause=str(error)[:200]) from error
    tool = found.get("tool") if isinstance(found, dict) else None
    return tool.get("kgpu-env") if isinstance(tool, dict) else None


def read_project(path: Path) -> Project:
    """Return the project file at `path`.

    Raises:
        InputError: KGE-603, not YAML; KGE-604, a key or value that it cannot have, with a suggestion.
    """
    from provision.catalogue.yaml_file import read_yaml  # noqa: PLC0415 - 11 ms, only where there is a project file

    values = _pyproject(path) if path.name == PYPROJECT else read_yaml(path, "KGE-603")
    if values is None:
        return Project(path, {}, None, {})
    if not isinstance(values, dict):
        raise InputError("KGE-604", f"{path} does not hold options", fix="write it as `key: value` lines")
    _check_keys(values, SHAPE.__struct_fields__, path, "")
    profiles = values.get("profiles")
    for name, keys in profiles.items() if isinstance(profiles, dict) else ():
        if isinstance(keys, dict):
            _check_keys(keys, _KEYS.__struct_fields__, path, f"profiles.{name}.")
    found = msgspec.structs.asdict(convert(values, SHAPE, path, "KGE-604"))
    kept = {name: _flat(msgspec.structs.asdict(keys), path) for name, keys in (found["profiles"] or {}).items()}
    return Project(path, _flat(found, path), found["profile"], kept)


def _flat(keys: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the settings that a mapping of the file sets, by name."""
    found: dict[str, Any] = {}
    for one in SETTINGS.values():
        holder = keys[one.group or one.name]
        value = getattr(holder, one.key, None) if one.group else holder
        if value is not None:
            found[one.name] = value
    for name, value in list(found.items()):
        if SETTINGS[name].option.kind == "mount":
            found[name] = tuple(str(path.parent / each) if each.startswith(".") else each for each in value)
        if SETTINGS[name].option.kind == "path" and value:  # the file may lie above the working directory
            alone = isinstance(value, str)
            found[name] = str(path.parent / value) if alone else tuple(str(path.parent / each) for each in value)
    return found


def _check_keys(values: dict[object, object], known: tuple[str, ...], path: Path, prefix: str) -> None:
    for key, value in values.items():
        if key not in known:
            fix = nearest(str(key), known) or f"its keys are: {', '.join(known)}"
            raise InputError("KGE-604", f"{path}: there is no option {prefix}{key}", fix=fix)
        if key in _SHAPES and isinstance(value, dict):
            _check_keys(value, _SHAPES[str(key)].__struct_fields__, path, f"{prefix}{key}.")
