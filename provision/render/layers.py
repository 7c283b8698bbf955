"""What is installed in which layer of an image, and what is left out of it: `images/contents.yaml` for one stack."""

from collections.abc import Iterator, Sequence

from provision.catalogue import Catalogue
from provision.catalogue.contents import Cut
from provision.model import Pin, Request, Stack, version_key
from provision.model.base import Value
from provision.model.pins import folder_in_context, requirement

CONTEXT = "/dev/context"  # where a RUN sees files of the context that are installed
_ADDED = "packages"


class Layer(Value):
    """One RUN that installs."""

    id: str  # the name of its requirements file
    title: str
    requirements: tuple[str, ...]
    cuts: tuple[str, ...] = ()  # patterns below site-packages
    pinned: bool = True  # they are all, by hash; otherwise their dependencies are looked for
    files: bool = False  # some lie in the build context


def layers_of(catalogue: Catalogue, stack: Stack, request: Request, pins: Sequence[Pin] | None) -> tuple[Layer, ...]:
    """Return what is installed, in order; without pins one layer, since what is resolved apart may not go together."""
    if stack.framework_in_base:
        return ()
    cuts = [cut for cut in catalogue.contents.cuts if _applies(cut, stack, request)]
    rows = catalogue.contents.layers
    if pins is None:
        patterns = tuple(file for cut in cuts for file in cut.files)
        wanted = (*stack.packages, *request.packages)
        return (Layer(id=rows[-1].id, title=rows[-1].title, requirements=wanted, cuts=patterns, pinned=False),)
    return tuple(_pinned(catalogue, cuts, pins))


def _pinned(catalogue: Catalogue, cuts: Sequence[Cut], pins: Sequence[Pin]) -> Iterator[Layer]:
    left = {pin.name: pin for pin in sorted(pins, key=lambda pin: pin.name) if pin.use == "framework"}
    for row in catalogue.contents.layers:
        own = [left.pop(name) for name in list(left) if row.holds(name)]
        patterns = tuple(file for cut in cuts if row.id in cut.layers for file in cut.files)
        if own:
            yield _layer(row.id, row.title, own, patterns)
    added = [pin for pin in pins if pin.use == "added"]
    if added:
        yield _layer(_ADDED, "What was asked for beside it", added, ())


def _layer(name: str, title: str, pins: Sequence[Pin], cuts: tuple[str, ...]) -> Layer:
    folders = sorted({folder for pin in pins if (folder := folder_in_context(pin))})
    alone = ["--no-index"] if all(map(folder_in_context, pins)) else []  # no network is needed then
    lines = (*alone, *(f"--find-links {CONTEXT}/{folder}" for folder in folders), *map(requirement, pins))
    return Layer(id=name, title=title, requirements=lines, cuts=cuts, files=bool(folders))


def _applies(cut: Cut, stack: Stack, request: Request) -> bool:
    """Tell whether an image leaves the files of a cut out."""
    order = ("runtime", "devel", "full")
    if order.index(request.contents) >= order.index(cut.contents):
        return False
    since = cut.backends.get(stack.backend)
    return not cut.backends or (since is not None and version_key(stack.framework.version) >= version_key(since))
