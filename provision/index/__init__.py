"""What package indexes publish: lists of files, and the metadata of a wheel without its 600 MB."""

from provision.index.listing import NoAnswer, listing
from provision.index.places import Indexes, indexes_of
from provision.index.wheel import metadata

__all__ = ["Indexes", "NoAnswer", "indexes_of", "listing", "metadata"]
