"""The real transport: requests, whose import takes 0.1 s, with limits on time and on what is read."""

import threading
from collections.abc import Iterator, Mapping

import requests

from provision.registry.client import Response

SECONDS = (5.0, 20.0)  # to connect, and between two bytes
TOTAL = 60.0  # for the whole of an answer, redirects included: one byte in 19 s would go on for ever
_CHUNK = 65536
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY"})


class Http:
    """Fetches over HTTP and HTTPS; proxies come from the environment."""

    def __init__(
        self, ca_bundle: str | None = None, seconds: tuple[float, float] = SECONDS, total: float = TOTAL
    ) -> None:
        self._session = requests.Session()
        self._ca_bundle = ca_bundle
        self._seconds = seconds
        self._total = total

    def __call__(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        """Return the answer; `provision.registry.client.Get` has the contract."""
        found: list[Response | Exception] = []

        def ask() -> None:
            try:
                found.append(self._get(url, headers, limit))
            except Exception as error:  # noqa: BLE001 - raised again below, in the thread that asks
                found.append(error)

        # No limit of the libraries covers name service, connection, headers and body together. Nobody waits for this
        # thread at the program's end.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self._total)
        if not found:
            raise OSError(f"no whole answer within {self._total:g} s")
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the answer to a request with a body; `provision.registry.referrers.Send` has the contract."""
        try:
            with self._session.request(
                method, url, headers=dict(headers), data=body, timeout=self._seconds, verify=self._ca_bundle or True
            ) as answer:
                return Response(
                    answer.status_code, {key.lower(): value for key, value in answer.headers.items()}, answer.content
                )
        except (requests.RequestException, ValueError) as error:
            raise OSError(_plainly(error)) from error

    def _get(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        verify = self._ca_bundle or True
        try:
            with self._session.get(
                url, headers=dict(headers), stream=True, timeout=self._seconds, verify=verify
            ) as response:
                body = _body(response, limit)
        except (requests.RequestException, ValueError) as error:  # ValueError: an address that is none
            raise OSError(_plainly(error)) from error
        return Response(response.status_code, {key.lower(): value for key, value in response.headers.items()}, body)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def asked(url: str, proxies: Mapping[str, str], ca_bundle: str | None, seconds: tuple[float, float]) -> int:
    """Return the status with which an address answers; of its body nothing is read.

    Args:
        url: with its login, where it needs one.
        proxies: by the names of their variables, NO_PROXY among them; those of the process play no part.
        ca_bundle: a file; None: the authorities that requests brings along.
        seconds: to connect, and between two bytes.

    Raises:
        OSError: nothing answers; its text begins with the name of the last error, as installers write it.
    """
    ways = {name[:-6].lower(): proxy for name, proxy in proxies.items() if proxy and name in _PROXIES}
    if ways and requests.utils.should_bypass_proxies(url, proxies.get("NO_PROXY", "")):
        ways = {}
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.get(url, stream=True, timeout=seconds, verify=ca_bundle or True, proxies=ways) as answer:
                return answer.status_code
        except (requests.RequestException, ValueError) as error:
            raise OSError(_named(error)) from error


class Download:
    """Streams files over HTTP and HTTPS; `provision.bundle.fetch.Stream` has the contract."""

    def __init__(self, ca_bundle: str | None = None, seconds: tuple[float, float] = SECONDS) -> None:
        self._ca_bundle, self._seconds = ca_bundle, seconds

    def __call__(self, url: str) -> Iterator[bytes]:
        """Yield the bytes at an address."""
        try:
            with requests.get(url, stream=True, timeout=self._seconds, verify=self._ca_bundle or True) as answer:
                answer.raise_for_status()
                yield from answer.iter_content(1 << 20)
        except (requests.RequestException, ValueError) as error:
            raise OSError(_plainly(error)) from error


def _plainly(error: Exception) -> str:
    """Return the last cause that urllib3 tells, without its own names for pool, connection and retries."""
    inner = error.args[0] if error.args else error
    text = str(getattr(inner, "reason", None) or inner)
    return text.partition("): ")[2] or text


def _named(error: Exception) -> str:
    """Return the last cause that urllib3 tells, with the name of its kind."""
    inner = error.args[0] if error.args else error
    last = getattr(inner, "reason", None) or inner
    kind = type(last if isinstance(last, Exception) else error).__name__
    return f"{kind}: {_plainly(error)}"


def _body(response: requests.Response, limit: int) -> bytes:
    found = bytearray()
    for chunk in response.iter_content(_CHUNK):
        found += chunk
        if len(found) > limit:
            raise OSError(f"the answer is larger than {limit} bytes, which no image's configuration is")
    return bytes(found)
