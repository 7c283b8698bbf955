"""How the steps of a run inside a container are taken: what they share, their limits, and how each ended.

An outcome is `ok`, `failed` (it ran, and did not end as it must) or `not possible` (the machine lacks what it needs, a
step before it did not end well, or there was no time left).
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import gpu_docker

from provision import model
from provision.engine.access import device_access
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access

OK, FAILED, NOT_POSSIBLE = "ok", "failed", "not possible"
LEAST_SECONDS = 5.0  # a step with less is not begun
PLACES = (Path("/var/tmp"), Path("/tmp"), Path("/dev/shm"))


class NotPossibleError(Exception):
    """The machine lacks what a step needs."""


class WrongError(Exception):
    """A step did not end as it must; with what was seen."""

    def __init__(self, why: str, **seen: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(why)
        self.seen = seen


@dataclass
class Scene:
    """What the steps share."""

    folder: Path  # what they write, gone at the end
    programs: Path  # of the engine
    wheels: Path | None
    frameworks: tuple[str, ...]
    environment: dict[str, str]  # of the tool
    root: Path = Path("/")  # where device nodes and the driver's libraries are; another one is a rehearsal's
    host_file: Path | None = None  # a host that is told instead of probed, as well
    cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    place: Path = PLACES[1]
    storage: str = "vfs"
    left: float = 0.0  # seconds of the step that runs
    daemon: gpu_docker.Daemon | None = None
    engine: DockerEngine | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    host: model.Host = field(default_factory=model.Host)

    @property
    def connected(self) -> DockerEngine:
        """The engine; steps that use it need the step that starts it."""
        if self.engine is None:
            raise NotPossibleError("no engine")
        return self.engine

    @property
    def hosted(self) -> tuple[str, ...]:
        """The words by which a command is told the host, where it is not to be probed."""
        return ("--host", str(self.host_file)) if self.host_file else ()

    @property
    def access(self) -> Access:
        """How this engine hands the GPUs over."""
        return device_access(self.host, model.Vendor.CUDA)


class Step(NamedTuple):
    """One step."""

    name: str
    what: str
    seconds: float  # at most
    function: Callable[[Scene], dict[str, Any]]
    needs: tuple[str, ...] = ()


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End what runs in this process after a time by TimeoutError."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def take(step: Step, scene: Scene, outcomes: dict[str, str], left: float) -> dict[str, Any]:
    """Take a step, and return how it ended."""
    told: dict[str, Any] = {"name": step.name, "what": step.what, "budget": step.seconds}
    missing = [name for name in step.needs if outcomes.get(name) != OK]
    if missing or left < LEAST_SECONDS:
        why = f"it needs {', '.join(missing)}" if missing else "no time is left"
        return {**told, "outcome": NOT_POSSIBLE, "why": why, "seconds": 0.0}
    begun = time.monotonic()
    scene.left = min(step.seconds, left)
    try:
        with limited(scene.left):
            ended = {"outcome": OK, "why": "", **step.function(scene)}
    except NotPossibleError as error:
        ended = {"outcome": NOT_POSSIBLE, "why": str(error)}
    except WrongError as error:
        ended = {"outcome": FAILED, "why": str(error), **error.seen}
    except Exception as error:  # noqa: BLE001 - whatever breaks in one step, the others have their turn
        ended = {"outcome": FAILED, "why": f"{type(error).__name__}: {error}"}
    return {**told, **ended, "seconds": time.monotonic() - begun}


def chosen(steps: tuple[Step, ...], names: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps of these names with those that they need, in their order; without names all of them."""
    wanted = set(names) or {step.name for step in steps}
    for step in reversed(steps):  # a step needs only earlier ones
        wanted |= set(step.needs) if step.name in wanted else set()
    return tuple(step for step in steps if step.name in wanted)


def take_all(scene: Scene, steps: tuple[Step, ...], seconds: float, on_step: Callable[[dict[str, Any]], None]) -> None:
    """Take the steps within so many seconds; whatever comes, the engine is ended and its folder removed."""
    end, outcomes = time.monotonic() + seconds, dict[str, str]()
    with scene.cleanup:
        for step in steps:
            told = take(step, scene, outcomes, end - time.monotonic())
            outcomes[step.name] = told["outcome"]
            on_step(told)
