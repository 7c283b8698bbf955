"""What package indexes publish, and how the rows of the catalogue stand to it."""

from typing import Literal

import msgspec

from provision.model.base import Value

Standing = Literal["current", "newer", "missing", "yanked", "unknown"]


class PublishedFile(Value):
    """A file that an index offers."""

    name: str
    version: str
    url: str
    yanked: str | None = None  # why; empty: no reason is given; None: it is not


class Published(Value):
    """The files of a project, from every index that answered."""

    files: tuple[PublishedFile, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of which a file is not yanked."""
        return tuple(dict.fromkeys(file.version for file in self.files if file.yanked is None))

    @property
    def yanked(self) -> dict[str, str]:
        """The other versions, with why they were yanked, or ""."""
        whole = set(self.versions)
        return {file.version: file.yanked or "" for file in self.files if file.version not in whole}


class Freshness(Value):
    """A project that rows name, and what is published of it."""

    project: str
    standing: Standing
    newest_row: str = ""  # the newest version that a row names; empty: rows give bounds alone
    newest: str = ""  # published and no pre-release; empty: none, or it is not known
    ahead: str = ""  # the newest pre-release, where it is newer than both
    text: str = ""  # what is to be known; empty where it is current
    rows: tuple[str, ...] = ()  # that the text speaks of
    index: str = ""  # where the rows say that it is; empty: the configured ones


class FreshnessDocument(Value):
    """What `catalogue check --online` prints."""

    schema: Literal["kgpu-env/freshness/1"] = "kgpu-env/freshness/1"
    indexes: tuple[str, ...] = ()  # that were asked, without passwords
    checked: str = ""  # the newest row
    projects: tuple[Freshness, ...] = ()
    draft: str | None = None  # the file that was written
    drafted: tuple[str, ...] = ()  # ids of its rows
    not_drafted: dict[str, str] = msgspec.field(default_factory=dict)  # project and version, and why not
