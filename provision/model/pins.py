"""What a build installs and nothing else: distributions at exact versions, each with the hashes of its files."""

from typing import Final, Literal

from provision.model.base import Value

INDEX: Final = "index"
# Whose need it is: the framework's; that of added packages alone; or the build's, which leaves no trace of it.
Use = Literal["framework", "added", "tool"]


class Pin(Value):
    """A distribution at an exact version."""

    name: str
    version: str
    hashes: tuple[str, ...]  # "sha256:..." of each file that may be installed, one of which is
    origin: str = INDEX  # or the file's own address, or its path in the build context
    use: Use = "framework"
    size_bytes: int | None = None  # of the smallest of those files; None: the index does not tell


def requirement(pin: Pin) -> str:
    """Return a pin as a line of a requirements file that `--require-hashes` takes.

    A file of the build context is found by its name and told by its hash: named by its path, it would leave that and a
    time in the image.
    """
    place = f" @ {pin.origin}" if "://" in pin.origin else f"=={pin.version}"
    return " ".join((f"{pin.name}{place}", *(f"--hash={one}" for one in pin.hashes)))


def folder_in_context(pin: Pin) -> str | None:
    """Return the folder of the build context that a pin's file lies in, or None where it is fetched."""
    return None if pin.origin == INDEX or "://" in pin.origin else pin.origin.rpartition("/")[0] or "."
