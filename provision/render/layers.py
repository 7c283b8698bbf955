"""What is installed in which layer of an image, and what is left out of it: `images/contents.yaml` for one stack."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.catalogue.contents import Cut
from provision.model import Pin, Request, Stack
from provision.model.base import Value
from provision.model.pins import INDEX, folder_in_context, requirement

CONTEXT = "/dev/context"  # where a RUN sees files of the context that are installed
_ADDED = "packages"
# The later of two distributions that own a folder replaced files of the earlier, whatever either says of itself.
_ONE_OWNER = (
    "import collections as c, importlib.metadata as m; "
    "n = c.Counter(f.parts[0] for d in m.distributions() for f in d.files or () if f.parts[1:] == ('__init__.py',)); "
    "two = [name for name in '{folders}'.split() if n[name] > 1]; "
    "raise SystemExit(f'two distributions own {{two}}' if two else 0)"
)
_PARTS = ("whole", "symbols")
_ARCHIVES = (".whl", ".tar.gz", ".zip")


class Layer(Value):
    """One RUN that installs."""

    id: str  # the name of its requirements file
    title: str
    requirements: tuple[str, ...]
    cuts: tuple[str, ...] = ()  # patterns below site-packages
    symbols: tuple[str, ...] = ()  # the same, of libraries that lose their symbol tables
    pinned: bool = True  # they are all, by hash; otherwise their dependencies are looked for
    files: bool = False  # some lie in the build context
    check: str = ""  # Python that ends the build where two of them own the same folder


class Code(Value):
    """A source tree that is installed last."""

    place: str  # as uv takes it
    repository: bool  # it is fetched with git
    told: str  # where it is from, and its hash


def layers_of(catalogue: Catalogue, stack: Stack, request: Request, pins: Sequence[Pin] | None) -> tuple[Layer, ...]:
    """Return what is installed, in order; without pins one layer, since what is resolved apart may not go together."""
    if stack.framework_in_base:
        return ()
    of = (request.contents, stack.backend, stack.framework.version)
    cuts = [cut for cut in catalogue.contents.cuts if cut.holds(*of)]
    rows = catalogue.contents.layers
    if pins is None:
        wanted = (*stack.packages, *request.packages)
        layer = Layer(id=rows[-1].id, title=rows[-1].title, requirements=wanted, pinned=False)
        return (_without(layer, cuts),)
    return tuple(_pinned(catalogue, cuts, pins))


def _pinned(catalogue: Catalogue, cuts: Sequence[Cut], pins: Sequence[Pin]) -> Iterator[Layer]:
    left = {pin.name: pin for pin in sorted(pins, key=lambda pin: pin.name) if pin.use == "framework"}
    for row in catalogue.contents.layers:
        own = [left.pop(name) for name in list(left) if row.holds(name)]
        if own:
            yield _without(_layer(row.id, row.title, own), [cut for cut in cuts if row.id in cut.layers])
    added = [pin for pin in pins if pin.use == "added" and not _is_code(pin)]
    if added:
        folders = sorted({name for row in catalogue.packages.same for name in row.owns})
        layer = _layer(_ADDED, "What was asked for beside it", added)
        yield replace(layer, check=_ONE_OWNER.format(folders=" ".join(folders)))


def beside_base(pins: Sequence[Pin] | None) -> tuple[str, ...] | None:
    """Return what is installed into an image that brings its own environment; None without pins."""
    return None if pins is None else tuple(requirement(pin) for pin in pins if pin.use == "added" and not _is_code(pin))


def code_of(pins: Sequence[Pin] | None) -> tuple[Code, ...]:
    """Return the source trees among pins: what they need is among the others."""
    return tuple(_code(pin) for pin in pins or () if _is_code(pin))


def _is_code(pin: Pin) -> bool:
    """Tell whether a pin is a source tree, of the context or of a repository: uv checks no hash of one."""
    scheme, address, _ = pin.origin.partition("://")
    return "+" in scheme if address else pin.origin != INDEX and not pin.origin.endswith(_ARCHIVES)


def _code(pin: Pin) -> Code:
    repository = "://" in pin.origin
    place = f"{pin.name} @ {pin.origin}" if repository else f"{CONTEXT}/{pin.origin}"
    return Code(place=place, repository=repository, told=f"{pin.origin} {' '.join(pin.hashes)}".strip())


def _without(layer: Layer, cuts: Sequence[Cut]) -> Layer:
    whole, symbols = (tuple(file for cut in cuts if cut.part == part for file in cut.files) for part in _PARTS)
    return replace(layer, cuts=whole, symbols=symbols)


def _layer(name: str, title: str, pins: Sequence[Pin]) -> Layer:
    folders = sorted({folder for pin in pins if (folder := folder_in_context(pin))})
    alone = ["--no-index"] if all(map(folder_in_context, pins)) else []  # no network is needed then
    lines = (*alone, *(f"--find-links {CONTEXT}/{folder}" for folder in folders), *map(requirement, pins))
    return Layer(id=name, title=title, requirements=lines, files=bool(folders))
