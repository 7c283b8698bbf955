"""Image references, read as engines and registries read them; see github.com/distribution/reference."""

import re
from collections.abc import Mapping
from typing import Final

from provision.errors import UsageError
from provision.model.base import Value

FORM: Final = "NAME, NAME:TAG or HOST:PORT/NAME:TAG, the name in lower case"  # what a person may write
HUB: Final = "docker.io"  # what a name without a registry means
# Patterns stay text: compiled when an image is named.
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_WORD}(?:\.{_WORD})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = (
    rf"(?P<name>(?:(?P<host>{_HOST})/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LONGEST = 255  # characters of a name
_PLACE = rf"{_HOST}(?:/{_PART})*/?"


class Reference(Value):
    """What an image is called: a name, and a tag, a digest, both or neither.

    >>> found = parse_reference("debian:12")
    >>> found.registry, found.repository, found.version
    ('docker.io', 'library/debian', '12')
    """

    name: str  # as it was written, without tag and digest: "debian", "localhost:5000/team/keras"
    tag: str = ""
    digest: str = ""  # "sha256:..."

    @property
    def written_registry(self) -> str:
        """The registry that the name begins with, with its port; empty where it names none."""
        first, slash, _ = self.name.partition("/")
        return first if slash and _is_host(first) else ""

    @property
    def registry(self) -> str:
        """The registry that the image is in, with its port."""
        written = self.written_registry
        return HUB if written in {"", f"index.{HUB}"} else written

    @property
    def repository(self) -> str:
        """The name within the registry; Docker Hub's own images are in "library"."""
        written = self.written_registry
        path = self.name.removeprefix(f"{written}/") if written else self.name
        return f"library/{path}" if self.registry == HUB and "/" not in path else path

    @property
    def version(self) -> str:
        """What is asked of the repository: the digest, which leaves no choice, or else the tag."""
        return self.digest or self.tag or "latest"


def reference_of(text: str) -> Reference | None:
    """Return the parts of "nvidia/cuda:12.6.3-base" or "localhost:5000/x@sha256:..."; None where it names no image."""
    match = re.fullmatch(_REFERENCE, text, flags=re.ASCII)
    if match is None or len(match["name"]) > _LONGEST:
        return None
    host = match["host"]
    if host and not _is_host(host) and not re.fullmatch(_PART, host):  # no host, but a part: "Team/image"
        return None
    return Reference(name=match["name"], tag=match["tag"] or "", digest=match["digest"] or "")


def parse_reference(text: str) -> Reference:
    """Return the parts of an image reference.

    Raises:
        UsageError: KGE-411, the text cannot name an image.
    """
    found = reference_of(text)
    if found is None:
        raise UsageError("KGE-411", f"{text!r} is no image reference.", fix=f"give {FORM}")
    return found


def rewrite(text: str, registries: Mapping[str, str]) -> str:
    """Return a reference with its registry replaced as `registries` says, "docker.io" to "mirror.example:5000/hub".

    Raises:
        UsageError: KGE-411, the text cannot name an image.
    """
    found = parse_reference(text)
    mirror = registries.get(found.registry)
    if not mirror:
        return text
    return f"{mirror.rstrip('/')}/{found.repository}{text.removeprefix(found.name)}"


def is_place(text: str) -> bool:
    """Tell whether a text can stand before an image's name: a registry, or a folder of one."""
    return re.fullmatch(_PLACE, text, flags=re.ASCII) is not None


def _is_host(word: str) -> bool:
    return word == "localhost" or "." in word or ":" in word
