"""How a build reaches package indexes from this host, in a form that leaves nothing in the image.

The files lie in the build context and are bind-mounted by the RUN lines that need them; proxies are build
arguments that BuildKit keeps out of history and cache keys.
"""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from provision import model
from provision.engine import pip_config, uv_config
from provision.engine.certificates import certificates, host_certificates
from provision.engine.connection import config_folder, shares
from provision.engine.index_logins import found_login, netrc_of, without_login
from provision.engine.index_settings import IndexSettings, merged
from provision.engine.proxies import apt_proxies, apt_settings, host_proxies
from provision.errors import InputError
from provision.model.base import Value
from provision.model.inside import NETWORK
from provision.render.dockerfile import LOGINS

_NOWHERE: Final = Path("/dev/null")  # below it there is no file


class BuildNetwork(Value):
    """What a build needs to reach the network; all empty on a host with direct access."""

    files: dict[str, bytes] = msgspec.field(default_factory=dict)  # network/ca.crt, network/uv.toml
    arguments: dict[str, str] = msgspec.field(default_factory=dict)  # proxies
    left_out: tuple[str, ...] = ()  # settings a container cannot use, by name and without their values
    host_network: bool = False  # the build has to share this host's loopback
    indexes: tuple[str, ...] = ()  # addresses of package indexes, with their logins; none: the installer's own default


class Surroundings(Value):
    """Of a host and its engine what decides how a build reaches the network."""

    root: Path = Path("/")  # of the file system
    folder: Path | None = None  # where the command runs: a project's uv settings may be there or above
    engine: model.Engine | None = None  # whose build it is, and for which docker may have proxies of its own
    on_host: bool = False  # what is built runs here, and reaches this host's own loopback


_HERE: Final = Surroundings()


def build_network(network: model.Network, environment: Mapping[str, str], around: Surroundings = _HERE) -> BuildNetwork:
    """Return the host's way to the network; `network` (flags, project file) wins over the host's settings.

    Args:
        network: what the user asked for.
        environment: the process environment.
        around: where the host's own settings are, and what its engine can do.

    Raises:
        InputError: KGE-601, the CA bundle asked for cannot be read or holds no certificate;
            KGE-602, an index URL that is none.
    """
    asked = IndexSettings(index_url=network.index_url, extra_index_urls=network.extra_index_urls)
    uv, pip = uv_config.settings(environment, around.root, around.folder), pip_config.settings(environment, around.root)
    configured = merged(asked, uv, pip)
    check = _Reachable(around)
    indexes = check.indexes(configured, environment)
    files: dict[str, bytes] = {}
    bundle = (
        certificates(Path(network.ca_bundle))
        if network.ca_bundle
        else host_certificates(environment, around.root, configured.ca_bundle)
    )
    if bundle:
        files["network/ca.crt"] = bundle
    if indexes != IndexSettings():
        files["network/uv.toml"] = _uv_settings(indexes).encode()
        files["network/pip.conf"] = _pip_settings(indexes).encode()  # pip fetches uv, and installs into AMD's images
    proxies = _asked(network.proxy) or host_proxies(
        environment, config_folder(environment), around.engine.address if around.engine else ""
    )
    arguments = check.proxies(proxies or _asked(configured.proxy))
    apt = {name: url for name, url in apt_proxies(around.root) if url == "DIRECT" or check.proxy(f"apt's {name}", url)}
    if bundle or apt:
        files["network/apt.conf"] = apt_settings(f"{NETWORK}/ca.crt" if bundle else None, apt).encode()
    return BuildNetwork(
        files=files,
        arguments=arguments,
        left_out=tuple(check.left_out),
        host_network=check.used,
        indexes=tuple(filter(None, (indexes.index_url, *indexes.extra_index_urls))),
    )


def asked_network(network: model.Network) -> BuildNetwork:
    """Return what was asked for alone, without anything of this host; raises as `build_network` does.

    These files are written down: logins are in one of their own, network/netrc, which git is told to leave out.
    """
    urls = [*filter(None, [network.index_url]), *network.extra_index_urls]
    plain = replace(
        network,
        index_url=network.index_url and without_login(network.index_url),
        extra_index_urls=tuple(map(without_login, network.extra_index_urls)),
    )
    found = build_network(plain, {"DOCKER_CONFIG": str(_NOWHERE)}, Surroundings(root=_NOWHERE))
    logins = netrc_of(urls)
    kept = {LOGINS: logins.encode()} if logins else {}
    ignored = {"network/.gitignore": b"netrc\n"} if "network/uv.toml" in found.files else {}
    return replace(found, files={**found.files, **ignored, **kept})


