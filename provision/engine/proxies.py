"""The proxies of this host: its environment's, those that docker hands to containers, and apt's own."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from provision.files import read_file
from provision.model.base import parse_json

# Each variable with its key in docker's config.json: https://docs.docker.com/engine/cli/proxy/ (checked 2026-11-29)
VARIABLES: Final = {
    "HTTP_PROXY": "httpProxy",
    "HTTPS_PROXY": "httpsProxy",
    "FTP_PROXY": "ftpProxy",
    "ALL_PROXY": "allProxy",
    "NO_PROXY": "noProxy",
}
_APT_PROXY = re.compile(r"Acquire::(?P<name>(?:http|https|ftp)::Proxy(?:::[A-Za-z0-9.-]+)?)", re.IGNORECASE)
_APT_TOKEN = re.compile(r'//[^\n]*|#[^\n]*|/\*.*?\*/|"[^"\n]*"|[{};]|(?:(?!//|/\*)[^\s{};"])+', re.DOTALL)


def host_proxies(environment: Mapping[str, str], docker: Path, engine: str = "") -> dict[str, str]:
    """Return the proxies by variable: those that docker hands to containers, or else the environment's.

    Args:
        environment: HTTP_PROXY and its like, in large or small letters.
        docker: the folder of docker's config.json.
        engine: its address, for which other proxies may be set there.
    """
    own = _of_docker(docker, engine)
    if own:
        return own
    return {name: found for name in VARIABLES if (found := environment.get(name) or environment.get(name.lower()))}


def _of_docker(docker: Path, engine: str) -> dict[str, str]:
    try:
        found: Any = parse_json(read_file(docker / "config.json"))
        proxies = found["proxies"]
        keys = proxies.get(engine) or proxies["default"]
        return {name: str(keys[key]) for name, key in VARIABLES.items() if keys.get(key)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, or not docker's: none are set
        return {}


def apt_proxies(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the proxies of apt's own files, the later winning: ("http::Proxy", "http://cache:3142").

    Source: apt.conf(5). What a program would have to be asked for (Proxy-Auto-Detect) is left to that host.
    """
    found: dict[str, str] = {}
    for path in [*sorted((root / "etc/apt/apt.conf.d").glob("*")), root / "etc/apt/apt.conf"]:
        try:
            text = read_file(path).decode("utf-8", "replace")
        except OSError:
            continue
        if path.suffix in {"", ".conf"}:
            found |= dict(_apt_values(text))
    for name, value in found.items():
        kept = _APT_PROXY.fullmatch(name)
        if kept and value and '"' not in value and value.isprintable():
            yield kept["name"], value


def apt_variables(root: Path) -> dict[str, str]:
    """Return apt's proxies by the variables of other programs; an empty value means that none is used."""
    kept = {"http::Proxy": "HTTP_PROXY", "https::Proxy": "HTTPS_PROXY"}
    found = ((kept.get(name), url) for name, url in apt_proxies(root))
    return {name: "" if url == "DIRECT" else url for name, url in found if name}


def _apt_values(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a file: the line `A::B "c";` and the block `A { B "c"; };` say the same."""
    scopes: list[str] = []
    words: list[str] = []
    for token in _APT_TOKEN.finditer(text):
        word = token[0]
        if word == "{":
            scopes.append("".join(words[:1]))
            words = []
        elif word in {";", "}"}:
            if len(words) > 1:
                yield "::".join([*scopes, words[0]]), words[1]
            words = []
            if word == "}" and scopes:
                scopes.pop()
        elif not word.startswith(("//", "/*", "#")):
            words.append(word.strip('"'))


def apt_settings(ca: str | None, proxies: Mapping[str, str]) -> str:
    """Return the content of an apt.conf."""
    lines = [f"Acquire::https::CAInfo {json.dumps(ca)};"] if ca else []
    lines += [f"Acquire::{name} {json.dumps(value)};" for name, value in proxies.items()]
    return "\n".join([*lines, ""])
