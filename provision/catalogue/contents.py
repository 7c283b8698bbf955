"""Rows of `images/contents.yaml`: what of a stack's wheels is in an image, and in which layer."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

import msgspec

from provision.catalogue.rows import Row
from provision.model import version_key
from provision.model.request import Backend, Contents

# Stands unquoted in a RUN line, so that the shell finds the files.
Pattern = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_*][A-Za-z0-9_.*/-]*$(?!\n)")]


class Layer(Row, frozen=True):
    """A layer of the image, with the distributions that are installed in it."""

    title: str
    packages: tuple[str, ...]  # patterns of their names
    but: tuple[str, ...] = ()

    def holds(self, name: str) -> bool:
        """Tell whether a distribution belongs here."""
        return _matches(name, self.packages) and not _matches(name, self.but)


class Cut(Row, frozen=True):
    """What an image can do without."""

    layers: tuple[str, ...]
    contents: Contents  # the least that still has them
    files: tuple[Pattern, ...]  # below site-packages
    would_fail: str  # the row of the library table that a wrong cut would fail
    part: Literal["whole", "symbols"] = "whole"  # of the files: all of it, or the names that debuggers alone read
    backends: dict[Backend, str] = msgspec.field(default_factory=dict)  # the oldest version of each; empty: any

    def holds(self, contents: Contents, backend: Backend, version: str) -> bool:
        """Tell whether an image with a framework leaves it out."""
        order = get_args(Contents)
        if order.index(contents) >= order.index(self.contents):
            return False
        since = self.backends.get(backend)
        return not self.backends or (since is not None and version_key(version) >= version_key(since))


class ContentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    layers: tuple[Layer, ...]
    cuts: tuple[Cut, ...]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
