"""Where an image comes from and what is in it: inventory, software bill of materials, provenance."""

from typing import Final

from provision.supply.inventory import differences, is_locked, read_inventory
from provision.supply.origin import created, origin_labels
from provision.supply.provenance import MEDIA_TYPE as _PROVENANCE
from provision.supply.provenance import Built, provenance
from provision.supply.sbom import MEDIA_TYPE as _SBOM
from provision.supply.sbom import bill

MEDIA_TYPES: Final = {"sbom": _SBOM, "provenance": _PROVENANCE}

__all__ = [
    "MEDIA_TYPES",
    "Built",
    "bill",
    "created",
    "differences",
    "is_locked",
    "origin_labels",
    "provenance",
    "read_inventory",
]
