"""How many bytes of a step are there: as the engine tells, or as the installers write that run in it."""

import re
from typing import Final

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_SIZE: Final = r"(?P<number>\d{1,3}(?:,\d{3})*(?:\.\d{1,3})?|\d{1,15}(?:\.\d{1,3})?) ?(?P<unit>[kMG]?|[KMG]i) ?B"
# uv writes a line when a file of a megabyte or more begins, and one when it is there.
_BEGUN: Final = re.compile(rf"\s*Downloading (?P<name>\S+) \({_SIZE}\)\s*")
_THERE: Final = re.compile(r"\s*Downloaded (?P<name>\S+)\s*")
# apt tells the sum first, then each package as it begins; "/" where some were kept from before.
_NEEDED: Final = re.compile(rf"Need to get {_SIZE}(?:/.*)? of archives\.")
_FETCHED: Final = re.compile(rf"Get:(?P<name>\d+) .* \[{_SIZE}\]")
_APT: Final = "apt"


class Parts:
    """The parts that a step, a pull or a push consists of, each with its bytes."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[int, int]] = {}
        self._needed = 0

    def tell(self, name: str, done: int, total: int) -> None:
        """Take how far a part is; 0 of 0 says nothing new, and no part ever shrinks."""
        before = self._parts.get(name, (0, 0))
        total = max(total, before[1])
        done = max(done, before[0])
        if total:
            self._parts[name] = min(done, total), total

    def read(self, line: str) -> None:
        """Take a line of an installer's output; most tell nothing."""
        begun, there = _BEGUN.fullmatch(line), _THERE.fullmatch(line)
        needed, fetched = _NEEDED.fullmatch(line), _FETCHED.fullmatch(line)
        if begun:
            self.tell(begun["name"], 0, _bytes(begun))
        elif there and there["name"] in self._parts:
            total = self._parts[there["name"]][1]
            self.tell(there["name"], total, total)
        elif needed:
            self._needed = _bytes(needed)
        elif fetched and self._needed:
            size = _bytes(fetched)
            self.tell(f"{_APT} {fetched['name']}", size, size)

    @property
    def done(self) -> int:
        """Bytes that are there."""
        return min(sum(done for done, _ in self._parts.values()), self.total)

    @property
    def total(self) -> int:
        """Bytes of all parts that are known by now; 0 where none is."""
        named = sum(total for name, (_, total) in self._parts.items() if not name.startswith(f"{_APT} "))
        return named + self._needed


def _bytes(found: re.Match[str]) -> int:
    return round(float(found["number"].replace(",", "")) * _UNITS[found["unit"]])
