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


def requirement(pin: Pin, context: str) -> str:
    """Return a pin as a line of a requirements file that `--require-hashes` takes.

    Args:
        pin: what is installed.
        context: the folder at which the build sees its context.
    """
    if pin.origin == INDEX:
        place = f"=={pin.version}"
    else:
        place = f" @ {pin.origin}" if "://" in pin.origin else f" @ file://{context}/{pin.origin}"
    return " ".join((f"{pin.name}{place}", *(f"--hash={one}" for one in pin.hashes)))
