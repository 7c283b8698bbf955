"""Bundles: a lock with all that it needs in one archive, and a build from that without a network."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec.structs import replace

import provision.catalogue as facts
from provision import __version__, model
from provision.api.hosts import engine as connection
from provision.api.preflight import Room
from provision.errors import BuildError, InputError
from provision.model.inventory import Distribution, Inventory, PinnedFile

if TYPE_CHECKING:
    from provision.bundle import Bundle
    from provision.bundle.layout import Saved
    from provision.engine.protocol import BuildStep, Engine
    from provision.lock import Lock

_WHEELS: Final = "wheels"
_SMALL: Final = 8 << 20  # bytes; manifests and configurations have less
# What the build is told of the network: there is none, and the wheels lie beside it.
_SETTINGS: Final = {"network/uv.toml": b'no-index = true\nfind-links = ["/dev/network/wheels"]\n'}


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
        BuildError: KGE-223, an index does not give what was locked; KGE-402, no base; KGE-408, no such image.
        EngineError: no engine answers.
    """
    from provision.bundle import Bundle, installed_apt, pack, refuse_existing, refuse_fetched  # noqa: PLC0415 - 30 ms
    from provision.engine.base_image import provide_base  # noqa: PLC0415 - 8 ms
    from provision.lock import check_plan, read_lock  # noqa: PLC0415 - 8 ms
    from provision.render.dockerfile import default_tag  # noqa: PLC0415 - 8 ms
    from provision.supply.inventory import debian_packages  # noqa: PLC0415 - 30 ms
    from provision.writer import check_writable  # noqa: PLC0415 - 3 ms

    lock, known, reached = read_lock(lock_file), catalogue or facts.load(), network or model.Network()
    check_plan(known, lock, lock_file)
    refuse_fetched(lock)
    refuse_existing(place, force=force)
    check_writable(place)
    with connection(engine) as connected, tempfile.TemporaryDirectory(dir=place.parent, prefix=".bundle.") as name:
        folder = Path(name)
        base, _ = provide_base(connected, lock.stack, reached.registries, log, lambda _: None)
        debian = debian_packages(connected, base)
        installed_apt(lock, base, debian)
        saved, parts = _saved(connected, base, folder, "base")
        finished, more = _saved(connected, image, folder, "image") if image else (None, {})
        image_id = finished.image_id if finished else None
        wheels = _fetched(lock, reached, log)
        parts |= more | wheels | _lock_parts(lock, lock_file, known, log)
        tag = default_tag(lock.stack)
        parts["sbom.json"] = _bill(tag, lock, debian)
        head = Bundle(
            version=__version__,
            platform=lock.platform,
            tag=tag,
            base=base,
            base_id=saved.image_id,
            image_id=image_id,
            parts=(),
        )
        pack(place, head, parts, force=force)
    return BundleResult(bundle=str(place), bytes=place.stat().st_size, tag=tag, wheels=len(wheels), image_id=image_id)


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
    from provision.bundle import Bundle, loading_files, pack, refuse_existing  # noqa: PLC0415 - 30 ms
    from provision.writer import check_writable  # noqa: PLC0415 - 3 ms

    there = _bundled(place, image)
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


def check_bundled_image(path: Path, image: str, known: Collection[str]) -> None:
    """Check each byte of a bundle, and that every engine gets this one image of it, under this one name.

    Args:
        path: the bundle.
        image: its name.
        known: what engines that have loaded it may call it, as `bundle_image` returned it.

    Raises:
        InputError: KGE-221, it cannot be used, or holds another image.
    """
    from provision.bundle import unpack  # noqa: PLC0415 - 30 ms

    unpack(path, None)
    if not set(_bundled(path, image) or ("",)) <= set(known):
        fix = "build it again: kgpu-env fleet build PLAN --bundle DIR --force"
        raise InputError("KGE-221", f"{path} does not load as {image} alone.", fix=fix)


