"""The legend of the short names that stand in the rows' `source`."""

import re

import msgspec

from provision.catalogue.rows import Text


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a short name stands for."""

    id: Text
    title: Text
    where: Text  # a site, a repository, or how it was seen

    @property
    def line(self) -> str:
        """The legend's line for people."""
        return f"{self.id}: {self.title} ({self.where})"


def cited(legend: tuple[Source, ...], *texts: str) -> tuple[Source, ...]:
    """Return the part of the legend whose short names stand in the texts, in the legend's order.

    A name inside a path or a longer word ("NVIDIA/nvidia-container-toolkit") is none.
    """
    # "\n" keeps the names of two texts apart.
    words = "\n".join(texts)
    return tuple(one for one in legend if re.search(rf"(?<![\w/-]){re.escape(one.id)}(?![\w-])", words))
