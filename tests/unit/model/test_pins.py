"""A pin as pip and uv read it."""

import pytest

from provision.model.pins import Pin, requirement

HASH = "--hash=sha256:0"
FILE = "six-1.17-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        ("index", f"six==1.17 {HASH}"),
        (
            f"https://host.example/{FILE}",
            f"six @ https://host.example/{FILE} {HASH}",
        ),
        (f"wheels/{FILE}", f"six==1.17 {HASH}"),
    ],
)
def test_a_pin_is_a_line_of_a_requirements_file(origin: str, text: str) -> None:
    assert requirement(Pin(name="six", version="1.17", hashes=("sha256:0",), origin=origin)) == text
