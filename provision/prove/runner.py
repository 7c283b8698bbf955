"""Run the workload in a container of an image and have it judged."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from provision.catalogue.messages import KnownError
from provision.engine.protocol import Access, Engine, Image, OnOutput, Ran, Run
from provision.model import GPU_VENDORS, Backend, GpuVendor, Host, Level, Proof, Value, Vendor, Verdict, selection
from provision.model.events import Event, OnEvent, unheard
from provision.model.inside import SCRATCH, cache_environment
from provision.model.labels import stack_of
from provision.probe.monitor import HostView
from provision.prove.control import WITHHELD, with_control, with_known_control
from provision.prove.events import EventReader, Listener
from provision.prove.evidence import parse_result
from provision.prove.expectation import Expectation, host_state, select
from provision.prove.host_monitor import HostMonitor, boot_id
from provision.prove.inside_python import python_command
from provision.prove.judge import judge
from provision.prove.process_runner import run_here
from provision.prove.reason import PYTHON_MISSING
from provision.prove.workload.zipapp import source
from provision.records import title

ENDING_SECONDS = 60.0  # how much longer a workload may live than whoever started it waits for it
INTERPRETERS = ("python3", "python")
SHELL_MISSING = re.compile(r'exec: "sh"|exec sh: |: sh: ')
# The root file system is read-only: everything that frameworks write goes to the only place that is not.
WRITABLE = {
    "HOME": SCRATCH,
    **cache_environment(SCRATCH, Vendor.AUTO),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


class VerifyRequest(Value):
    """What is to be proved, and within which limits."""

    vendor: Vendor = Vendor.AUTO  # auto: `provision.api` decides before anything runs
    gpus: str = "all"  # or the host's numbers and UUIDs: "0,1"
    jit_compile: bool | Literal["auto"] = "auto"
    seconds: float = 600.0
    memory_bytes: int | None = None
    epochs: int = 6
    seed: int = 20
    backend: Backend | None = None  # None: the one that the image's stack was made for, else TensorFlow
    level: Level = "standard"
    minutes: float = 0.0  # of soaking, for the level soak
    lanes: dict[str, int] = msgspec.field(default_factory=dict)  # the catalogue's, by architecture: `Expectation`
    anonymous: bool = False  # the proof names the host by a name that does not tell which it is
    python: str = ""  # the interpreter inside; empty: the one that has the framework
    boot_id: str = ""  # of the kernel where the container runs, where that is another machine's; empty: this one's
    known_control: str = ""  # when this image was seen not to be proved without its GPU; empty: it is tried


def image_vendor(image: Image) -> Vendor:
    """Return the vendor an image was made for: by its stack label, else by the variables its base set, else cpu."""
    stack = stack_of(image.labels)
    if stack is not None and stack.vendor is not Vendor.AUTO:
        return stack.vendor
    names = {item.split("=", 1)[0] for item in image.env}
    for vendor, row in GPU_VENDORS.items():
        if any(re.fullmatch(row.image_variables, name) for name in names):
            return vendor
    return Vendor.CPU


class Train(Protocol):
    """Runs the workload once with an argument, with its GPUs or with all of them withheld."""

    def __call__(self, argument: str, on_stdout: OnOutput, *, withheld: bool) -> Ran:
        """Return how it ended; `on_stdout` gets what it prints as it comes."""


def verify(  # noqa: PLR0913, PLR0917 - the six values of a verification and its three effects
    engine: Engine,
    image: str,
    found: Image,
    request: VerifyRequest,
    host: Host,
    access: Access,
    patterns: Iterable[KnownError],
    *,
    new_nonce: Callable[[], str],
    clock: Callable[[], float],
    on_event: OnEvent = unheard,
) -> Proof:
    """Train in a container of `image` and return the judged proof.

    Without a GPU on the host `access` is empty, and it still trains: the proof then tells where. A proof is tried again
    with the GPU withheld (`control`).

    Args:
        engine: where the container runs; it removes the container, whatever happens.
        image: the name of a local image; any with Python and the framework inside.
        found: what the engine tells of it.
        request: vendor (not auto), GPUs and limits.
        host: the host as probed.
        access: how the container gets its GPUs, from `provision.engine.access.device_access`.
        patterns: rows of the error catalogue.
        new_nonce: a number for each run, so that no old or forged line is taken for its result.
        clock: monotonic seconds.
        on_event: gets what begins, for people who wait; nothing depends on it.

    Raises:
        BuildError: KGE-408, the engine lost the image meanwhile.
        EngineError: the engine stopped answering.
    """
    begun, program, expectation = clock(), source(), _expect(found, request, host, access)

    def train(argument: str, on_stdout: OnOutput, *, withheld: bool) -> Ran:
        run = Run(
            image=image,
            command=(request.python or INTERPRETERS[0], "-c", program, argument),
            access=Access() if withheld else access,
            env=WRITABLE | WITHHELD if withheld else WRITABLE,
            seconds=_limit(request, expectation),
            memory_bytes=request.memory_bytes,
        )
        if stack_of(found.labels) is None and found.env and not request.python:
            other = python_command(expectation.backend, *run.command[1:])
            ran = engine.run(msgspec.structs.replace(run, command=other), on_stdout)
            if not SHELL_MISSING.search(ran.refused):
                return ran
        return engine.run(run, on_stdout) if request.python else _run(engine, run, on_stdout)

    proof = prove(train, expectation, request, patterns, new_nonce, on_event)
    seconds = clock() - begun
    return msgspec.structs.replace(
        proof, image=image, image_id=found.image_id, stack=stack_of(found.labels), seconds=seconds
    )


def verify_here(  # noqa: PLR0913 - as `verify`, with a Python for the engine and its image
    python: Path,
    request: VerifyRequest,
    host: Host,
    patterns: Iterable[KnownError],
    *,
    new_nonce: Callable[[], str],
    clock: Callable[[], float],
    on_event: OnEvent = unheard,
) -> Proof:
    """Train in a process of this machine and return the proof, judged as that of a container.

    With `gpus` "all" every GPU is expected that this environment shows, not every one of the machine: a pod is given
    a part of them.

    Args:
        python: the interpreter whose packages are to be proved.
        request: vendor (not auto), GPUs and limits.
        host: this machine as probed.
        patterns: rows of the error catalogue.
        new_nonce: a fresh number for each run.
        clock: monotonic seconds.
        on_event: as for `verify`.
    """
    begun, program = clock(), source()
    indices, gpus = select(host, request.vendor, request.gpus)
    usable, reason = host_state(host, request.vendor)
    expectation = Expectation(
        vendor=request.vendor,
        indices=indices if request.vendor is Vendor.CPU or request.gpus != "all" else (),
        gpus=gpus,
        host_has_gpu=usable,
        host_reason=reason,
        backend=request.backend or "tensorflow",
        here=True,
        level=request.level,
        host=host,
        lanes=request.lanes,
        boot_id=boot_id(),
        **_measures(request),
    )

    def train(argument: str, on_stdout: OnOutput, *, withheld: bool) -> Ran:
        environment = WITHHELD if withheld else _chosen(request, host)
        return run_here(python, program, argument, environment, _limit(request, expectation), on_stdout)

    proof = prove(train, expectation, request, patterns, new_nonce, on_event)
    return msgspec.structs.replace(proof, image=title(python), interpreter=str(python), seconds=clock() - begun)


def _limit(request: VerifyRequest, expectation: Expectation) -> float:
    """Return the seconds that a run may take: each GPU soaks for the minutes asked for, one after the other."""
    return request.seconds + 60 * request.minutes * max(1, len(expectation.indices), len(expectation.gpus))


def _chosen(request: VerifyRequest, host: Host) -> dict[str, str]:
    """Return the variable that shows only the chosen GPUs to the framework, as an engine would."""
    row = GPU_VENDORS.get(request.vendor)
    shown = _shown(host, row, request.gpus) if row else ""
    chosen = {row.choosing: shown} if row and shown else {}
    # CUDA counts the fastest first unless told otherwise; the host's numbers are in PCI order.
    order = {name: value for one in GPU_VENDORS.values() for name, value in one.bus_order.items()}
    return {**chosen, **order, "PYTHONUNBUFFERED": "1"}


def _shown(host: Host, row: GpuVendor, words: str) -> str:
    """Return the chosen GPUs as the maker's own variable names them; empty for all of them."""
    if host.gpus_of(row.maker):
        return selection.visible(host, row.maker, words)
    # Nothing is known of them: the words as they are, each once, since CUDA refuses one named twice.
    return "" if selection.is_all(words) else ",".join(dict.fromkeys(word.strip() for word in words.split(",")))


