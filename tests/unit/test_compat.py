"""What stands in on Python 3.10 does what newer Pythons do."""

from enum import auto

import msgspec

from provision.compat import StrEnum


class Kind(StrEnum):
    """A made-up choice."""

    ONE = "one-and-only"
    TWO = auto()


def test_a_member_is_written_as_its_value() -> None:
    assert (str(Kind.ONE), f"{Kind.ONE}", f"{Kind.ONE:>14}") == ("one-and-only", "one-and-only", "  one-and-only")
    assert Kind.TWO.value == "two"


def test_it_goes_through_json() -> None:
    assert msgspec.json.encode({Kind.ONE: Kind.TWO}) == b'{"one-and-only":"two"}'
    assert msgspec.json.decode(b'"two"', type=Kind) is Kind.TWO