def _bundled(path: Path, image: str) -> tuple[str, ...]:
    """Return what engines call the image that a bundle loads as, by the name `image` alone; () where it does not."""
    from provision.bundle import LOADING, ids_of, loading_files, read_head, unpack  # noqa: PLC0415 - 30 ms

    with tempfile.TemporaryDirectory(prefix="kgpu-env-bundle-") as name, contextlib.suppress(InputError):
        head, folder = read_head(path), Path(name)
        image_parts = [one for one in head.parts if one.path.startswith("image/") and one.bytes < _SMALL]
        if not set(LOADING) <= {one.path for one in head.parts}:
            return ()
        unpack(path, folder, only=[*LOADING, *(one.path for one in image_parts)])
        ids = ids_of(folder / "image", head.image_id or "")
        if loading_files(folder / "image", ids[0], image, "image/") == {
            one: (folder / one).read_bytes() for one in LOADING
        }:
            return ids
    return ()


def _saved(engine: "Engine", reference: str, folder: Path, name: str) -> "tuple[Saved, dict[str, bytes | Path]]":
    from provision.bundle import to_layout  # noqa: PLC0415 - 30 ms

    archive = folder / f"{name}.tar"
    engine.save(reference, archive)
    found = to_layout(archive, folder / name)
    archive.unlink()
    return found, {f"{name}/{path}": one for path, one in found.files.items()}


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
    """Return the lock, its Dockerfile, uv and the workload."""
    from provision.lock import LOCK_FILE, PYLOCK_FILE, locked_plan, pins, pylock_path  # noqa: PLC0415 - 8 ms
    from provision.lock.uv_program import provide_uv  # noqa: PLC0415 - 8 ms
    from provision.prove.workload.zipapp import archive  # noqa: PLC0415 - 5 ms

    found: dict[str, bytes | Path] = {LOCK_FILE: lock_file.read_bytes(), "workload.pyz": archive()}
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


def _bill(tag: str, lock: "Lock", debian: "tuple[model.inventory.DebianPackage, ...]") -> bytes:
    """Return the bill of what will be installed: the lock's wheels and the base's packages."""
    from provision.supply import bill  # noqa: PLC0415 - 30 ms

    python = tuple(Distribution(name=one.name, version=one.version) for one in lock.wheels)
    pins = tuple(
        PinnedFile(name=one.name, version=one.version, hashes=tuple(file.hash for file in one.files))
        for one in lock.wheels
    )
    return bill(tag, lock.plan_digest, Inventory(python=python, debian=debian, pins=pins))


class Opened(NamedTuple):
    """A bundle whose parts were checked and lie in a folder."""

    head: "Bundle"
    folder: Path


@contextmanager
def opened(path: Path, *, only: tuple[str, ...] = ()) -> "Iterator[Opened]":
    """Unpack a bundle to a folder that is removed at the end; TMPDIR says where.

    Raises:
        InputError: KGE-221, it cannot be used; the part that is wrong is named.
    """
    from provision.bundle import unpack  # noqa: PLC0415 - 30 ms

    with tempfile.TemporaryDirectory(prefix="kgpu-env-bundle-") as name:
        yield Opened(unpack(path, Path(name), only=only), Path(name))


