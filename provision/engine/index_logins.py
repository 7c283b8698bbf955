"""Logins of package indexes as pip and uv find them: in the address, in netrc, in a keyring."""

import json
import netrc
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from provision.files import read_file

_SECONDS: Final = 10.0  # a keyring may wait for its owner
Ask = Callable[..., str]  # asks the keyring of this host: a service and a user; "" where it has nothing


def with_login(url: str, user: str, password: str) -> str:
    """Return an address with a user and a password, each encoded; one that has a password keeps it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    name = quote(user or unquote(parts.username or ""), safe="")
    return parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}").geturl()


def without_login(url: str) -> str:
    """Return an address without its user and password; what is none stays, for whoever refuses it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def netrc_of(urls: Iterable[str]) -> str:
    """Return the logins of addresses as a netrc, the first of each host; empty where none has one."""
    found: dict[str, str] = {}
    for url in urls:
        try:
            parts = urlsplit(url)
            host, user, secret = parts.hostname, unquote(parts.username or ""), unquote(parts.password or "")
        except ValueError:
            continue
        if host and (user or secret):
            words = (json.dumps(word, ensure_ascii=False) for word in (user, secret))
            found.setdefault(host, "machine {} login {} password {}\n".format(host, *words))
    return "".join(found.values())


def found_login(url: str, environment: Mapping[str, str], ask: Ask | None = None) -> str:
    """Return an address with the login that netrc or the keyring has for it, where it has none itself.

    Source: https://pip.pypa.io/en/stable/topics/authentication/ (checked 2026-11-29).

    Args:
        url: of a package index.
        environment: NETRC and HOME.
        ask: how a keyring is asked; by default the program of that name, where it is installed.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # no address: who uses it says so
        return url
    if parts.password or not host:
        return url
    user, password = _in_netrc(host, environment)
    if password and parts.username in (None, user):
        return with_login(url, user, password)
    if parts.username:
        asked = ask or partial(_keyring, environment)
        secret = asked(without_login(url), unquote(parts.username)) or asked(host, unquote(parts.username))
        return with_login(url, "", secret) if secret else url
    return url


def _in_netrc(host: str, environment: Mapping[str, str]) -> tuple[str, str]:
    home = environment.get("HOME")
    places = [environment["NETRC"]] if environment.get("NETRC") else [f"{home}/.netrc", f"{home}/_netrc"]
    for place in places:
        try:
            read_file(Path(place))  # a plain file: the library would wait for a pipe
            found = netrc.netrc(place).authenticators(host)
        except (OSError, ValueError, netrc.NetrcParseError):
            continue
        if found:
            return found[0] or "", found[2] or ""
    return "", ""


def _keyring(environment: Mapping[str, str], service: str, user: str) -> str:
    """Return a password of this host's keyring, or "" where there is no keyring or it has none."""
    program = shutil.which("keyring", path=environment.get("PATH"))
    if program is None:
        return ""
    try:
        ended = subprocess.run(  # noqa: S603 - the user's own program; no shell, and no secret among its words
            [program, "get", service, user],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ""
    return ended.stdout.rstrip("\r\n") if ended.returncode == 0 else ""
