"""What of others' text reaches the terminal: no control characters, nothing that reorders a line, no passwords."""

from typing import Final

from provision.redaction import redacted

# What a terminal obeys (C0 and C1 controls but tab and newline), what turns or breaks a line (UAX 9: bidirectional
# marks, embeddings, overrides, isolates; line and paragraph separators), and what is there and cannot be seen.
_RANGES: Final = (
    *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E)),
    *((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
    *((0xE0000, 0xE007F),),
)
_NUMBERS: Final = tuple(number for first, last in _RANGES for number in range(first, last + 1))


def _shown(number: int) -> str:
    """Return the escape of Python."""
    character = chr(number)
    return f"\\x{number:02x}" if character.isascii() else character.encode("ascii", "backslashreplace").decode()


def _in_json(number: int) -> str:
    """Return the escape of JSON, which has 16 bits: two of them for a character of a higher plane."""
    above = number - 0x10000  # RFC 8259, 7; not by a codec: in a folder that is gone Python 3.13.0 loads none
    words = (number,) if above < 0 else (0xD800 | above >> 10, 0xDC00 | above & 0x3FF)
    return "".join(f"\\u{word:04x}" for word in words)


_PLAIN: Final = {number: _shown(number) for number in _NUMBERS}
_JSON: Final = {number: _in_json(number) for number in _NUMBERS}


def plain(text: str) -> str:
    """Return `text` with escapes for what a terminal should not get, and `***` for passwords."""
    return _writable(redacted(text).translate(_PLAIN))


def plain_json(text: str) -> str:
    """Return a JSON document that says the same as `text`, without passwords, and is safe on a terminal."""
    return _writable(redacted(text).translate(_JSON))


def _writable(text: str) -> str:
    """Return `text` with escapes for halves of characters, which no encoding can write."""
    return text.encode("utf-8", "backslashreplace").decode()
