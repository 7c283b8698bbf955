"""Sizes as people write them."""

import pytest

from provision.errors import InputError
from provision.model.size import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("3GB", 3 * 10**9), ("4.5 gb", 45 * 10**8), ("2GiB", 2 * 2**30), ("1500MB", 15 * 10**8), ("12B", 12), ("12", 12)],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.0GB", "-1GB", "GB", "3 QB", "1e9", "3GBs", "٣GB", "9" * 40, "3GB\n4"])
def test_no_size(text: str) -> None:
    with pytest.raises(InputError, match="is no size") as caught:
        parse_size(text)
    assert caught.value.code == "KGE-604"
