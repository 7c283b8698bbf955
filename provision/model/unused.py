"""What this program made and nobody needs any more."""

from typing import Literal

from provision.model.base import Value


class Unused(Value):
    """One thing that may be removed."""

    kind: Literal["image", "record", "cache"]
    what: str  # an image's names or its id, a file, a folder
    bytes: int  # an image's with layers that others share
    why: str
