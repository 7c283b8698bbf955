"""The lines of a requirements file.

pip documents the format: pip.pypa.io/en/stable/reference/requirements-file-format.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from provision.catalogue.rows import FrameworkIndex
from provision.model.wanted import Entry
from provision.requirements.problems import other_index, unusable

MOST: Final = 5000  # requirements of one project; the largest frozen ones have some hundreds
_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+\}")
_OWN_OPTIONS = re.compile(r"\s--(?=hash|config-setting|global-option)")
_HASH = re.compile(r"^hash(?:=|\s+)(sha256:[0-9a-f]{64})$")
_REMOTE = re.compile(r"^(?:git|hg|svn|bzr)\+|^https?://|^ftp://")
_PATH = re.compile(r"^\.{0,2}/|^\.{1,2}$|^~|^file:|\.(?:whl|tar\.gz|zip)$|^\.{1,2}\[")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")
ARCHIVES: Final = (".whl", ".tar.gz", ".zip")

Kind = Literal["requirement", "include", "constraint", "path", "prereleases", "ignored", "note"]
# What each option is to us, by its names. A line with another option is refused.
_OPTIONS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("-r", "--requirement"), "include"),
    **dict.fromkeys(("-c", "--constraint"), "constraint"),
    **dict.fromkeys(("-e", "--editable"), "path"),
    "--pre": "prereleases",
    # All is checked by hash here, wheels are preferred, and the last ones are about the installer alone.
    **dict.fromkeys(("--require-hashes", "--prefer-binary", "--use-feature", "--use-pep517"), "ignored"),
    **dict.fromkeys(("--only-binary", "--no-binary", "--no-build-isolation"), "ignored"),
}
_INDEX_OPTIONS: Final = (
    *("-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host"),
)
_PYPI: Final = r"https://pypi\.(python\.)?org/simple"  # what holds anyway


class Line(NamedTuple):
    """What one line asks for."""

    kind: Kind
    text: str  # a requirement, a path, an option's name
    source: str
    hashes: tuple[str, ...] = ()

    @property
    def entry(self) -> Entry:
        """The line as a requirement."""
        return Entry(text=self.text, source=self.source, hashes=self.hashes)


def lines(text: str, name: str, indexes: Sequence[FrameworkIndex] = ()) -> Iterator[Line]:
    """Yield what the lines of a requirements file ask for.

    Args:
        text: of the file.
        name: of the file, for messages.
        indexes: those of frameworks, which a stack brings: a line that names one is left out, with a note.

    Raises:
        InputError: KGE-617, a line that cannot be used; KGE-618, one that changes the index.
    """
    for count, (number, line) in enumerate(_joined(text), 1):
        source = f"{name}, line {number}"
        if count > MOST:
            cause = f"it has more than {MOST} requirements, and no project needs so many"
            raise unusable(source, line, cause, "name the project's own requirements file")
        if found := _VARIABLE.search(line):
            cause = f"{found[0]} stands for a value of one machine's environment"
            raise unusable(
                source, line, cause, "write the value itself; for an index or a password: network in kgpu-env.yaml"
            )
        if not line.isprintable():
            raise unusable(source, line, "it has characters that cannot be printed", "write the line anew")
        yield from _option(line, source, indexes) if line.startswith("-") else (_requirement(line, source),)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, continued ones as one, each with the number of its first."""
    held, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first if held else number
        line = _COMMENT.sub("", raw)
        if line.endswith("\\") and not raw.lstrip().startswith("#"):
            held += f"{line[:-1].strip()} "
            continue
        whole, held = f"{held}{line}".strip(), ""
        if whole:
            yield first, whole.replace("\t", " ")
    if held.strip():
        yield first, held.strip()


def _option(line: str, source: str, indexes: Sequence[FrameworkIndex]) -> Iterator[Line]:
    option, value = _split(line)
    if option in _INDEX_OPTIONS:
        yield from _index(option, value, source, indexes)
        return
    kind = _OPTIONS.get(option)
    if kind is None:
        raise unusable(source, line, f"the option {option} is not known here", "take the line out")
    if kind in {"include", "constraint", "path"} and not value:
        raise unusable(source, line, f"{option} names nothing", "write the file or folder behind it")
    if kind == "path" and _REMOTE.match(value):
        yield _requirement(value, source)  # a checkout of its own has no place in an image: it is installed
        return
    yield Line(kind, value.strip("\"'") if kind != "ignored" else option, source)


def _index(option: str, value: str, source: str, indexes: Sequence[FrameworkIndex]) -> Iterator[Line]:
    address = value.strip("\"'").rstrip("/")
    if re.fullmatch(_PYPI, address):
        return
    row = next((one for one in indexes if re.fullmatch(one.pattern, address)), None)
    if row is None:
        raise other_index(source, option)
    yield Line("note", f"{option} is left out: the stack brings {row.brings} for this host's GPU", source)


def _split(line: str) -> tuple[str, str]:
    """Return an option and its value: "-r x", "-rx", "--requirement=x"."""
    word, _, rest = line.partition(" ")
    if word.startswith("--"):
        option, _, value = word.partition("=")
        return option, value or rest.strip()
    return word[:2], word[2:].lstrip("=") or rest.strip()


def _requirement(line: str, source: str) -> Line:
    text, *options = _OWN_OPTIONS.split(f"{line} ")
    text, hashes = text.strip(), tuple(found[1] for one in options if (found := _HASH.match(one.strip())))
    if any(one.startswith("hash") and not _HASH.match(one.strip()) for one in options):
        raise unusable(source, line, "a hash is not sha256: and 64 digits", "lock the file anew, with sha256")
    if _REMOTE.match(text):
        if " " in text.partition(" ; ")[0]:
            raise unusable(source, text, "an address has no spaces", "write a marker behind a space and a semicolon")
        return Line("requirement", _named(text), source, hashes)
    if _PATH.search(text.partition(";")[0].strip()) and "@" not in text.partition("/")[0]:
        return Line("path", text.partition(";")[0].strip(), source, hashes)
    try:
        named = Requirement(text)
    except InvalidRequirement as error:
        cause = str(error).splitlines()[0]
        raise unusable(source, text, cause, 'write it as PEP 508 does: "pandas", "pandas>=2.2"') from error
    if named.url and not _REMOTE.match(named.url):
        extras = f"[{','.join(sorted(named.extras))}]" if named.extras else ""
        return Line("path", f"{named.url}{extras}", source, hashes)
    return Line("requirement", str(named), source, hashes)


def _named(address: str) -> str:
    """Return the address of a package as PEP 508 writes it, where the address tells its name."""
    if found := _EGG.search(address):
        return f"{found[1]} @ {_EGG.sub('', address)}"
    place = PurePosixPath(re.split(r"[#?]", address)[0]).name
    if not place.endswith(".whl"):
        return address
    try:
        return f"{parse_wheel_filename(place)[0]} @ {address}"
    except InvalidWheelFilename:
        return address