def build_bundle(
    path: Path,
    options: model.BuildOptions | None = None,
    *,
    engine: "Engine | None" = None,
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,  # noqa: ARG001 - as `build` has it: a bundle brings uv along
    on_step: "Callable[[BuildStep], None]" = lambda _: None,
) -> model.BuildResult:
    """Build the image of a bundle's lock; neither this process nor a step of the build uses a network.

    Args:
        path: the bundle.
        options: the image's name, its largest size, the cache of wheels, and whether it is pushed.
        engine: by default the first that answers.
        catalogue: the facts; by default those that ship. The lock has to be written with the same ones.
        log: as of `build`.
        detail: the same; nothing of it is said here.
        on_step: as of `build`.

    Raises:
        InputError: KGE-221, the bundle cannot be used; KGE-625, this version writes another Dockerfile for its lock.
        BuildError, EngineError: as of `build`.
    """
    from provision.engine.describe import need_machine  # noqa: PLC0415 - 1 ms
    from provision.engine.image_build import BuildOrder, build_stack_image  # noqa: PLC0415 - 8 ms
    from provision.engine.network import BuildNetwork  # noqa: PLC0415 - 3 ms
    from provision.lock import LOCK_FILE, check_plan, pins, read_lock  # noqa: PLC0415 - 8 ms
    from provision.resolve.request import check_request  # noqa: PLC0415 - 5 ms
    from provision.supply.origin import origin_labels  # noqa: PLC0415 - 30 ms

    known, wanted = catalogue or facts.load(), options or model.BuildOptions()
    with opened(path) as found, connection(engine) as connected:
        lock = read_lock(found.folder / LOCK_FILE)
        check_plan(known, lock, path)
        request = check_request(lock.request)
        need_machine(lock.platform.partition("-")[0], connected.describe())
        uv = found.folder / "tools" / "uv"
        uv_here = uv if uv.is_file() else None
        wheels = {f"network/{_WHEELS}/{one.name}": one for one in sorted((found.folder / _WHEELS).glob("*"))}
        order = BuildOrder(
            # The base has the Debian packages; that was seen when it was bundled.
            stack=replace(lock.stack, python_in_base=True),
            request=replace(request, apt=()),
            network=BuildNetwork(files=_SETTINGS),
            base=_loaded(connected, found, "base", found.head.base_id, log),
            tag=wanted.tag,
            push=wanted.push,
            pins=pins(lock),
            uv=uv_here,
            programs=wheels,
            offline=True,
            cache=wanted.cache,
            max_size=wanted.max_size,
            origin=origin_labels(os.environ, None),
        )
        room = Room(order.pins or (), connected.free_bytes)
        room.tell(log)

        def step(one: "BuildStep") -> None:
            on_step(one)
            room.check(one)

        return build_stack_image(connected, known, order, log, step)


@contextmanager
def bundled_image(
    path: Path, *, engine: "Engine | None" = None, log: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Check a bundle, and give the name of its finished image, loaded; without one that of what was built from it.

    Raises:
        InputError: KGE-221, the bundle cannot be used.
        BuildError: KGE-410, the engine does not load it.
    """
    with opened(path) as found, connection(engine) as connected:
        number = found.head.image_id
        yield _loaded(connected, found, "image", number, log) if number else found.head.tag


def _loaded(engine: "Engine", found: Opened, part: str, number: str, log: Callable[[str], None]) -> str:
    """Return the name of an image of a bundle, which the engine has or gets; it is one that no other program uses."""
    from provision.bundle import ids_of, image_archive  # noqa: PLC0415 - 30 ms

    name = f"kgpu-env/bundle-{part}:{number.removeprefix('sha256:')[:12]}"
    known, there = ids_of(found.folder / part, number), engine.image(name)
    if there is None or there.image_id not in known:
        log(f"loading {part} {found.head.base if part == 'base' else found.head.tag} from the bundle")
        with tempfile.TemporaryFile(dir=found.folder) as file:
            image_archive(found.folder / part, number, name, file)
            file.seek(0)
            engine.load(file)
        there = engine.image(name)
        if there is None or there.image_id not in known:
            cause = (
                f"the engine calls it {there.image_id if there else 'by no name'}, and {' or '.join(known)} was loaded"
            )
            raise BuildError("KGE-410", f"the bundle's {part} was loaded as another image", cause=cause)
    return name


def copy_lock(path: Path, folder: Path) -> Path:
    """Write the lock of a bundle to a folder, checked, and return its file."""
    from provision.lock import LOCK_FILE, PYLOCK_FILE  # noqa: PLC0415 - 8 ms

    with opened(path, only=(LOCK_FILE, PYLOCK_FILE)) as found:
        if not (found.folder / LOCK_FILE).is_file():
            fix = "prove it with kgpu-env verify --bundle, or ship it with kgpu-env fleet apply"
            raise InputError("KGE-221", f"{path} holds an image that is built, and no lock to build from.", fix=fix)
        for one in found.folder.iterdir():
            shutil.copy(one, folder)
    return folder / LOCK_FILE
