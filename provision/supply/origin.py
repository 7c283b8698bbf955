"""Where an image comes from, as labels: https://specs.opencontainers.org/image-spec/annotations/.

None of them is a part of the plan's digest. A time is told only where SOURCE_DATE_EPOCH gives it: the same plan has to
give the same image on every day.
"""

import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from provision.errors import InputError
from provision.redaction import redacted

EPOCH: Final = "SOURCE_DATE_EPOCH"
_PREFIX: Final = "org.opencontainers.image"
_SECONDS: Final = 5.0


def created(environment: Mapping[str, str]) -> datetime | None:
    """Return the time of SOURCE_DATE_EPOCH (https://reproducible-builds.org/docs/source-date-epoch/), or None.

    Raises:
        InputError: KGE-225, it is no number of seconds.
    """
    text = environment.get(EPOCH, "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text if text.isascii() and text.isdecimal() else "none"), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        fix = "a whole number of seconds since 1970, or leave it out"
        raise InputError("KGE-225", f"{EPOCH} is {text[:40]!r}, which is no time.", fix=fix) from error


def origin_labels(environment: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Return the labels that can be told before the base is known.

    Args:
        environment: may have SOURCE_DATE_EPOCH.
        project: the folder whose code goes into the image; None where none does, so that no commit describes it.
    """
    time = created(environment)
    found = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else "",
        "revision": _git(project, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*") if project else "",
        "source": redacted(_git(project, "remote", "get-url", "origin")) if project else "",
    }
    return {f"{_PREFIX}.{key}": value for key, value in found.items() if value and value.isprintable()}


def _git(folder: Path, *words: str) -> str:
    """Return what git says of a folder; empty where it is none of a repository, or there is no git."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - words of our own
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