def prove(  # noqa: PLR0913, PLR0917 - what is asked for, and three effects
    train: Train,
    expectation: Expectation,
    request: VerifyRequest,
    patterns: Iterable[KnownError],
    new_nonce: Callable[[], str],
    on_event: OnEvent = unheard,
) -> Proof:
    """Train, judge, and for a proof train and judge again with the GPU withheld."""
    rows, listener = tuple(patterns), Listener(on_event)

    def once(level: Level, *, withheld: bool) -> Proof:
        nonce, within = new_nonce(), "control" if withheld else ""
        listener(Event(phase="start", within=within))
        asked = msgspec.structs.replace(expectation, level=level)
        argument = specification(request, asked, nonce)
        asked = msgspec.structs.replace(asked, sent=json.loads(argument))
        with HostMonitor(expectation.vendor, nonce, thermals=level == "soak") as watch:
            ran = train(argument, EventReader(nonce, listener, within).feed, withheld=withheld)
        listener(Event(phase="judging", within=within))
        seen: HostView | None = None if withheld else watch.answer()
        return judge(asked, ran, parse_result(ran.stdout, nonce), rows, seen)

    proof = once(request.level, withheld=False)
    if proof.verdict is not Verdict.PROVED:
        return proof
    if request.known_control:
        return with_known_control(proof, request.known_control, expectation.subject)
    # All that a proof requires at its shortest: whatever passes that would pass with the GPU, too.
    return with_control(proof, once("quick", withheld=True), expectation.subject)


