"""Bearer tokens, as the Docker Registry token protocol describes them."""

import re
from urllib.parse import quote, urlsplit

from provision.registry.address import is_loopback


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
