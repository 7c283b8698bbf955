"""What the rules look at where there is no GPU: a framework's wheel, on this host."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from provision.catalogue import Catalogue, rows
from provision.model import Host, Request
from provision.resolve.bases import choose_base
from provision.resolve.rules import Broken, house

Row_co = TypeVar("Row_co", bound=rows.FrameworkRow, covariant=True)


@dataclass(frozen=True)
class Candidate(Generic[Row_co]):
    """One build of a framework."""

    catalogue: Catalogue
    host: Host
    request: Request
    release: Row_co

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        return self.release.title


AnyCandidate = Candidate[rows.FrameworkRow]


def house_framework(candidate: AnyCandidate) -> Broken | None:
    """The newest version of the framework that the site allows."""
    return house(candidate.catalogue, candidate.release.backend, candidate.release.version)


def plain_base(candidate: AnyCandidate) -> rows.BaseImage | Broken:
    """Return the image that a candidate starts from, or the rule that none satisfies."""
    return choose_base(candidate.catalogue, candidate.request, candidate.release)