def _expect(image: Image, request: VerifyRequest, host: Host, access: Access) -> Expectation:
    indices, gpus = select(host, request.vendor, request.gpus)
    usable, reason = host_state(host, request.vendor)
    stack = stack_of(image.labels)
    return Expectation(
        vendor=request.vendor,
        indices=indices,
        gpus=gpus,
        host_has_gpu=usable,
        host_reason=reason,
        versions={stack.framework.name: stack.framework.version} if stack else {},
        backend=request.backend or (stack.backend if stack else "tensorflow"),
        level=request.level,
        host=host,
        lanes=request.lanes,
        handed_in=access != Access(),
        engine=_engine_words(host),
        boot_id=request.boot_id or boot_id(),
        **_measures(request),
    )


def _measures(request: VerifyRequest) -> dict[str, Any]:
    """Return how much is asked of the workload."""
    return {"epochs": request.epochs, "seed": request.seed, "minutes": request.minutes}


def _engine_words(host: Host) -> str:
    """Return where the engine is, as far as it tells, and which have a kernel of their own."""
    engine = host.engine
    if engine is None:
        return ""
    own = f"; {engine.system} has a kernel of its own" if engine.is_desktop else ""
    own = own or ("; WSL2 has a kernel of its own" if host.wsl else "")
    return f"{engine.name} at {engine.place}{own}"


def specification(request: VerifyRequest, expectation: Expectation, nonce: str) -> str:
    """Return the workload's argument."""
    return json.dumps(
        {
            "nonce": nonce,
            "vendor": expectation.vendor,
            "device": "CPU" if expectation.vendor is Vendor.CPU else "GPU",
            "indices": list(expectation.indices) or "all",
            "jit_compile": request.jit_compile,
            "seed": request.seed,
            "epochs": request.epochs,
            "backend": expectation.backend,
            "parts": list(expectation.parts),
            "minutes": request.minutes if expectation.level == "soak" else 0,
            "limit": _limit(request, expectation) + ENDING_SECONDS,
        }
    )


def _run(engine: Engine, run: Run, on_stdout: OnOutput) -> Ran:
    """Run a Python command with the first interpreter that the image has."""
    ran = engine.run(run, on_stdout)
    for interpreter in INTERPRETERS[1:]:
        if PYTHON_MISSING.search(ran.refused):
            ran = engine.run(msgspec.structs.replace(run, command=(interpreter, *run.command[1:])), on_stdout)
    return ran
