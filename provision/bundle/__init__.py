"""A lock with all that it needs in one archive, for a host without a network."""

from provision.bundle.archive import pack, read_head, refuse_existing, unpack
from provision.bundle.document import BUNDLE_FILE, Bundle, Part
from provision.bundle.fetch import fetch
from provision.bundle.layout import LOADING, ids_of, image_archive, loading_files, to_layout
from provision.bundle.possible import lacking, refuse_fetched

__all__ = [
    "BUNDLE_FILE",
    "LOADING",
    "Bundle",
    "Part",
    "fetch",
    "ids_of",
    "image_archive",
    "lacking",
    "loading_files",
    "pack",
    "read_head",
    "refuse_existing",
    "refuse_fetched",
    "to_layout",
    "unpack",
]
