"""The text of a log in the form in which rows match it.

People paste what they see: with colours, with the prefixes of compose, of a container's log or of a quotation, from
JSON, from a Windows console, wrapped at the width of a terminal, and with the system's errors in their own language.
"""

import codecs
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from provision.catalogue.yaml_file import read_yaml

WRAPPED: Final = 60  # characters: a line that a terminal broke has at least so many
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_COLOURS: Final = re.compile(r"(\x1b|\^\[)\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b[@-_]")
_PREFIX: Final = re.compile(
    r"\s*(> ?|[\w.-]+ +\| |\[pod/[^\]]+\] |\d{4}-\d\d-\d\dT\S+ (stdout|stderr) [FP] |#\d+ [\d.]+ |\d+: )"
)
_ESCAPED: Final = re.compile(r'(^\s*|=> )\{"|\bmsg="')  # JSON, or a program's structured log
_QUOTES: Final = str.maketrans("\u2018\u2019\u201c\u201d\u00a0", "''\"\" ")


def decode(data: bytes) -> str:
    """Return the text of a log: UTF-16 of a Windows console or UTF-8, undecodable bytes replaced."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a log without colours, prefixes and the escapes of JSON."""
    for line in text.splitlines():
        yield from _plain(line)


def _plain(line: str) -> Iterator[str]:
    clean = _COLOURS.sub("", line).translate(_QUOTES)
    parts = re.sub(r'\\+"', '"', clean).split("\\n") if _ESCAPED.search(clean) else [clean]
    for part in parts:
        found = part
        while match := _PREFIX.match(found):
            found = found[match.end() :]
        yield found.strip()


def english(line: str) -> str:
    """Return a line with the system's own words in English, where it has them in another language."""
    for foreign, pattern, word in _words(line.isascii()):
        if foreign in line:
            line = pattern.sub(word, line)
    return line


@cache
def _words(is_ascii: bool) -> tuple[tuple[str, re.Pattern[str], str], ...]:  # noqa: FBT001 - a property of the line
    """Return what tells that foreign words are there, their pattern, and the English ones: the longest first."""
    raw = read_yaml(Path(__file__).with_name("system_words.yaml"))
    table = msgspec.convert(raw, dict[str, tuple[str, ...]])
    pairs = [(one, word) for word, foreign in table.items() for one in foreign if one.isascii() or not is_ascii]
    return tuple(_word(*pair) for pair in sorted(pairs, key=lambda pair: -len(pair[0])))


def _word(foreign: str, word: str) -> tuple[str, re.Pattern[str], str]:
    """Return one entry; %s stands for a name."""
    parts = foreign.split("%s")
    pattern = r"(\S+)".join(re.escape(part) for part in parts)
    return max(parts, key=len), re.compile(pattern), word.replace("%s", r"\1")
