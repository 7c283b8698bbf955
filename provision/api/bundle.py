"""Bundles: a lock with all that it needs in one archive, written."""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import provision.catalogue as facts
from provision import __version__, model
from provision.api.build_causes import explained
from provision.api.bundled import loaded_as
from provision.api.hosts import engine as connection
from provision.errors import BuildError, InputError
from provision.model.inventory import DebianPackage, Distribution, Inventory, PinnedFile

if TYPE_CHECKING:
    from provision.bundle.layout import Saved
    from provision.engine.protocol import Engine
    from provision.lock import DebianFile, Lock

_WHEELS: Final = "wheels"
_NOT_THERE: Final = "KGE-437"  # apt knows no package of that name and version


class BundleResult(model.Value):
    """A bundle that was written."""

    schema: Literal["kgpu-env/bundled/1"] = "kgpu-env/bundled/1"
    bundle: str  # the file
    bytes: int
    tag: str
    wheels: int
    image_id: str | None = None  # of the finished image, if it is in it


def bundle(
    lock_file: Path,
    place: Path,
    *,
    network: model.Network | None = None,
    image: str | None = None,
    force: bool = False,
    engine: "Engine | None" = None,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> BundleResult:
    """Write one archive with all that a lock's build needs: two of one lock and base are the same bytes.

    Debian packages that the base lacks are written to the lock, by version and hash, when they are fetched first.

    Args:
        lock_file: kgpu.lock, with its pylock.toml beside it.
        place: the archive.
        network: CA bundle and registries.
        image: a finished image that goes in, too.
        force: replace a file that is there.
        engine: has the base, or fetches it; by default the first that answers.
        catalogue: the facts; by default those that ship.
        log: gets a line of text about what is fetched.

    Raises:
        InputError: KGE-222, the lock needs something that cannot be in a bundle; KGE-634, KGE-605, the file.
        BuildError: KGE-223, an index or Debian's archive does not give what was locked; KGE-401, apt does not get a
            package; KGE-402, no base; KGE-408, no such image.
        EngineError: no engine answers.
    """
    import tempfile  # noqa: PLC0415 - 3 ms

    from provision.bundle import Bundle, lacking, pack, refuse_existing, refuse_fetched  # noqa: PLC0415 - 30 ms
    from provision.bundle.debian import part_of  # noqa: PLC0415 - 30 ms
    from provision.engine.base_image import provide_base  # noqa: PLC0415 - 8 ms
    from provision.lock import LOCK_FILE, check_plan, read_lock, with_debian  # noqa: PLC0415 - 8 ms
    from provision.render.dockerfile import default_tag  # noqa: PLC0415 - 8 ms
    from provision.resolve.request import check_request  # noqa: PLC0415 - 5 ms
    from provision.supply.inventory import debian_packages  # noqa: PLC0415 - 30 ms
    from provision.writer import check_writable  # noqa: PLC0415 - 3 ms

    lock, known, reached = read_lock(lock_file), catalogue or facts.load(), network or model.Network()
    check_plan(known, lock, lock_file)
    check_request(lock.request)
    refuse_fetched(lock)
    refuse_existing(place, force=force)
    check_writable(place)
    with connection(engine) as connected, tempfile.TemporaryDirectory(dir=place.parent, prefix=".bundle.") as name:
        folder = Path(name)
        base, _ = provide_base(connected, lock.stack, reached.registries, log, lambda _: None)
        debian = debian_packages(connected, base)
        apt = _debian(connected, base, lock, lacking(lock, base, debian), reached, known, log)
        saved, parts = _saved(connected, base, folder, "base")
        finished, more = _saved(connected, image, folder, "image") if image else (None, {})
        wheels = _fetched(lock, reached, log)
        parts |= more | wheels | _lock_parts(lock, lock_file, known, log)
        parts |= {part_of(one): path for one, path in apt.items()}
        written = with_debian(lock_file, apt) if apt else lock_file.read_bytes()
        tag = default_tag(lock.stack)
        parts |= {LOCK_FILE: written, "sbom.json": _bill(tag, lock, debian, tuple(apt))}
        head = Bundle(
            version=__version__,
            platform=lock.platform,
            tag=tag,
            base=base,
            base_id=saved.image_id,
            image_id=finished.image_id if finished else None,
            parts=(),
        )
        pack(place, head, parts, force=force)
    if written != lock_file.read_bytes():
        _record(lock_file, written, log)
    return BundleResult(
        bundle=str(place), bytes=place.stat().st_size, tag=tag, wheels=len(wheels), image_id=head.image_id
    )


def bundle_image(
    image: str,
    place: Path,
    *,
    platform: str,
    base: model.BuildResult,
    known: Collection[str] = (),
    force: bool = False,
    engine: "Engine | None" = None,
) -> tuple[str, ...]:
    """Write a bundle with a finished image alone; one that has it already is kept.

    Such a bundle is also what `docker load` takes.

    Args:
        image: its name, as the engine has it, which is its name in the bundle, too.
        place: the archive; its folder is made.
        platform: the image's processor.
        base: how it was built, which tells its base.
        known: what this returned for the same image before.
        force: replace another file that is there.
        engine: by default the first that answers.

    Returns:
        What engines that load it call it: the digest of its configuration, or with containerd's image store that of
        its manifest.

    Raises:
        InputError: KGE-634, KGE-605, the file.
        BuildError: KGE-408, no such image.
        EngineError: no engine answers.
    """
    import tempfile  # noqa: PLC0415 - 3 ms

    from provision.bundle import Bundle, loading_files, pack, refuse_existing  # noqa: PLC0415 - 30 ms
    from provision.writer import check_writable  # noqa: PLC0415 - 3 ms

    there = loaded_as(place, image)
    if there and (there[0] == base.image_id or set(there) <= set(known)):
        return there
    if not there:
        refuse_existing(place, force=force)
    check_writable(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with connection(engine) as connected, tempfile.TemporaryDirectory(dir=place.parent, prefix=".bundle.") as name:
        found, parts = _saved(connected, image, Path(name), "image")
        if there and there[0] == found.image_id:
            return there
        parts |= loading_files(Path(name) / "image", found.image_id, image, "image/")
        head = Bundle(
            version=__version__,
            platform=platform,
            tag=image,
            base=base.base,
            base_id=base.base_id or found.image_id,
            image_id=found.image_id,
            parts=(),
        )
        pack(place, head, parts, force=force)
    return found.image_id, found.manifest


def _saved(engine: "Engine", reference: str, folder: Path, name: str) -> "tuple[Saved, dict[str, bytes | Path]]":
    from provision.bundle import to_layout  # noqa: PLC0415 - 30 ms

    archive = folder / f"{name}.tar"
    engine.save(reference, archive)
    found = to_layout(archive, folder / name)
    archive.unlink()
    return found, {f"{name}/{path}": one for path, one in found.files.items()}


def _debian(  # noqa: PLR0917 - what a build needs
    engine: "Engine",
    base: str,
    lock: "Lock",
    words: "Sequence[str]",
    network: model.Network,
    known: facts.Catalogue,
    log: Callable[[str], None],
) -> "dict[DebianFile, Path]":
    """Return packages with all that they need, fetched by apt as a build of this host would: those of the lock.

    A lock without any gets those that there are now.
    """
    from provision.bundle.debian import check_same, fetch_debian, kept_debian, not_as_locked  # noqa: PLC0415 - 30 ms
    from provision.engine.network import Surroundings, build_network  # noqa: PLC0415 - 3 ms
    from provision.render.dockerfile import DEBIAN  # noqa: PLC0415 - 8 ms
    from provision.resources import cache_folder  # noqa: PLC0415 - 3 ms

    if not words:
        return {}
    cache = cache_folder(os.environ) / DEBIAN
    kept = kept_debian(lock.debian, cache)
    if kept:
        return kept
    log(f"fetching the Debian packages {', '.join(words)}")
    exactly = [f"{one.name}={one.version}" for one in lock.debian]
    reached = build_network(network, os.environ, Surroundings(engine=engine.describe()))
    try:
        found = fetch_debian(engine, base, exactly or words, reached, cache)
    except BuildError as error:
        told = explained(error, known)
        if exactly and told.code == _NOT_THERE:
            raise not_as_locked("A Debian package", told.cause) from error
        raise told from error
    if exactly:
        check_same(lock.debian, found)
    return found


def _fetched(lock: "Lock", network: model.Network, log: Callable[[str], None]) -> "dict[str, bytes | Path]":
    from provision.bundle import fetch  # noqa: PLC0415 - 30 ms
    from provision.engine.certificates import trusted_bundle  # noqa: PLC0415 - 3 ms
    from provision.registry.http import Download  # noqa: PLC0415 - 100 ms
    from provision.resources import cache_folder  # noqa: PLC0415 - 3 ms

    stream = Download(trusted_bundle(network.ca_bundle, os.environ))
    cache = cache_folder(os.environ) / _WHEELS
    return {f"{_WHEELS}/{file}": path for one in lock.wheels for file, path in fetch(one, cache, stream, log).items()}


def _lock_parts(
    lock: "Lock", lock_file: Path, known: facts.Catalogue, log: Callable[[str], None]
) -> "dict[str, bytes | Path]":
    """Return the wheels of a lock, its Dockerfile, uv and the workload."""
    from provision.lock import PYLOCK_FILE, locked_plan, pins, pylock_path  # noqa: PLC0415 - 8 ms
    from provision.lock.uv_program import provide_uv  # noqa: PLC0415 - 8 ms
    from provision.prove.workload.zipapp import archive  # noqa: PLC0415 - 5 ms

    found: dict[str, bytes | Path] = {"workload.pyz": archive()}
    found["Dockerfile"] = locked_plan(known, lock).dockerfile.encode()
    if lock.pylock:
        found[PYLOCK_FILE] = pylock_path(lock_file).read_bytes()
    if not lock.stack.framework_in_base:
        version = next(tool.version for tool in known.images.tools if tool.id == "uv")
        machine = lock.platform.partition("-")[0]
        uv = provide_uv(version, pins(lock), machine, cache=known.cache, files={}, log=log)
        if uv is None:
            raise InputError("KGE-222", "This lock cannot be built without a network.", cause="no index gives its uv")
        found["tools/uv"] = uv
    return found


def _record(lock_file: Path, written: bytes, log: Callable[[str], None]) -> None:
    """Write a lock with the Debian packages that were fetched for it."""
    from provision.files import state_home  # noqa: PLC0415 - 3 ms
    from provision.writer import memory_of, write_files  # noqa: PLC0415 - 3 ms

    try:
        write_files({lock_file: written}, memory_of(state_home(os.environ)), force=True)
    except InputError as error:
        log(f"the Debian packages are fixed in the bundle alone: {error.text} {error.cause}")
    else:
        log(f"{lock_file} names the Debian packages by version and hash now")


def _bill(tag: str, lock: "Lock", there: "Sequence[DebianPackage]", new: "Sequence[DebianFile]") -> bytes:
    """Return the bill of what will be installed: the lock's wheels, the base's packages, and what apt puts in."""
    from provision.supply import bill  # noqa: PLC0415 - 30 ms

    python = tuple(Distribution(name=one.name, version=one.version) for one in lock.wheels)
    pins = tuple(
        PinnedFile(name=one.name, version=one.version, hashes=tuple(file.hash for file in one.files))
        for one in lock.wheels
    )
    brought = [DebianPackage(name=one.name, version=one.version, architecture=one.architecture) for one in new]
    names = {one.name for one in new}
    debian = (*brought, *(one for one in there if one.name not in names))
    inventory = Inventory(python=python, debian=tuple(sorted(debian, key=lambda one: one.name)), pins=pins)
    return bill(tag, lock.plan_digest, inventory)
