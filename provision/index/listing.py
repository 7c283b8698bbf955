"""A project's files from an index: the Simple API, as JSON (PEP 691) or as HTML (PEP 503)."""

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from provision.model.base import parse_json
from provision.model.published import Published, PublishedFile
from provision.registry.client import Get

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_LIMIT: Final = 64 * 1024 * 1024  # the largest lists have some megabytes
_OK, _NOT_FOUND = 200, 404
_HTML_LIMIT: Final = 100_000  # anchors


class NoAnswer(Exception):  # noqa: N818 - it is no error of the program: nothing is known then
    """An index does not tell what it has of a project; the text says why."""


def listing(project: str, indexes: tuple[str, ...], get: Get) -> Published:
    """Return what the indexes have of a project together; empty where each says that it has nothing.

    Args:
        project: its name.
        indexes: their addresses, each with the projects below it.
        get: fetches.

    Raises:
        NoAnswer: one of them does not answer, or with something else, and the others do not have the project.
    """
    files: list[PublishedFile] = []
    silent = ""
    for index in indexes:
        try:
            files += _listed(project, index, get)
        except NoAnswer as error:
            silent = silent or str(error)
    if silent and not files:
        raise NoAnswer(silent)
    return Published(files=tuple(files))


def _listed(project: str, index: str, get: Get) -> list[PublishedFile]:
    address = f"{index.rstrip('/')}/{canonicalize_name(project)}/"
    try:
        answer = get(address, {"Accept": _ACCEPT}, _LIMIT)
    except OSError as error:
        raise NoAnswer(str(error)) from error
    if answer.status == _NOT_FOUND:
        return []
    if answer.status != _OK:
        raise NoAnswer(f"it answers with status {answer.status}")
    kind = answer.headers.get("content-type", "")
    rows = _of_json(answer.body) if "json" in kind else _of_html(answer.body)
    return [file for row in rows if (file := _file(project, address, row))]


def _of_json(body: bytes) -> Iterator[Mapping[str, object]]:
    try:
        found = parse_json(body)
    except ValueError as error:
        raise NoAnswer("its answer is no list of files") from error
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, list):
        raise NoAnswer("its answer is no list of files")
    yield from (one for one in files if isinstance(one, dict))


def _of_html(body: bytes) -> Iterator[Mapping[str, object]]:
    reader = _Anchors()
    reader.feed(body.decode("utf-8", "replace"))
    yield from reader.found


class _Anchors(HTMLParser):
    """The links of a page, in the shape of the JSON answer."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, object]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link."""
        values = dict(attrs)
        href = values.get("href")
        if tag != "a" or not href or len(self.found) >= _HTML_LIMIT:
            return
        name = unquote(urlsplit(href).path.rpartition("/")[2])
        yanked = (values["data-yanked"] or True) if "data-yanked" in values else False
        self.found.append({"filename": name, "url": href, "yanked": yanked})


def _file(project: str, address: str, row: Mapping[str, object]) -> PublishedFile | None:
    """Return a file of the project, or None for what is none."""
    name, url, yanked = row.get("filename"), row.get("url"), row.get("yanked", False)
    if not isinstance(name, str) or not isinstance(url, str):
        return None
    try:
        wheel = name.endswith(".whl")
        own, version = parse_wheel_filename(name)[:2] if wheel else parse_sdist_filename(name)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    if own != canonicalize_name(project):
        return None
    why = None if yanked is False or yanked is None else (yanked if isinstance(yanked, str) else "")
    return PublishedFile(name=name, version=str(version), url=urljoin(address, url), yanked=why)
