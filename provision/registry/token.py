"""Bearer tokens and stored logins, as the Docker Registry token protocol describes them."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from provision.files import read_file
from provision.model.base import parse_json
from provision.model.reference import HUB
from provision.registry.address import is_loopback

_HUB_LOGIN = "https://index.docker.io/v1/"  # the key that docker login writes for Docker Hub


def token_request(challenge: str, scope: str) -> str | None:
    """Return the URL that gives a token for a WWW-Authenticate challenge, or None for another scheme.

    A realm without TLS is refused unless it is on loopback: a login would be readable on the way.
    """
    kind, _, rest = challenge.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    realm = fields.get("realm", "")
    try:
        parts = urlsplit(realm)
    except ValueError:
        return None
    if kind.lower() != "bearer" or not parts.netloc:
        return None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
        return None
    wanted = {"service": fields.get("service"), "scope": fields.get("scope") or scope}
    query = "&".join(f"{key}={quote(value, safe=':/,')}" for key, value in wanted.items() if value)
    return f"{realm}{'&' if parts.query else '?'}{query}"


def stored_login(host: str, folder: Path) -> str | None:
    """Return base64 of "user:password" that `docker login` stored in `folder` for a registry, or None.

    Credential helpers are not asked: an image behind one is read as anybody would.
    """
    try:
        found: Any = parse_json(read_file(folder / "config.json"))
        logins = found.get("auths", {})
        keys = (_HUB_LOGIN,) if host == HUB else (host, f"https://{host}")
        login = next((logins[key].get("auth") for key in keys if key in logins), None)
    except (OSError, ValueError, AttributeError, TypeError):  # missing, unreadable or not docker's: no login
        return None
    return login if isinstance(login, str) and login else None
