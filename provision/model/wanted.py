"""What the user's own files ask for, as it was read: requirements, constraints, code that lies beside them."""

from typing import Literal

from provision.model.base import Value


class Entry(Value):
    """One requirement, and where it was asked for."""

    text: str  # as PEP 508 writes it: "numpy<2", "name @ git+https://…"
    source: str  # "requirements.txt, line 3", "--package"
    hashes: tuple[str, ...] = ()  # "sha256:…" of the files that may be installed; empty: any
    locked: bool = False  # from a lock, which also names what nobody asked for


class LocalCode(Value):
    """Code on this host that goes into the build context: a source tree, a wheel or a source archive."""

    path: str  # absolute
    kind: Literal["folder", "file"]
    name: str  # of the distribution; empty: its build back end tells it
    source: str
    version: str = "0"  # as far as it is known without building it
    extras: tuple[str, ...] = ()
    told: bool = False  # what it needs is read already; else uv asks it


class Wanted(Value):
    """All that is asked for beside the framework."""

    entries: tuple[Entry, ...] = ()
    constraints: tuple[Entry, ...] = ()
    local: tuple[LocalCode, ...] = ()
    python: tuple[Entry, ...] = ()  # specifiers of the Python, such as ">=3.10"
    prereleases: bool = False
    notes: tuple[str, ...] = ()  # what was read and is not heeded, in words

    def __add__(self, other: "Wanted") -> "Wanted":
        """Return what both ask for."""
        return Wanted(
            entries=self.entries + other.entries,
            constraints=self.constraints + other.constraints,
            local=self.local + tuple(one for one in other.local if one.path not in {own.path for own in self.local}),
            python=self.python + other.python,
            prereleases=self.prereleases or other.prereleases,
            notes=self.notes + other.notes,
        )
