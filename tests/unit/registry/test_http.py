"""What the transport says when nothing answers."""

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
