"""A table that has an entry for each member, or says at import time which it lacks."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def complete(name: str, table: Mapping[K, V], members: Iterable[K]) -> Mapping[K, V]:
    """Return `table`, which has an entry for each of `members` and for nothing else.

    >>> complete("colours", {"red": 1}, ("red", "blue"))
    Traceback (most recent call last):
    ...
    LookupError: colours: no entry for blue

    Raises:
        LookupError: it lacks one, or has one too many; the message names table and entry.
    """
    wanted = tuple(members)
    if missing := [str(member) for member in wanted if member not in table]:
        raise LookupError(f"{name}: no entry for {', '.join(missing)}")
    if unknown := [str(key) for key in table if key not in wanted]:
        raise LookupError(f"{name}: nothing is called {', '.join(unknown)}")
    return table
