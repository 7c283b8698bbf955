"""A pylock.toml (PEP 751): read from uv's answer or a lock, and written so that `uv pip sync` installs the same."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
import msgspec.toml  # tomllib, or on Python 3.10 tomli
from packaging.pylock import (
    Package,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from provision.errors import InputError
from provision.lock.document import Wheel
from provision.model.pins import INDEX

_TOOL: Final = "kgpu-env"


def parse(text: str) -> tuple[Wheel, ...]:
    """Return the distributions of a pylock.toml, by name; code of this host is not among them.

    Raises:
        InputError: KGE-623, the text is no pylock.toml, or has a package without a file or a file without sha256.
    """
    try:
        lock = Pylock.from_dict(msgspec.toml.decode(text))
        found = [_wheel(one) for one in lock.packages if not _is_local(one)]
        return tuple(sorted(msgspec.convert(found, tuple[Wheel, ...]), key=lambda wheel: wheel.name))
    except (
        *(msgspec.MsgspecError, PylockValidationError, PylockUnsupportedVersionError),
        *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
    ) as error:
        raise InputError(
            "KGE-623", "uv's answer is not understood.", cause=f"{type(error).__name__}: {error}"
        ) from error


def _is_local(one: Package) -> bool:
    return one.directory is not None or bool(one.archive and one.archive.path)


def _wheel(one: Package) -> dict[str, Any]:
    tool = (one.tool or {}).get(_TOOL)
    found: dict[str, Any] = {"name": one.name, "version": str(one.version or "0"), "files": []}
    found |= {"use": tool["use"]} if isinstance(tool, Mapping) and "use" in tool else {}
    if one.vcs:
        folder = f"#subdirectory={one.vcs.subdirectory}" if one.vcs.subdirectory else ""
        return found | {"origin": f"{one.vcs.type}+{one.vcs.url}@{one.vcs.commit_id}{folder}"}
    if one.archive:
        digest = f"sha256:{one.archive.hashes['sha256']}"
        name = _file_name({"url": one.archive.url})
        files = [{"file": name, "hash": digest, "size_bytes": one.archive.size, "url": one.archive.url}]
        return found | {"origin": one.archive.url, "files": files}
    files = [
        {
            "file": _file_name({"name": file.name, "path": file.path, "url": file.url}),
            "hash": f"sha256:{file.hashes['sha256']}",
            "size_bytes": file.size,
            "url": file.url,
        }
        for file in _files(one)
    ]
    if not files:
        raise ValueError(f"{one.name} has no file")
    return found | {"files": sorted(files, key=lambda file: str(file["file"]))}


def _files(one: Package) -> Sequence[PackageWheel | PackageSdist]:
    return one.wheels or ((one.sdist,) if one.sdist else ())


def _file_name(file: Mapping[str, Any]) -> str:
    """Return a file's name, which PEP 751 leaves out where the address or path ends with it."""
    where = str(file.get("name") or file.get("path") or urlsplit(str(file["url"])).path)
    return PurePosixPath(unquote(where)).name


def text_of(wheels: Iterable[Wheel], python: str) -> str:
    """Return the pylock.toml of a lock, for a Python such as "3.11"."""
    head = {"lock-version": "1.0", "created-by": "kgpu-env", "requires-python": f"~={python}.0"}
    parts = ["".join(f"{key} = {_toml(value)}\n" for key, value in head.items())]
    parts += ["[[packages]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in _table(one)) for one in wheels]
    return "\n".join(parts)


def _table(one: Wheel) -> Iterable[tuple[str, object]]:
    yield "name", one.name
    if "+" in one.origin.partition("://")[0]:
        kind, _, rest = one.origin.partition("+")
        address, _, folder = rest.partition("#subdirectory=")
        url, _, commit = address.rpartition("@")
        yield "vcs", {"type": kind, "url": url, "commit-id": commit} | ({"subdirectory": folder} if folder else {})
    elif one.origin != INDEX:
        yield "archive", {"url": one.origin} | _hashed(one.files[0])
    else:
        files = [
            {"name": file.file, **({"url": file.url} if file.url else {"path": file.file}), **_hashed(file)}
            for file in one.files
        ]
        yield "version", one.version
        is_wheel = one.files[0].file.endswith(".whl")
        yield ("wheels", files) if is_wheel else ("sdist", files[0])
    if one.use != "framework":
        yield "tool", {_TOOL: {"use": one.use}}


def _hashed(file: Any) -> dict[str, object]:  # noqa: ANN401 - a WheelFile, which the document's module keeps
    size = {"size": file.size_bytes} if file.size_bytes is not None else {}
    return {**size, "hashes": {"sha256": file.hash.removeprefix("sha256:")}}


def _toml(value: object) -> str:
    """Return a value as TOML writes it: strings as JSON does, tables in one line, a list of tables over several."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
        case list():
            return "[\n" + "".join(f"    {_toml(one)},\n" for one in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
