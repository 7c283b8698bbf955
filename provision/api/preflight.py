"""What a build needs of others, asked once it really fetches something: who does not answer is named at once.

Nothing is asked for a build that the cache has whole, and nobody waits for an answer. No build is ended for one either:
a step may be in the cache, and containers or the engine may have another way than this process. It is told, and where
the build fails it is told again. What is certain is a disk that has less room than the files of a step have.
"""

import os
import re
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from provision import model
from provision.api.catalogue import help_of_uv
from provision.catalogue import Catalogue
from provision.errors import BuildError, EngineError, InputError
from provision.model.pins import INDEX
from provision.redaction import redacted

if TYPE_CHECKING:
    from provision.catalogue.messages import KnownError
    from provision.engine.image_build import BuildOrder
    from provision.engine.protocol import BuildStep, Engine

SECONDS: Final = (3.0, 5.0)  # to connect, and to wait for an answer: an installer waits longer
# Failures that an absent host may be the cause of: of a step, a pull, a push, and what known messages tell of networks.
_OF_NETWORKS: Final = ("KGE-401", "KGE-402", "KGE-404", "KGE-43", "KGE-44", "KGE-45")
_RUN: Final = re.compile(r"\[(?:[^\]\s]+\s+)?\d+/\d+\] RUN ")
# What the threads use: several that import at once were seen to get a module that is not whole yet.
_LATER: Final = ("provision.registry.http", "provision.index", "provision.doctor.messages", "provision.engine.proxies")
_PUSHING: Final = "pushing "  # the one step beside the image's own that fetches nothing
_UNPACKED: Final = 2  # times their size: measured for TensorFlow with CUDA, 2.5 GB of wheels make 4.9 GB
_PHRASES: Final = {one.value: one.phrase for one in HTTPStatus}
_ABSENT: Final = frozenset({404})
_CHALLENGES: Final = frozenset({401, 403, 404})  # a registry gives a token to whoever asks for an image


class Need(NamedTuple):
    """Somebody whom a build asks."""

    what: str  # "the package index"
    url: str
    setting: str  # what names another one
    welcome: frozenset[int] = frozenset()  # answers of 400 and more that mean nothing bad
    proxies: Mapping[str, str] = {}

    @property
    def host(self) -> str:
        """Its name and port, as people write them."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class Failure(NamedTuple):
    """Somebody who does not answer, or refuses."""

    need: Need
    why: str
    code: str = ""  # of the known message that this is
    fix: str = ""

    @property
    def text(self) -> str:
        """Who, and why."""
        return f"{self.need.what} at {self.need.host} does not serve this host: {self.why}"


T = TypeVar("T")
Ask = Callable[[Need], int]  # raises OSError where nothing answers


class Watch:
    """Looks at a build's steps; with the first that fetches something it begins to ask."""

    def __init__(
        self,
        needs: Callable[[str], Iterator[Need]],
        ask: Ask,
        room: "Room",
        rows: "Callable[[], tuple[KnownError, ...]]",
        log: Callable[[str], None],
    ) -> None:
        """Ask nothing yet.

        Args:
            needs: yields whom to ask, from the name of the step that began.
            ask: asks one of them.
            room: looks at the engine's disk.
            rows: known messages.
            log: gets a line of text about who does not answer.
        """
        self.failures: list[Failure] = []
        self._needs, self._ask, self._room, self._rows, self._log = needs, ask, room, rows, log
        self._begun: set[str] = set()
        self._asked: set[str] = set()
        self._over = False

    def __call__(self, step: "BuildStep") -> None:
        """Look at a step.

        Raises:
            BuildError: KGE-403, it cannot end for want of space.
        """
        if step.state != "running":
            return
        if step.index == 0 and not step.name.startswith(_PUSHING):
            self.begin(step.name)
        elif _RUN.match(step.name):
            self.begin()
            self._room.check(step)

    def begin(self, name: str = "") -> None:
        """Ask, beside what is going on; once for a base that is fetched or made, and once for the image's own steps."""
        if name in self._begun:
            return
        if not self._begun:
            for module in _LATER:
                import_module(module)
            sysconfig.get_config_vars()  # Python fills them without a lock: uv's own look-up was seen to get a part
            self._room.tell(self._log)
        self._begun.add(name)
        _beside(self._all, name)

    def end(self) -> None:
        """Say no more."""
        self._over = True

    def explained(self, error: BuildError) -> BuildError:
        """Return the error of a failed build with those who did not answer meanwhile, unless it names them itself."""
        for one in self.failures if error.code.startswith(_OF_NETWORKS) else ():
            if one.need.host not in f"{error.text} {error.cause}":
                error.cause = "; ".join(filter(None, (error.cause, one.text)))
                error.fix = error.fix or one.fix
        return error

    def _all(self, name: str) -> None:
        for need in self._needs(name):
            if need.url in self._asked:
                continue
            self._asked.add(need.url)
            _beside(self._one, need)

    def _one(self, need: Need) -> None:
        try:
            status = self._ask(need)
        except OSError as error:
            self._tell(need, str(error))
            return
        if status >= HTTPStatus.BAD_REQUEST and status not in need.welcome:
            # The words of uv: the known messages have them.
            side = "server" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "client"
            self._tell(need, f"HTTP status {side} error ({status} {_PHRASES.get(status, '')})")

    def _tell(self, need: Need, why: str) -> None:
        from provision.doctor.messages import recognise  # noqa: PLC0415 - 10 ms, where something is wrong

        why = redacted(why)
        met = next((one for one in recognise(why, self._rows()) if one.row.severity == "error"), None)
        failure = Failure(need, why, met.code if met else "", met.fix if met else "")
        self.failures.append(failure)
        if not self._over:
            code = f" ({failure.code})" if failure.code else ""
            fix = f"{failure.fix}; another" if failure.fix else "another"
            self._log(
                f"warning: {failure.text}{code}; steps that need it may fail. Fix: {fix} is named by {need.setting}"
            )


