"""Reads `images/*.yaml` strictly: a broken row stops the load with its file, row and field."""

import contextlib
import re
import zlib
from pathlib import Path
from typing import TypeVar

import msgspec

from provision import __version__
from provision.errors import InputError
from provision.resources import keep

T = TypeVar("T")


def read_facts(path: Path, kind: type[T], cache: Path | None) -> T:
    """Return a YAML file as a `kind`, by way of a copy in JSON that is quicker to read.

    The copy's name follows from the file's bytes, so that it is never stale; it is checked like the file.

    Raises:
        InputError: KGE-201, unreadable; KGE-202, a value that does not fit, by file, row and field.
    """
    copy = cache / f"{path.stem}-{_mark(path)}.json" if cache else None
    if copy:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(copy.read_bytes(), type=kind)
    from provision.catalogue.yaml_file import read_yaml  # noqa: PLC0415 - slow to import, and needed once a release

    values = read_yaml(path)
    found = convert(values, kind, path)
    if copy:
        keep(copy, msgspec.json.encode(values))
    return found


def _mark(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError("KGE-201", f"cannot read {path}", cause=error.strerror or str(error)) from error
    return f"{__version__}-{len(content):x}-{zlib.crc32(content):08x}"


def convert(values: object, kind: type[T], path: Path, code: str = "KGE-202") -> T:
    """Return `values` as a `kind`, checked strictly.

    Raises:
        InputError: naming file, row and field of the first value that does not fit.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(code, _explain(values, str(error), path), fix=_advice(str(error))) from error


def _explain(values: object, message: str, path: Path) -> str:
    problem, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.([\w-]+)|\[(\d+|\.\.\.)\]", where.rstrip("`"))
    place = [str(path)]
    for name, index in steps:
        values = _step(values, name, index)
        row = values.get("id") if isinstance(values, dict) else None
        place.append(
            f"row {int(index) + 1}" + (f" ({row})" if row else "") if index.isdigit() else f"field {name or '?'}"
        )
    return f"{', '.join(place)}: {problem}"


def _step(values: object, name: str, index: str) -> object:
    if isinstance(values, list) and index.isdigit():
        return values[int(index)]
    return values.get(name) if isinstance(values, dict) else None


def _advice(message: str) -> str:
    if "got `float`" in message or "got `int`" in message:
        return 'quote the value: YAML reads 12.10 as the number 12.1 (write "12.10")'
    return ""
