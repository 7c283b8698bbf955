"""The metadata of a wheel: from the file beside it (PEP 658), or out of the wheel by byte ranges."""

import io
import re
import zipfile
from typing import Final

from packaging.metadata import RawMetadata, parse_email

from provision.index.listing import NoAnswer
from provision.registry.client import Get

_LIMIT: Final = 4 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
_OK, _PART = 200, 206


def metadata(url: str, get: Get) -> RawMetadata:
    """Return what a wheel says of itself, as strings: requires_dist, requires_python, version, and the like.

    Raises:
        NoAnswer: neither way is open.
    """
    try:
        answer = get(f"{url}.metadata", {}, _LIMIT)
        text = answer.body if answer.status == _OK else _inside(url, get)
    except (OSError, zipfile.BadZipFile) as error:
        raise NoAnswer(str(error)) from error
    return parse_email(text)[0]


def _inside(url: str, get: Get) -> bytes:
    with zipfile.ZipFile(io.BufferedReader(_Remote(url, get), _CHUNK)) as archive:
        name = next((one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one)), None)
        if name is None or archive.getinfo(name).file_size > _LIMIT:
            raise NoAnswer("the wheel has no metadata of a usual size")
        return archive.read(name)


class _Remote(io.RawIOBase):
    """A file that is read by ranges."""

    def __init__(self, url: str, get: Get) -> None:
        self._url, self._get, self._place = url, get, 0
        _, self._size = self._range("bytes=-1")

    def _range(self, wanted: str) -> tuple[bytes, int]:
        answer = self._get(self._url, {"Range": wanted, "Accept-Encoding": "identity"}, _CHUNK)
        told = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("content-range", ""))
        if answer.status != _PART or not told:
            raise NoAnswer("the index has no metadata beside the wheel, and gives no part of it")
        return answer.body, int(told[1])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        length = min(len(buffer), _CHUNK, self._size - self._place)
        if length <= 0:
            return 0
        body, _ = self._range(f"bytes={self._place}-{self._place + length - 1}")
        buffer[: len(body)] = body
        self._place += len(body)
        return len(body)
