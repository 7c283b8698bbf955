"""The package indexes that pip is configured to use on this host.

Order and places: https://pip.pypa.io/en/stable/topics/configuration/ (later ones win, variables over files).
"""

import configparser
from collections.abc import Iterator, Mapping
from pathlib import Path

from provision.engine.index_settings import IndexSettings
from provision.files import read_file

KEYS = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert", "proxy")
SECTIONS = ("global", "install")  # what `pip install` reads, the later wins


def settings(environment: Mapping[str, str], root: Path = Path("/")) -> IndexSettings:
    """Return pip's index settings from its files and variables; an unreadable file is passed over."""
    found: dict[str, str] = {}
    for path in _files(environment, root):
        found |= _read(path)
    for key in KEYS:
        value = environment.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = value
    return IndexSettings(
        index_url=found.get("index-url") or None,
        extra_index_urls=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
        trusted_hosts=tuple(found.get("trusted-host", "").split()),
        ca_bundle=found.get("cert") or None,
        proxy=found.get("proxy") or None,
    )


def _files(environment: Mapping[str, str], root: Path) -> Iterator[Path]:
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == "/dev/null":  # pip's documented way to switch all files off
        return
    for folder in reversed((environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        if folder:
            yield root / folder.lstrip("/") / "pip/pip.conf"
    yield root / "etc/pip.conf"
    home = environment.get("HOME")
    if home:
        yield Path(home) / ".pip/pip.conf"
        yield Path(environment.get("XDG_CONFIG_HOME") or f"{home}/.config") / "pip/pip.conf"
    if environment.get("VIRTUAL_ENV"):
        yield Path(environment["VIRTUAL_ENV"]) / "pip.conf"
    if chosen:
        yield Path(chosen)


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_file(path).decode())
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    found: dict[str, str] = {}
    for section in SECTIONS:
        if parser.has_section(section):
            found |= {key.replace("_", "-"): value for key, value in parser.items(section) if value}
    return {key: found[key] for key in KEYS if key in found}