def _beside(function: Callable[[T], None], argument: T) -> None:
    """Call a function in a thread that nobody waits for; one that fails tells nothing, and the build goes on."""

    def quietly() -> None:
        with suppress(Exception):
            function(argument)

    threading.Thread(target=quietly, daemon=True).start()


class Room:
    """Holds the sizes of the files that a build installs against what is free."""

    def __init__(self, pins: tuple[model.Pin, ...], free: Callable[[], int | None]) -> None:
        self._sized = [pin for pin in pins if pin.size_bytes and pin.use != "tool"]
        self._ask = free
        self._seen: set[int] = set()

    def tell(self, log: Callable[[str], None]) -> None:
        """Say so where it may be too little for all of them."""
        needed = sum(pin.size_bytes or 0 for pin in self._sized)
        free = self._free() if needed else None
        if free is not None and free < needed * _UNPACKED:
            log(
                f"warning: {_gb(free)} are free where the engine keeps images; {len(self._sized)} packages have"
                f" {_gb(needed)} packed, and about {_gb(needed * _UNPACKED)} unpacked"
            )

    def check(self, step: "BuildStep") -> None:
        """Raise BuildError KGE-403 where a step that begins to install has files that are larger than what is free."""
        if step.state != "running" or not self._sized or step.index in self._seen:
            return
        self._seen.add(step.index)
        own = [pin for pin in self._sized if any(one in step.name for one in pin.hashes)]
        needed = sum(pin.size_bytes or 0 for pin in own)
        free = self._free() if own else None
        if free is None or free >= needed:
            return
        from provision.engine.images import disk_full  # noqa: PLC0415 - 140 ms, and it is there

        raise disk_full(f"{_gb(free)} are free, and the {len(own)} packages of the next step have {_gb(needed)} packed")

    def _free(self) -> int | None:
        try:
            return self._ask()
        except EngineError:
            return None


def _gb(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"  # noqa: PLR2004 - as it reads best


def watch(
    order: "BuildOrder",
    engine: "Engine",
    known: Catalogue,
    network: model.Network,
    log: Callable[[str], None],
) -> Watch:
    """Return what watches the build of an order; network and disk are looked at as that build will use them."""

    def ask(need: Need) -> int:
        from provision.engine.certificates import trusted_bundle  # noqa: PLC0415 - 3 ms
        from provision.registry.http import asked  # noqa: PLC0415 - 100 ms

        ca_bundle = trusted_bundle(network.ca_bundle, os.environ)
        return asked(need.url, {**order.network.arguments, **need.proxies}, ca_bundle, SECONDS)

    def needs(step: str) -> Iterator[Need]:
        if not order.offline:
            yield from _registries(order, step)
            yield from _indexes(order)
            yield from _mirrors(order, engine, step)

    return Watch(needs, ask, Room(order.pins or (), engine.free_bytes), lambda: known.errors, log)


def _registries(order: "BuildOrder", step: str) -> Iterator[Need]:
    from provision.engine.base_image import PULLING  # noqa: PLC0415 - 8 ms
    from provision.model.reference import parse_reference  # noqa: PLC0415 - 1 ms
    from provision.registry.address import api_root  # noqa: PLC0415 - 4 ms

    named = [step.removeprefix(PULLING)] if step.startswith(PULLING) else []
    named += [order.tag] if order.push and order.tag else []
    for registry in dict.fromkeys(parse_reference(name).registry for name in named):
        yield Need("the registry", f"{api_root(registry)}/", "network: registries", _CHALLENGES)


def _indexes(order: "BuildOrder") -> Iterator[Need]:
    wanted = [pin.name for pin in order.pins or () if pin.origin == INDEX and pin.use != "tool"]
    if order.pins is None and not order.stack.framework_in_base:
        wanted = [order.stack.framework.name]
    if not wanted:
        return
    for index in order.network.indexes or _default_index():
        url = f"{index.rstrip('/')}/{wanted[0]}/"
        yield Need("the package index", url, "network: index_url, or pip's and uv's settings", _ABSENT)


def _default_index() -> tuple[str, ...]:
    from provision.index import indexes_of  # noqa: PLC0415 - 20 ms

    try:
        return indexes_of(model.Network(), {}, help_of_uv, Path("/dev/null")).urls
    except InputError:  # uv is not here, or does not tell
        return ()


def _mirrors(order: "BuildOrder", engine: "Engine", step: str) -> Iterator[Need]:
    """Yield the apt mirror of a base that is made here; those of other bases are written in them alone."""
    from provision.engine.apt_sources import first_mirror  # noqa: PLC0415 - 3 ms
    from provision.engine.base_image import MAKING, local_base, wanted_base  # noqa: PLC0415 - 8 ms
    from provision.engine.proxies import apt_variables  # noqa: PLC0415 - 3 ms

    suite = order.stack.local_base
    needed = bool(order.request.apt) or not order.stack.python_in_base
    if not suite or order.base or not (needed or step.startswith(MAKING)):
        return
    if not step and (engine.image(wanted_base(order.stack, order.registries)) or not engine.image(local_base(suite))):
        return
    if step and not step.startswith(MAKING):  # whether the registry has it is not known yet
        return
    mirror = first_mirror(suite)
    if mirror:
        url = f"{mirror.rstrip('/')}/dists/{suite}/InRelease"
        yield Need("the apt mirror", url, "the sources in /etc/apt", proxies=apt_variables(Path("/")))
