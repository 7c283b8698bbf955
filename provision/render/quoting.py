"""User text on its way into a Dockerfile, quoted for the place where it stands."""

import re
import shlex


def quoted(value: str) -> str:
    """Return `value` as a double-quoted word of ENV or LABEL, in which nothing is substituted."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def shell(value: str) -> str:
    """Return `value` as one word of a RUN command."""
    return shlex.quote(value)


def comment(value: str) -> str:
    """Return `value` on one line, for a comment."""
    return " ".join(value.split())
