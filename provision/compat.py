"""What Python 3.10 lacks, from the standard library where it is there."""

import sys
from typing import TYPE_CHECKING

__all__ = ["Self", "StrEnum", "assert_never", "dataclass_transform"]

if sys.version_info >= (3, 11):
    from enum import StrEnum
    from typing import Self, assert_never, dataclass_transform
else:
    from enum import Enum

    if TYPE_CHECKING:  # known to every type checker, whether the package is there or not
        from typing_extensions import Self, assert_never, dataclass_transform
    else:
        from collections.abc import Callable
        from typing import Any, NoReturn

        Self = Any

        def assert_never(value: NoReturn) -> NoReturn:
            """Raise AssertionError: the type checker has shown that no value comes here."""
            raise AssertionError(f"Expected code to be unreachable, but got: {value!r}")

        def dataclass_transform(**_: object) -> Callable[[type], type]:
            """Return a decorator that changes nothing: it speaks to type checkers."""
            return lambda kind: kind

    class StrEnum(str, Enum):
        """Members that are strings, and are written as their value."""

        def __str__(self) -> str:
            return str(self.value)

        def __format__(self, spec: str) -> str:
            return format(str(self.value), spec)

        @staticmethod
        def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
            """Return the value of `auto()`: the name in lower case."""
            del start, count, last_values
            return name.lower()
