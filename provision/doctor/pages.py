"""How each of the program's own codes looks, what fixes it and where it was seen: `pages.yaml`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from provision.catalogue.yaml_file import read_yaml

OWN = "kgpu-env itself"


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `doctor CODE` tells beside the meaning."""

    seen: str
    fix: str
    source: str = OWN


@cache
def pages() -> Mapping[str, Page]:
    """Return the page of each code."""
    return msgspec.convert(read_yaml(Path(__file__).with_name("pages.yaml")), dict[str, Page])
