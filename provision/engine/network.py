"""How a build reaches package indexes from this host, in a form that leaves nothing in the image.

The files lie in the build context and are bind-mounted by the RUN lines that need them; proxies are build
arguments that BuildKit keeps out of history and cache keys.
"""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from provision import model
from provision.engine import pip_config
from provision.errors import InputError
from provision.model.base import Value

BUNDLE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
DER_SEQUENCE = 0x30  # the first byte of every X.509 certificate


class BuildNetwork(Value):
    """What a build needs to reach the network; all empty on a host with direct access."""

    files: dict[str, bytes] = msgspec.field(default_factory=dict)  # network/ca.crt, network/uv.toml
    arguments: dict[str, str] = msgspec.field(default_factory=dict)  # proxies
    left_out: tuple[str, ...] = ()  # settings a container cannot use, by name and without their values


def build_network(network: model.Network, environment: Mapping[str, str], root: Path = Path("/")) -> BuildNetwork:
    """Return the host's way to the network; `network` (flags, project file) wins over the host's settings.

    Args:
        network: what the user asked for.
        environment: the process environment.
        root: where the host's pip configuration files are looked for.

    Raises:
        InputError: KGE-601, the CA bundle asked for cannot be read or holds no certificate;
            KGE-602, an index URL that is none.
    """
    left_out: list[str] = []
    files: dict[str, bytes] = {}
    bundle = _ca_bundle(network.ca_bundle, environment)
    if bundle:
        files["network/ca.crt"] = bundle
    indexes = _indexes(network, environment, root, left_out)
    if indexes != pip_config.PipSettings():
        files["network/uv.toml"] = _uv_settings(indexes).encode()
        files["network/pip.conf"] = _pip_settings(indexes).encode()  # pip fetches uv, and installs into AMD's images
    arguments = _proxies(network.proxy, environment, left_out)
    return BuildNetwork(files=files, arguments=arguments, left_out=tuple(left_out))


def certificates(path: Path) -> bytes:
    """Return the certificates of a PEM file, and only them: a private key beside them stays on the host.

    Raises:
        InputError: KGE-601, not readable or without a certificate.
    """
    try:
        text = path.read_text(encoding="latin-1")  # comments may be in any encoding, PEM itself is ASCII
    except OSError as error:
        raise _bad_bundle(path, error.strerror or str(error)) from error
    found = [match.group(0) for match in CERTIFICATE.finditer(text) if _is_certificate(match.group(1))]
    if not found:
        raise _bad_bundle(path, "it has no PEM certificate")
    return ("\n".join(found) + "\n").encode("ascii")


def _is_certificate(body: str) -> bool:
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        return False
    return der[:1] == bytes([DER_SEQUENCE])


def _bad_bundle(path: Path, why: str) -> InputError:
    return InputError(
        "KGE-601",
        f"the CA bundle {path} cannot be used",
        cause=why,
        fix="name a PEM file with your company's certificates: --ca-bundle FILE",
    )


def _ca_bundle(requested: str | None, environment: Mapping[str, str]) -> bytes | None:
    if requested:
        return certificates(Path(requested))
    for name in BUNDLE_VARIABLES:
        if environment.get(name):
            try:
                return certificates(Path(environment[name]))
            except InputError:
                continue  # a stale variable of the host is no reason to fail a build that may not need it
    return None


def _indexes(
    network: model.Network, environment: Mapping[str, str], root: Path, left_out: list[str]
) -> pip_config.PipSettings:
    """Where packages come from; all empty when the installers' own defaults are right."""
    pip = pip_config.settings(environment, root)
    index = _reachable("index-url", [network.index_url or pip.index_url or ""], left_out)
    extra = _reachable("extra-index-url", network.extra_index_urls or pip.extra_index_urls, left_out)
    links = _reachable("find-links", pip.find_links, left_out)
    return pip_config.PipSettings(
        index_url=index[0] if index else None, extra_index_urls=tuple(extra), find_links=tuple(links)
    )


def _uv_settings(indexes: pip_config.PipSettings) -> str:
    """The content of a uv.toml."""
    # In uv the indexes beside the default one come first, as they are written.
    lines = [f"find-links = {json.dumps(indexes.find_links)}\n"] if indexes.find_links else []
    lines += [f"[[index]]\nurl = {json.dumps(url)}\n" for url in indexes.extra_index_urls]
    lines += [f"[[index]]\nurl = {json.dumps(indexes.index_url)}\ndefault = true\n"] if indexes.index_url else []
    return "\n".join(lines)


def _pip_settings(indexes: pip_config.PipSettings) -> str:
    """The content of a pip.conf."""
    values = {
        "index-url": indexes.index_url or "",
        "extra-index-url": " ".join(indexes.extra_index_urls),
        "find-links": " ".join(indexes.find_links),
    }
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in values.items() if value), ""])


def _reachable(setting: str, urls: Iterable[str], left_out: list[str]) -> list[str]:
    good = []
    for url in filter(None, urls):
        if _can_be_reached(url, setting):
            good.append(url)
        else:
            left_out.append(f"{setting}: a path or address of this host only")
    return good


def _can_be_reached(url: str, setting: str) -> bool:
    """Tell whether a container can reach `url`: not a file, a path or a loopback address of this host."""
    if not url.isprintable() or " " in url:
        raise _bad_url(setting)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise _bad_url(setting) from error
    return parts.scheme in {"http", "https"} and bool(host) and not _is_loopback(host)


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


def _proxies(requested: str | None, environment: Mapping[str, str], left_out: list[str]) -> dict[str, str]:
    """Proxies as build arguments, in both cases: curl reads the small ones, most others either."""
    found = {name: environment.get(name) or environment.get(name.lower()) or "" for name in PROXY_VARIABLES}
    if requested:
        found |= {"HTTP_PROXY": requested, "HTTPS_PROXY": requested}
    arguments: dict[str, str] = {}
    for name, value in found.items():
        if not value:
            continue
        if name != "NO_PROXY" and _is_loopback(_proxy_host(value)):
            left_out.append(f"{name}: a loopback address")
            continue
        arguments |= {name: value, name.lower(): value}
    return arguments if arguments.keys() - {"NO_PROXY", "no_proxy"} else {}


def _proxy_host(value: str) -> str:
    try:
        return urlsplit(value if "://" in value else f"http://{value}").hostname or ""
    except ValueError as error:
        raise InputError("KGE-602", "a proxy of the network settings is no URL", fix="give http://host:port") from error
