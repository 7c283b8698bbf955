"""Passwords in addresses: where they are, and a text without them.

An address may hold a user and a password (RFC 3986, 3.2.1), or a token in place of both.
"""

import re
from typing import Final

from provision.errors import InputError
from provision.model.request import Request

HIDDEN: Final = "***"
# Not a digest: oci://image@sha256:...
_IN_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?P<user>[^\s/?#\"'<>\\]*)@(?!sha256:)")
_ALONE = re.compile(r"(?<![^\s\"'=(\[,])(?P<user>[^\s/?#\"'<>\\=@:]+:[^\s/?#\"'<>\\]+)@(?=[A-Za-z0-9\[])(?!sha256:)")
_WHOLE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)
_QUERY = re.compile(r"\?.*", re.DOTALL)


def redacted(text: str) -> str:
    """Return a text of any kind with `***` for what stands before the @ of an address."""
    if "@" not in text:
        return text
    return _ALONE.sub(f"{HIDDEN}@", _IN_URL.sub(_hidden, text))


def redacted_address(text: str) -> str:
    """Return an address as it may be shown, or what was given for one: nothing before its last @, and no query."""
    shown = _WHOLE.sub(lambda found: f"{found['scheme'] or ''}{HIDDEN}@", text, count=1)
    return _QUERY.sub(f"?{HIDDEN}", shown)


def refuse_passwords(request: Request) -> None:
    """Raise InputError KGE-615 where a password would become part of the image, which all who pull it can read."""
    values = {f"The package {number}": word for number, word in enumerate(request.packages, 1)}
    values |= {f"The label {key}": value for key, value in request.labels.items()}
    values |= {f"The variable {key}": value for key, value in request.env.items()}
    for name, value in values.items():
        refuse_password(name, value)


def refuse_password(where: str, text: str) -> None:
    """Raise InputError KGE-615 where a text that becomes part of the image holds a password."""
    if redacted(text) != text:
        raise InputError(
            "KGE-615",
            f"{where} holds a password, which would stay in the image.",
            cause=redacted(text),
            fix="give it to the container when it runs; for a package index name it under network: index_url",
        )


def _hidden(found: re.Match[str]) -> str:
    named = found["scheme"].lower().endswith("ssh://") and ":" not in found["user"]  # ssh://git@host: no secret
    return found[0] if named or not found["user"] else f"{found['scheme']}{HIDDEN}@"
