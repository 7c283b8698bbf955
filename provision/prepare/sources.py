"""The files that tell apt and dnf of a maker's repository. Pure."""

from typing import Final
from urllib.parse import urlsplit

from provision.catalogue.rows import Repository
from provision.errors import InputError
from provision.redaction import redacted_address

HEAD: Final = "# Written by kgpu-env prepare.\n"
_SOURCES: Final = {"deb": "/etc/apt/sources.list.d/kgpu-env-{}.sources", "rpm": "/etc/yum.repos.d/kgpu-env-{}.repo"}
_KEYS: Final = {"deb": "/etc/apt/keyrings/kgpu-env-{}.asc", "rpm": "/etc/pki/rpm-gpg/RPM-GPG-KEY-kgpu-env-{}"}


def source_path(row: Repository) -> str:
    """Return where the repository is written down."""
    return _SOURCES[row.kind].format(row.id)


def key_path(row: Repository) -> str:
    """Return where its key lies: beside, not among, the keys that every repository is checked with."""
    return _KEYS[row.kind].format(row.id)


def key_address(row: Repository, mirror: str) -> str:
    """Return from where the key is fetched."""
    return f"{base(row, mirror)}/{row.key}"


def base(row: Repository, mirror: str) -> str:
    """Return the maker's address, or the mirror in its place."""
    return (mirror or row.address).rstrip("/")


def check_mirror(mirror: str) -> str:
    """Return a mirror's address.

    Raises:
        InputError: KGE-335, it is no http address, or holds a password, which every user of the machine could read.
    """
    fix = "give https://HOST/PATH; user and password belong into /etc/apt/auth.conf.d, or dnf's own configuration"
    shown = redacted_address(mirror)
    try:
        parts = urlsplit(mirror)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError as error:
        raise InputError("KGE-335", f"{shown} is not the address of a mirror.", cause=str(error), fix=fix) from error
    if not is_whole or not mirror.isprintable() or set(mirror) & set(" \"'\\[]<>"):
        raise InputError("KGE-335", f"{shown} is not the address of a mirror.", fix=fix)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError("KGE-335", f"The mirror {shown} holds a password or a query.", fix=fix)
    return mirror


def source_text(row: Repository, mirror: str, codename: str) -> str:
    """Return the file at `source_path`."""
    address = f"{base(row, mirror)}/{row.path}"
    return HEAD + (_deb(row, address, codename) if row.kind == "deb" else _rpm(row, address))


def _deb(row: Repository, address: str, codename: str) -> str:
    lines = ["Types: deb", f"URIs: {address}", f"Suites: {row.suite.replace('CODENAME', codename)}"]
    lines += [f"Components: {' '.join(row.components)}"] if row.components else []
    return "\n".join([*lines, f"Signed-By: {key_path(row)}", ""])


def _rpm(row: Repository, address: str) -> str:
    checks = {"metadata": ("repo_gpgcheck=1", "gpgcheck=0"), "packages": ("repo_gpgcheck=0", "gpgcheck=1")}
    head = [f"[kgpu-env-{row.id}]", f"name={row.id}", f"baseurl={address}", "enabled=1"]
    return "\n".join([*head, *checks[row.signed], f"gpgkey=file://{key_path(row)}", ""])
