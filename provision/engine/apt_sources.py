"""The machine's own apt sources, cut down to what a Debian base of one suite needs; pure but for reading.

Formats: sources.list(5), one line per source (.list) and deb822 stanzas (.sources).
"""

import re
from pathlib import Path

from provision.files import read_file

ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
FIELD = re.compile(r"(?P<name>[A-Za-z-]+):[ \t]*(?P<value>.*)")


def suites(suite: str) -> frozenset[str]:
    """The suite and those that go with it; nothing that an administrator added beside Debian."""
    return frozenset({suite, f"{suite}-updates", f"{suite}-security", f"{suite}/updates"})


def one_line_sources(text: str, suite: str) -> list[str]:
    """Return the lines of a sources.list that serve `suite` with Debian's main component."""
    found = []
    for line in text.splitlines():
        entry = line.partition("#")[0].strip()
        match = ONE_LINE.fullmatch(entry)
        if match and match["suite"] in suites(suite) and "main" in match["components"].split():
            found.append(entry)
    return found


def stanza_sources(text: str, suite: str) -> list[str]:
    """Return the deb822 stanzas that serve `suite`, each with the other suites taken out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    stanzas = re.split(r"\n[ \t]*\n", "\n".join(lines))
    return [kept for kept in (_stanza(stanza.strip("\n"), suite) for stanza in stanzas) if kept]


def _stanza(stanza: str, suite: str) -> str:
    fields = _fields(stanza)
    mine = [word for word in fields.get("suites", "").split() if word in suites(suite)]
    wanted = (
        "deb" in fields.get("types", "").split()
        and "main" in fields.get("components", "").split()
        and fields.get("enabled", "yes").strip().lower() not in {"no", "false", "0"}
    )
    if not (mine and wanted):
        return ""
    fields |= {"types": "deb", "suites": " ".join(mine)}
    return "".join(f"{name.title()}: {value}\n" for name, value in fields.items())


def _fields(stanza: str) -> dict[str, str]:
    """The fields of a stanza by lower-case name; continuation lines stay as they are (inline keys)."""
    fields: dict[str, str] = {}
    last = ""
    for line in stanza.splitlines():
        match = FIELD.fullmatch(line)
        if match:
            last = match["name"].lower()
            fields[last] = match["value"]
        elif last and line[:1] in {" ", "\t"}:
            fields[last] += "\n" + line
    return fields


def machine_sources(suite: str, apt: Path = Path("/etc/apt")) -> tuple[list[str], list[str]]:
    """Return (one-line sources, deb822 stanzas) of this machine for `suite`; unreadable files are skipped."""
    lines: list[str] = []
    stanzas: list[str] = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        try:
            text = read_file(path).decode() if path.suffix in {".list", ".sources"} else ""
        except (OSError, UnicodeDecodeError):
            continue
        if path.suffix == ".list":
            lines += one_line_sources(text, suite)
        else:
            stanzas += stanza_sources(text, suite)
    return lines, stanzas


def first_mirror(suite: str, apt: Path = Path("/etc/apt")) -> str:
    """Return the address of the mirror that this machine gets `suite` from, or "" where it is none of the network."""
    lines, stanzas = machine_sources(suite, apt)
    matches = (ONE_LINE.fullmatch(line) for line in lines)
    found = [match["uri"] for match in matches if match and match["suite"] == suite]
    found += [uri for one in map(_fields, stanzas) if suite in one["suites"].split() for uri in one["uris"].split()]
    return next((uri for uri in found if uri.startswith(("http://", "https://"))), "")
