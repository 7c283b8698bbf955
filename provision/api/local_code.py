"""The user's own code on its way into an image: as pins, as files of the context, as folders that uv asks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provision import model
from provision.model.wanted import LocalCode, Wanted


def local_pins(wanted: Wanted) -> tuple[tuple[model.Pin, ...], dict[str, bytes]]:
    """Return local code as what a build installs last, and its files by their path in the context."""
    from provision.requirements import context_files, place_of  # noqa: PLC0415 - 25 ms

    files = context_files(wanted.local)
    return tuple(_local_pin(one, place_of(one), files) for one in wanted.local), files


def _local_pin(code: LocalCode, place: str, files: Mapping[str, bytes]) -> model.Pin:
    """Return a pin that changes with the code."""
    import hashlib  # noqa: PLC0415 - 1 ms

    if code.kind == "file":
        found = hashlib.sha256(files[place])
    else:
        found = hashlib.sha256()
        for name, content in sorted(files.items()):
            if name.startswith(f"{place}/"):
                found.update(f"{name}\0{len(content)}\0".encode() + content)
    name = code.name or place.rpartition("/")[2]
    digest = f"sha256:{found.hexdigest()}"
    return model.Pin(name=name, version=code.version, hashes=(digest,), origin=place, use="added")


@contextmanager
def as_folders(local: tuple[LocalCode, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the code that uv is to ask what it needs, as requirements: a copy, since build tools write beside it."""
    import tempfile  # noqa: PLC0415 - 1 ms

    from provision.requirements import context_files, place_of  # noqa: PLC0415 - as above

    asked = tuple(one for one in local if not one.told)
    with tempfile.TemporaryDirectory() as name:
        for place, content in context_files(asked).items():
            path = Path(name) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        extras = {one.path: f"[{','.join(one.extras)}]" if one.extras else "" for one in asked}
        yield tuple(f"{Path(name) / place_of(one)}{extras[one.path]}" for one in asked)
