"""The user's own packages: read from files, resolved together with the framework, and what they say of the stack."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

import provision.catalogue as facts
from provision import model
from provision.api.candidates import Choice, Search
from provision.api.local_code import local_pins
from provision.errors import InputError
from provision.model.wanted import Wanted

if TYPE_CHECKING:
    from provision.lock import Uv

_NO_INDEX: Final = ("KGE-621", "KGE-626", "KGE-226")
# Where an answer is welcome and not needed, nobody waits for an index that does not answer.
_SOON: Final = {"UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"}


def read_wanted(request: model.Request, root: Path | None = None, catalogue: facts.Catalogue | None = None) -> Wanted:
    """Return what a request's packages and files ask for beside the framework.

    Args:
        request: its packages, already checked, and its requirements files.
        root: the folder that paths in the files may not leave; by default the working directory.
        catalogue: the facts; by default those that ship.

    Raises:
        InputError: KGE-616 to KGE-619, a file or a line of it that cannot be used; KGE-615, an address with a
            password, which would stay in the image.
    """
    from provision.lock import Uv, export, find_uv  # noqa: PLC0415 - 8 ms
    from provision.redaction import refuse_password  # noqa: PLC0415 - as above
    from provision.requirements import wanted  # noqa: PLC0415 - 25 ms

    if not request.packages and not request.requirements:
        return Wanted()

    def exported(path: Path, extras: Sequence[str]) -> str:
        return export(path, extras, Uv(find_uv(shutil.which), dict(os.environ)))

    known = (catalogue or facts.load()).packages
    found = wanted(request.packages, request.requirements, root or Path.cwd(), exported, known)
    for one in (*found.entries, *found.constraints):
        refuse_password(one.source, one.text)
    return found


def choose(
    host: model.Host,
    request: model.Request,
    network: model.Network | None = None,
    *,
    needed: bool = False,
    catalogue: facts.Catalogue | None = None,
    today: str | None = None,
    held: Sequence[str] = (),
    log: Callable[[str], None] = lambda _: None,
) -> Choice:
    """Return the newest stack that both the host and the packages asked for allow, with all that is installed.

    uv is asked, newest stack first, as `build` reaches an index. Where it reaches none, names and pins alone decide.

    Args:
        host: as probed, or from a file.
        request: what is asked for, with packages and requirements files.
        network: CA bundle, package indexes and proxy.
        needed: whether all that is installed has to be known; then an index has to answer.
        catalogue: the facts; by default those that ship.
        today: as of `resolve`.
        held: exact requirements that stay where everything can: those of a lock.
        log: gets a line of text about what is not heeded, and what is asked.

    Raises:
        NoStackError: as of `resolve`; KGE-215, no stack goes with the packages.
        InputError: as of `read_wanted`; KGE-621, KGE-623 or KGE-626, uv or an index does not answer, where needed.
    """
    from provision.resolve import resolve  # noqa: PLC0415 - 5 ms

    known = catalogue or facts.load()
    asked, request = _asked(known, request)
    for note in asked.notes:
        log(note)
    search = Search(known, host, request, asked, today)
    search.held = tuple(held)
    if not needed and asked == Wanted():
        return Choice(resolve(known, host, request, today=today), None, asked)
    if not needed and os.environ.get("UV_OFFLINE"):
        return Choice(search.by_names(), None, asked, ("UV_OFFLINE is set: names and pins alone decided",))
    try:
        with _uv(network or model.Network(), {} if needed else _SOON) as uv:
            return search.asking(uv, log)
    except InputError as error:
        if needed or error.code not in _NO_INDEX:
            raise _explained(error, known) from error
        note = f"names and pins alone decided: {error.text}"
        return Choice(search.by_names(), None, asked, (note,))


def complete(
    stack: model.Stack,
    request: model.Request,
    machine: str,
    network: model.Network | None = None,
    *,
    catalogue: facts.Catalogue | None = None,
    held: Sequence[str] = (),
) -> Choice:
    """Return a stack that is given with all that is installed, as `lock` takes it; an index has to answer.

    Args:
        stack: what is installed; it is not changed.
        request: what it was resolved for.
        machine: the processor, as the kernel names it.
        network: as of `choose`.
        catalogue: the facts; by default those that ship.
        held: exact requirements that stay where everything can: those of a lock.

    Raises:
        InputError: KGE-622, the packages do not go with the stack; else as of `choose`.
    """
    known = catalogue or facts.load()
    asked, request = _asked(known, request)
    search = Search(known, model.Host(architecture=machine), request, asked, None)
    search.held = tuple(held)
    try:
        with _uv(network or model.Network(), {}) as uv:
            return search.complete(stack, uv)
    except InputError as error:
        raise _explained(error, known) from error


def _asked(known: facts.Catalogue, request: model.Request) -> tuple[Wanted, model.Request]:
    """Return what a request asks for beside the framework, as a stack takes it, and the request with its backend."""
    if not request.packages and not request.requirements:
        return Wanted(), request
    from provision.resolve.packages import own_backend, prepared  # noqa: PLC0415 - 25 ms

    wanted = read_wanted(request, catalogue=known)
    if own := own_backend(known, wanted, request):
        request = replace(request, backend=own[0])
        wanted = replace(wanted, notes=(*wanted.notes, own[1]))
    return prepared(known, wanted, request), request


def _explained(error: InputError, catalogue: facts.Catalogue) -> InputError:
    """Return the error of an index that does not answer by the known message in what uv said, if there is one."""
    if error.code != "KGE-626":
        return error
    from provision.doctor.messages import recognise  # noqa: PLC0415 - 10 ms, for an index that does not answer

    met = next((one for one in recognise(error.cause, catalogue.errors) if one.row.severity == "error"), None)
    if met is None:
        return error
    return InputError(met.code, error.text, cause=f"{met.text}: {met.line}", fix=met.fix)


def pins(choice: Choice) -> tuple[tuple[model.Pin, ...], dict[str, bytes]]:
    """Return all that a build installs, and the files of local code that it needs in its context.

    Raises:
        InputError: KGE-216, local code that cannot go into a context.
    """
    from provision.lock import Pinned  # noqa: PLC0415 - as above
    from provision.lock import pins as pins_of  # noqa: PLC0415 - as above

    found = pins_of(Pinned(choice.wheels or (), choice.tools, "", None))
    code, files = local_pins(choice.wanted)
    return (*found, *code), files


@contextmanager
def _uv(network: model.Network, more: Mapping[str, str]) -> "Iterator[Uv]":
    """Yield uv as it reaches what a build reaches."""
    import tempfile  # noqa: PLC0415 - 1 ms

    from provision.engine.network import Surroundings, build_network  # noqa: PLC0415 - 3 ms
    from provision.lock import Uv, find_uv, network_environment  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        files = build_network(network, os.environ, Surroundings(folder=Path.cwd(), on_host=True)).files
        environment = network_environment(files, {**more, **os.environ}, network.ca_bundle, Path(folder))
        yield Uv(find_uv(shutil.which), environment)
