"""A support archive: what is in it."""

from typing import Literal

from provision.model.base import Value


class ArchivedFile(Value):
    """A file in the archive."""

    path: str
    bytes: int


class SupportArchive(Value):
    """What `report` wrote."""

    schema: Literal["kgpu-env/report/1"] = "kgpu-env/report/1"
    archive: str  # the file
    bytes: int
    sha256: str
    names_kept: bool = False
    files: tuple[ArchivedFile, ...] = ()
    left_out: tuple[str, ...] = ()  # "PATH: why"
