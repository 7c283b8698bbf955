"""The package indexes that uv is configured to use on this host.

Order and places: https://docs.astral.sh/uv/concepts/configuration-files/ (checked 2026-11-29). Variables win over the
project's file, that over the user's, and that over the system's.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from provision.engine.index_settings import IndexSettings, merged
from provision.files import read_file


def settings(environment: Mapping[str, str], root: Path = Path("/"), folder: Path | None = None) -> IndexSettings:
    """Return uv's index settings from its variables and files; an unreadable file is passed over.

    Args:
        environment: UV_*, HOME, XDG_CONFIG_HOME and XDG_CONFIG_DIRS.
        root: of the file system.
        folder: where uv would be started; it and those above may hold a project's settings. None: nowhere.
    """
    found = [_of_variables(environment)]
    found += [_of_table(table, environment) for table in _tables(environment, root, folder)]
    return merged(*found)


def _of_variables(environment: Mapping[str, str]) -> IndexSettings:
    def words(*names: str) -> tuple[str, ...]:
        return tuple(word for name in names for word in re.split(r"[\s,]+", environment.get(name, "")) if word)

    default = words("UV_DEFAULT_INDEX", "UV_INDEX_URL")
    return IndexSettings(
        index_url=_named(default[0], environment) if default else None,
        extra_index_urls=tuple(_named(word, environment) for word in words("UV_INDEX", "UV_EXTRA_INDEX_URL")),
        find_links=words("UV_FIND_LINKS"),
        trusted_hosts=words("UV_INSECURE_HOST"),
    )


def _named(word: str, environment: Mapping[str, str]) -> str:
    """Return the address in "name=address", with the login that variables give to an index of that name."""
    name, equals, url = word.partition("=")
    return _with_login(name, url, environment) if equals and "/" not in name else word


def _with_login(name: str, url: str, environment: Mapping[str, str]) -> str:
    from provision.engine.index_logins import with_login  # noqa: PLC0415 - it imports much, and most have no login

    key = re.sub(r"[^A-Z0-9]", "_", name.upper())
    user, password = (environment.get(f"UV_INDEX_{key}_{part}") for part in ("USERNAME", "PASSWORD"))
    return with_login(url, user or "", password or "") if user or password else url


def _tables(environment: Mapping[str, str], root: Path, folder: Path | None) -> Iterator[Mapping[str, Any]]:
    """Yield the settings of each file that uv reads, the one that wins first."""
    named = environment.get("UV_CONFIG_FILE")
    if named:  # it alone
        yield _read(Path(named))
        return
    if environment.get("UV_NO_CONFIG"):
        return
    for place in (folder, *folder.parents) if folder else ():
        own = _read(place / "uv.toml") or _object(_object(_read(place / "pyproject.toml"), "tool"), "uv")
        if own:
            yield own
            break
    home = environment.get("HOME")
    user = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    if user:
        yield _read(Path(user) / "uv/uv.toml")
    for one in (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"):
        yield _read(root / one.lstrip("/") / "uv/uv.toml")
    yield _read(root / "etc/uv/uv.toml")


def _of_table(table: Mapping[str, Any], environment: Mapping[str, str]) -> IndexSettings:
    """Return what a file's settings say; its section for `uv pip` wins over the rest."""
    indexes = [one for one in _array(table, "index") if isinstance(one, dict) and not one.get("explicit")]
    urls = [(_with_login(str(one.get("name", "")), str(one.get("url", "")), environment), one) for one in indexes]
    pip = _object(table, "pip")
    default = [url for url, one in urls if one.get("default")]
    return merged(
        _plain(pip),
        IndexSettings(
            index_url=default[0] if default else None,
            extra_index_urls=tuple(url for url, one in urls if not one.get("default")),
        ),
        _plain(table),
    )


def _plain(table: Mapping[str, Any]) -> IndexSettings:
    index = table.get("index-url")
    return IndexSettings(
        index_url=index if isinstance(index, str) else None,
        extra_index_urls=_texts(table, "extra-index-url"),
        find_links=_texts(table, "find-links"),
        trusted_hosts=_texts(table, "allow-insecure-host"),
    )


def _array(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(one for one in _array(table, key) if isinstance(one, str))


def _object(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = msgspec.toml.decode(read_file(path))
    except (OSError, ValueError, RecursionError):  # what uv itself refuses, it tells; a build may not need it
        return {}
    return found if isinstance(found, dict) else {}
