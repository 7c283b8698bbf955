"""What the transport says when nothing answers."""

import threading
import time

import pytest
import requests
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from provision.registry.http import Http

POOL = HTTPSConnectionPool("registry.example", 443)
REFUSED = NewConnectionError(HTTPSConnection("registry.example", 443), "Failed to establish: Connection refused")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (requests.ConnectionError(MaxRetryError(POOL, "/v2/", REFUSED)), "Failed to establish: Connection refused"),
        (
            requests.exceptions.SSLError(MaxRetryError(POOL, "/v2/", SSLError("certificate verify failed"))),
            "certificate",
        ),
        (requests.ReadTimeout("no bytes in 20 s"), "no bytes in 20 s"),
        (requests.ConnectionError(), ""),
    ],
    ids=["refused", "certificate", "slow", "without a word"],
)
def test_the_last_cause_is_told_alone(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(requests.Session, "get", fail)
    with pytest.raises(OSError, match=f"^{told}") as caught:
        Http()("https://registry.example/v2/", {}, 10)
    assert "HTTPSConnection" not in str(caught.value)
    assert "retries" not in str(caught.value)


def test_the_whole_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def drip(*_: object, **__: object) -> None:
        ended.wait(10)  # as a server that sends a byte now and then
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "get", drip)
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"no whole answer within 0\.05 s"):
        Http(total=0.05)("https://registry.example/v2/", {}, 10)
    assert time.monotonic() - begun < 5
    ended.set()


@pytest.mark.parametrize("url", ["http://[", "http://a:b:c/", "http://\0/", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(OSError, match=r"."):
        Http()(url, {}, 10)
