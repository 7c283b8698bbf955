"""The real transport: requests, whose import takes 0.1 s, with limits on time and on what is read."""

from collections.abc import Mapping

import requests

from provision.registry.client import Response

SECONDS = (5.0, 20.0)  # to connect, and between two bytes
_CHUNK = 65536


class Http:
    """Fetches over HTTP and HTTPS; proxies come from the environment."""

    def __init__(self, ca_bundle: str | None = None, seconds: tuple[float, float] = SECONDS) -> None:
        self._session = requests.Session()
        self._ca_bundle = ca_bundle
        self._seconds = seconds

    def __call__(self, url: str, headers: Mapping[str, str], limit: int) -> Response:
        """Return the answer; `provision.registry.client.Get` has the contract."""
        verify = self._ca_bundle or True
        try:
            with self._session.get(
                url, headers=dict(headers), stream=True, timeout=self._seconds, verify=verify
            ) as response:
                body = _body(response, limit)
        except requests.RequestException as error:
            raise OSError(_plainly(error)) from error
        return Response(response.status_code, {key.lower(): value for key, value in response.headers.items()}, body)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _plainly(error: Exception) -> str:
    """Return the last cause that urllib3 tells, without its own names for pool, connection and retries."""
    inner = error.args[0] if error.args else error
    text = str(getattr(inner, "reason", None) or inner)
    return text.partition("): ")[2] or text


def _body(response: requests.Response, limit: int) -> bytes:
    found = bytearray()
    for chunk in response.iter_content(_CHUNK):
        found += chunk
        if len(found) > limit:
            raise OSError(f"the answer is larger than {limit} bytes, which no image's configuration is")
    return bytes(found)
