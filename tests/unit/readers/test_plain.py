"""The output's edge: what reaches a terminal, and how passwords are hidden."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.cli.sanitize import plain, plain_json
from provision.errors import InputError
from provision.model import Request, encode
from provision.redaction import redacted, redacted_address, refuse_passwords

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = "\u00ad\u200b\u2028\u2029\u2060\ufeff\U000e0001\U000e0041"
CONTROLS = "\x00\x07\x08\x0d\x1b\x7f\x9b\x9f"


@pytest.mark.parametrize("character", TURNING + UNSEEN + CONTROLS)
def test_what_a_terminal_does_not_get(character: str) -> None:
    shown = plain(f"a{character}b")
    assert character not in shown
    assert shown.startswith("a\\")
    assert shown.endswith("b")


@pytest.mark.parametrize("text", ["a\tb\nc", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u65e5\u672c", "e\u0301", "\U0001f600"])
def test_text_of_any_script_stays(text: str) -> None:
    assert plain(text) == text
    assert json.loads(plain_json(json.dumps(text, ensure_ascii=False))) == text


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_json_says_the_same(text: str) -> None:
    shown = plain_json(encode({"a": text.replace("@", "")}))
    assert not set(shown) & set(TURNING + UNSEEN + CONTROLS)
    shown.encode()
    if not any("\ud800" <= one <= "\udfff" for one in text):
        assert json.loads(shown) == {"a": text.replace("@", "")}
    else:
        json.loads(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:MARK@host/simple", "https://***@host/simple"),
        ("https://MARK@host/simple", "https://***@host/simple"),
        ("see http://u:MA@RK@host:80/x?y=1 and", "see http://***@host:80/x?y=1 and"),
        ("'https://u:MARK@h' \"http://u:MARK@i\"", "'https://***@h' \"http://***@i\""),
        ("pkg @ git+https://u:MARK@host/x.git", "pkg @ git+https://***@host/x.git"),
        ("PROXY=u:MARK@proxy:3128", "PROXY=***@proxy:3128"),
        ("ssh://u:MARK@host", "ssh://***@host"),
        ("git+ssh://git@host/x", "git+ssh://git@host/x"),
        ("oci://image@sha256:00", "oci://image@sha256:00"),
        ("image:1@sha256:00", "image:1@sha256:00"),
        ("docker.io/team/image:1@sha256:00", "docker.io/team/image:1@sha256:00"),
        ("mail me@host.example", "mail me@host.example"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host", "https://host"),
    ],
)
def test_an_address_in_a_text(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://u:MA/RK@host/simple", "https://***@host/simple"),
        ("u:MARK@proxy:3128", "***@proxy:3128"),
        ("https://host/simple?sig=MARK", "https://host/simple?***"),
        ("u:MARK@", "***@"),
        ("https://host/simple", "https://host/simple"),
    ],
)
def test_an_address_alone(address: str, shown: str) -> None:
    assert redacted_address(address) == shown


@settings(max_examples=30)
@given(st.text(max_size=30), st.text("abc:/@", max_size=12))
def test_nothing_before_the_last_at_is_shown(before: str, after: str) -> None:
    for start in ("https://", "u:"):  # what stands before the first :// alone would be a scheme, and is shown
        assert "MARK" not in redacted_address(f"{start}{before}MARK{after}@host")


def test_a_long_text_takes_no_long_time() -> None:
    for text in ("a:" * 50_000, "://" * 50_000, "@" * 50_000, "x:y" * 50_000 + "@", "https://" + "a" * 200_000):
        redacted(text + " @")


@pytest.mark.parametrize(
    "request_",
    [
        Request(packages=("pkg @ git+https://u:MARK@host/x.git",)),
        Request(labels={"source": "https://u:MARK@host/x"}),
        Request(env={"INDEX": "https://MARK@host/simple"}),
    ],
)
def test_a_password_that_would_stay_in_the_image_is_refused(request_: Request) -> None:
    with pytest.raises(InputError) as caught:
        refuse_passwords(request_)
    assert caught.value.code == "KGE-615"
    assert "MARK" not in f"{caught.value.text} {caught.value.cause} {caught.value.fix}"


def test_what_holds_none_is_taken() -> None:
    refuse_passwords(Request(packages=("pandas>=2",), labels={"a": "me@host"}, env={"B": "https://host"}))
