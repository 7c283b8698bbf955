"""Which indexes this host installs from: what was asked for, then what pip and uv are set to, then uv's own default."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import msgspec.toml  # tomllib, or on Python 3.10 tomli

from provision import model
from provision.engine import pip_config
from provision.errors import InputError
from provision.files import read_file
from provision.model.base import Value

# `uv pip compile --help`: "--default-index <DEFAULT_INDEX>  The default package index (by default: <https://...>)"
_DEFAULT: Final = r"--default-index\b[^<]*<\w+>[^<]*<(https://[^>\s]+)>"


class Indexes(Value):
    """Addresses of indexes, the default one first."""

    urls: tuple[str, ...]
    left_out: tuple[str, ...] = ()  # what is set and cannot be asked, by the name of its setting


def indexes_of(
    network: model.Network, environment: Mapping[str, str], help_of_uv: Callable[[], str], root: Path = Path("/")
) -> Indexes:
    """Return the indexes of this host.

    Args:
        network: what was asked for: it comes first.
        environment: of the process: the variables of pip and uv.
        help_of_uv: returns the words in which uv tells its options; asked where nothing names a default index.
        root: where the configuration files lie.

    Raises:
        InputError: KGE-258, no index is set, and uv does not tell its own.
    """
    pip, uv = pip_config.settings(environment, root), _of_uv(environment, root)
    default = network.index_url or pip.index_url or uv[0] or _default_of(help_of_uv)
    extra = network.extra_index_urls or (*pip.extra_index_urls, *uv[1])
    every = tuple(dict.fromkeys((default, *extra)))
    asked = tuple(url for url in every if url.startswith(("https://", "http://")))
    left_out = tuple("an index that is a folder" for url in every if url not in asked)
    if not asked:
        raise _none("no index on the network is set")
    return Indexes(urls=asked, left_out=left_out)


def _of_uv(environment: Mapping[str, str], root: Path) -> tuple[str, list[str]]:
    """Return uv's default index, or "", and its further ones."""
    default, extra = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or "", []
    words = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}".split()
    extra += [word.partition("=")[2] if re.match(r"[\w-]+=", word) else word for word in words]
    for path in _uv_files(environment, root):
        given = _read(path)
        default = default or str(given.get("index-url") or "")
        listed = given.get("index")
        for one in listed if isinstance(listed, list) else ():
            url = str(one.get("url") or "") if isinstance(one, dict) else ""
            if url and one.get("default"):
                default = default or url
            elif url:
                extra.append(url)
    return default, extra


def _uv_files(environment: Mapping[str, str], root: Path) -> list[Path]:
    if named := environment.get("UV_CONFIG_FILE"):
        return [Path(named)]
    home = environment.get("HOME")
    own = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    return [*([Path(own) / "uv/uv.toml"] if own else []), root / "etc/uv/uv.toml"]


def _read(path: Path) -> dict[str, object]:
    try:
        found = msgspec.toml.decode(read_file(path))
    except (OSError, msgspec.DecodeError, ValueError):
        return {}  # there is none, or uv itself will tell what is wrong with it
    return found if isinstance(found, dict) else {}


def _default_of(help_of_uv: Callable[[], str]) -> str:
    found = re.search(_DEFAULT, help_of_uv())
    if not found:
        raise _none("nothing names one, and uv does not tell its own default")
    return found[1]


def _none(why: str) -> InputError:
    fix = "name one: network: index_url in kgpu-env.yaml, or PIP_INDEX_URL"
    return InputError("KGE-258", "There is no package index to ask.", cause=why, fix=fix)
