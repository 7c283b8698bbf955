"""The types that fields of rows have: text that is not empty, versions, ids as the kernel writes them."""

from typing import Annotated, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Version = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]
Target = Annotated[str, msgspec.Meta(pattern=r"^gfx[0-9a-f]+$")]
Device = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}$")]  # a PCI device id
Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Machine = Literal["x86_64", "aarch64"]
Month = Annotated[str, msgspec.Meta(pattern=r"^(\d{4}-\d{2}|past)$")]