def written_proxies(network: model.Network, environment: Mapping[str, str], engine: str = "") -> dict[str, str]:
    """Return the proxies for a file that others read: one with a login, or of this host, by the variable that has it.

    What docker hands to builds and containers by itself (its config.json) is not repeated.

    Args:
        network: what was asked for.
        environment: the process environment.
        engine: its address, for which docker may have proxies of its own.
    """
    asked = _asked(network.proxy)
    if not asked and host_proxies({}, config_folder(environment), engine):
        return {}
    check = _Reachable(_HERE)
    found: dict[str, str] = {}
    for name, value in (asked or host_proxies(environment, _NOWHERE)).items():
        if name != "NO_PROXY" and not check.proxy(name, value):
            continue
        own = name.lower() if name.lower() in environment and name not in environment else name
        text = value if asked and "@" not in value else f"${{localEnv:{own}}}"
        found |= {name: text, name.lower(): text}
    return found if found.keys() - {"NO_PROXY", "no_proxy"} else {}


def shares_loopback(engine: model.Engine) -> bool:
    """Tell whether a build of an engine can be given this process's loopback."""
    apart = engine.rootless or "Docker Desktop" in engine.system  # behind a network of their own
    return not apart and shares(engine.address, "net")


def _asked(proxy: str | None) -> dict[str, str]:
    return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy} if proxy else {}


class _Reachable:
    """Sorts out what a build can reach; remembers what is left out, and whether the host's loopback is used."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.left_out: list[str] = []
        self.used = False

    def indexes(self, found: IndexSettings, environment: Mapping[str, str]) -> IndexSettings:
        """Where packages come from; all empty when the installers' own defaults are right."""

        def reached(setting: str, urls: Iterable[str]) -> tuple[str, ...]:
            known = (found_login(url, environment) for url in filter(None, urls))
            return tuple(url for url in known if self._index(setting, url))

        index = reached("index-url", [found.index_url or ""])
        return IndexSettings(
            index_url=index[0] if index else None,
            extra_index_urls=reached("extra-index-url", found.extra_index_urls),
            find_links=reached("find-links", found.find_links),
            trusted_hosts=tuple(one for one in found.trusted_hosts if one.isprintable() and " " not in one),
        )

    def _index(self, setting: str, url: str) -> bool:
        """Tell whether a build can reach `url`: not a file, a path or what only this host reaches."""
        if not url.isprintable() or " " in url:
            raise _bad_url(setting)
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError as error:
            raise _bad_url(setting) from error
        if parts.scheme in {"http", "https"} and host and self._host(host):
            return True
        self.left_out.append(f"{setting}: a path or address of this host only")
        return False

    def _host(self, host: str) -> bool:
        if not _is_loopback(host):
            return True
        engine = self._around.engine
        self.used = self.used or self._around.on_host or (engine is not None and shares_loopback(engine))
        return self.used

    def proxy(self, name: str, value: str) -> bool:
        """Tell whether a build can reach a proxy."""
        if self._host(_proxy_host(value)):
            return True
        self.left_out.append(f"{name}: a loopback address")
        return False

    def proxies(self, found: Mapping[str, str]) -> dict[str, str]:
        """Return proxies as build arguments, in both cases: curl reads the small ones, most others either."""
        arguments: dict[str, str] = {}
        for name, value in found.items():
            if name == "NO_PROXY" or self.proxy(name, value):
                arguments |= {name: value, name.lower(): value}
        return arguments if arguments.keys() - {"NO_PROXY", "no_proxy"} else {}


def _uv_settings(indexes: IndexSettings) -> str:
    """The content of a uv.toml."""
    # In uv the indexes beside the default one come first, as they are written.
    lines = [f"find-links = {json.dumps(indexes.find_links)}\n"] if indexes.find_links else []
    lines += [f"allow-insecure-host = {json.dumps(indexes.trusted_hosts)}\n"] if indexes.trusted_hosts else []
    lines += [f"[[index]]\nurl = {json.dumps(url)}\n" for url in indexes.extra_index_urls]
    lines += [f"[[index]]\nurl = {json.dumps(indexes.index_url)}\ndefault = true\n"] if indexes.index_url else []
    return "\n".join(lines)


def _pip_settings(indexes: IndexSettings) -> str:
    """The content of a pip.conf."""
    values = {
        "index-url": indexes.index_url or "",
        "extra-index-url": " ".join(indexes.extra_index_urls),
        "find-links": " ".join(indexes.find_links),
        "trusted-host": " ".join(indexes.trusted_hosts),
    }
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in values.items() if value), ""])


def _bad_url(setting: str) -> InputError:
    # The value is not shown: index URLs often carry credentials.
    return InputError("KGE-602", f"the {setting} of the network settings is no URL", fix="give https://host/simple")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_host(value: str) -> str:
    try:
        return urlsplit(value if "://" in value else f"http://{value}").hostname or ""
    except ValueError as error:
        raise InputError("KGE-602", "a proxy of the network settings is no URL", fix="give http://host:port") from error
