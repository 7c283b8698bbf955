"""CDI specifications below a root: engines older than API 1.50 do not list the devices they know."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from provision.probe.reader import Reader

CDI_DIRS: Final = ("/etc/cdi", "/var/run/cdi", "/run/cdi")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9._-]*/[A-Za-z][A-Za-z0-9._-]*", re.ASCII)
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*", re.ASCII)


def cdi_devices(root: Path, folders: Iterable[str] = CDI_DIRS) -> tuple[str, ...]:
    """Return the fully qualified names (`nvidia.com/gpu=all`) of the CDI specifications below `root`, sorted.

    Files that cannot be read or are no specification are left out.
    """
    return read_cdi(Reader(root), folders)


def read_cdi(reader: Reader, folders: Iterable[str] = CDI_DIRS) -> tuple[str, ...]:
    """Return the same as `cdi_devices`, with the reader noting the files that it could not read."""
    names: set[str] = set()
    for folder in folders:
        for name in reader.names(folder):
            if name.endswith((".json", ".yaml")):
                names.update(parse_spec(reader.text(f"{folder}/{name}") or ""))
    return tuple(sorted(names))


def parse_spec(text: str) -> tuple[str, ...]:
    """Return the device names of one specification, JSON or YAML; none when it is not one."""
    return tuple(_names(load_spec(text)))


def load_spec(text: str) -> object:
    """Return a specification's document, JSON or YAML; None when it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _load_yaml(text)


def _load_yaml(text: str) -> object:
    import yaml  # noqa: PLC0415 - 20 ms that hosts without a YAML specification need not pay

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Both loaders are PyYAML's safe ones. PyYAML lets ValueError and others out of malformed scalars.
        document: object = yaml.load(text, Loader=loader)  # noqa: S506
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return document


def _names(document: object) -> Iterator[str]:
    if not isinstance(document, dict) or not isinstance(devices := document.get("devices"), list):
        return
    kind = document.get("kind")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        return
    for device in devices:
        name = device.get("name") if isinstance(device, dict) else None
        if isinstance(name, str) and _DEVICE.fullmatch(name):
            yield f"{kind}={name}"
