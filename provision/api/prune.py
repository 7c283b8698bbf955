"""Removing what this program made and nobody names any more: images, records, copies that only save time."""

import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provision.api.hosts import engine as connection
from provision.model.unused import Unused
from provision.resources import cache_folder

if TYPE_CHECKING:
    from provision.engine.protocol import Engine, OwnImage
    from provision.records import Kept, Refused

_OLD_DAYS: Final = 90  # after which a record of an image that is gone tells nothing that is asked for


def unused(
    names: Collection[str],
    plans: Collection[str],
    folder: Path,
    *,
    engine: "Engine | None" = None,
    now: float | None = None,
) -> tuple[Unused, ...]:
    """Return what may be removed: nothing of it is named by a record, by `names` or by `plans`.

    Args:
        names: image names that are needed, those of locks and plans.
        plans: digests of plans whose images are needed.
        folder: of the records.
        engine: by default the first that answers.
        now: seconds since the epoch; by default the time.

    Raises:
        EngineError: no engine answers.
    """
    from provision.records.store import every  # noqa: PLC0415 - 5 ms

    kept = every(folder)
    with connection(engine) as connected:
        images = connected.own_images()
    cache = cache_folder(os.environ)
    size = _size(cache)
    copies = Unused(kind="cache", what=str(cache), bytes=size, why="it only saves time")
    return (
        *_images(images, kept.values(), names, plans),
        *_records(kept, images, time.time() if now is None else now),
        *([copies] if size else []),
    )


def remove_unused(found: Sequence[Unused], *, engine: "Engine | None" = None) -> dict[str, str]:
    """Remove what `unused` found; an image that is in use stays.

    Args:
        found: as `unused` returned it.
        engine: by default the first that answers.

    Returns:
        What could not be removed, each with the reason.
    """
    wanted = {one.what for one in found if one.kind == "image"}
    kept: dict[str, str] = {}
    with connection(engine) as connected:
        for image in connected.own_images() if wanted else ():
            why = connected.discard(image) if _what(image) in wanted else ""
            kept |= {_what(image): why} if why else {}
    for one in found:
        try:
            if one.kind == "record":
                Path(one.what).unlink(missing_ok=True)
            elif one.kind == "cache":
                shutil.rmtree(one.what)
        except OSError as error:
            kept[one.what] = error.strerror or str(error)
    return kept


def _images(
    images: Sequence["OwnImage"], kept: Collection["Kept | Refused"], names: Collection[str], plans: Collection[str]
) -> Iterator[Unused]:
    from provision.records.store import Refused  # noqa: PLC0415 - as above

    records = [one.record for one in kept if not isinstance(one, Refused)]
    named = {*names, *(one.image for one in records)}
    ids = {one.image_id for one in records}
    for image in images:
        if image.image_id in ids or image.plan in plans or named.intersection(image.names):
            continue
        why = "no record, lock or plan names it" if image.names else "another image has its name by now"
        yield Unused(kind="image", what=_what(image), bytes=image.size_bytes, why=why)


def _what(image: "OwnImage") -> str:
    return " ".join(image.names) or image.image_id


def _records(kept: "dict[Path, Kept | Refused]", images: Sequence["OwnImage"], now: float) -> Iterator[Unused]:
    from provision.records.store import Refused  # noqa: PLC0415 - as above

    ids = {one.image_id for one in images}
    for path, one in kept.items():
        try:
            status = path.stat()
        except OSError:  # it went in between
            continue
        why = ""
        if isinstance(one, Refused):
            why = "it is of an earlier version, and no longer taken" if one.code == "KGE-597" else ""
        elif not one.record.environment and one.record.image_id not in ids:
            days = int((now - status.st_mtime) / 86_400)
            why = f"{one.record.image} is not here, and the record is {days} days old" if days > _OLD_DAYS else ""
        if why:
            yield Unused(kind="record", what=str(path), bytes=status.st_size, why=why)


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; a link counts for itself."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                status = os.lstat(Path(place) / name)
            except OSError:  # it went in between
                continue
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
