"""What is in a bundle: checked, built without a network, or loaded."""

import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

import provision.catalogue as facts
from provision import model
from provision.api.hosts import engine as connection
from provision.api.preflight import Room
from provision.errors import BuildError, InputError

if TYPE_CHECKING:
    from provision.bundle import Bundle
    from provision.engine.protocol import BuildStep, Engine

_WHEELS: Final = "wheels"
_SMALL: Final = 8 << 20  # bytes; manifests and configurations have less
# What the build is told of the network: there is none, and the wheels lie beside it.
_SETTINGS: Final = {"network/uv.toml": b'no-index = true\nfind-links = ["/dev/network/wheels"]\n'}


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
    import tempfile  # noqa: PLC0415 - 3 ms

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
    from provision.bundle.debian import check_listed  # noqa: PLC0415 - 30 ms
    from provision.engine.describe import need_machine  # noqa: PLC0415 - 1 ms
    from provision.engine.image_build import BuildOrder, build_stack_image  # noqa: PLC0415 - 8 ms
    from provision.engine.network import BuildNetwork  # noqa: PLC0415 - 3 ms
    from provision.lock import LOCK_FILE, check_plan, pins, read_lock  # noqa: PLC0415 - 8 ms
    from provision.render.dockerfile import DEBIAN, PACKAGES  # noqa: PLC0415 - 8 ms
    from provision.resolve.request import check_request  # noqa: PLC0415 - 5 ms
    from provision.supply.origin import origin_labels  # noqa: PLC0415 - 30 ms

    known, wanted = catalogue or facts.load(), options or model.BuildOptions()
    with opened(path) as found, connection(engine) as connected:
        lock = read_lock(found.folder / LOCK_FILE)
        check_listed(path, found.head, lock.debian)
        check_plan(known, lock, path)
        request = check_request(lock.request)
        need_machine(lock.platform.partition("-")[0], connected.describe())
        uv = found.folder / "tools" / "uv"
        uv_here = uv if uv.is_file() else None
        wheels = {f"network/{_WHEELS}/{one.name}": one for one in sorted((found.folder / _WHEELS).glob("*"))}
        debian = {f"{DEBIAN}/{one.name}": one for one in sorted((found.folder / DEBIAN).glob("*.deb"))}
        listed = {PACKAGES: "\n".join(debian).encode()} if debian else {}
        order = BuildOrder(
            # Without Debian packages in the bundle the base has all of them; that was seen when it was bundled.
            stack=lock.stack if debian else replace(lock.stack, python_in_base=True),
            request=request if debian else replace(request, apt=()),
            network=BuildNetwork(files=_SETTINGS | listed),
            base=_loaded(connected, found, "base", found.head.base_id, log),
            tag=wanted.tag,
            push=wanted.push,
            pins=pins(lock),
            uv=uv_here,
            programs=wheels | debian,
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
    import tempfile  # noqa: PLC0415 - 3 ms

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
    if not set(loaded_as(path, image) or ("",)) <= set(known):
        fix = "build it again: kgpu-env fleet build PLAN --bundle DIR --force"
        raise InputError("KGE-221", f"{path} does not load as {image} alone.", fix=fix)


def loaded_as(path: Path, image: str) -> tuple[str, ...]:
    """Return what engines call the image that a bundle loads as, by the name `image` alone; () where it does not."""
    import tempfile  # noqa: PLC0415 - 3 ms

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
