"""BuildKit's progress, from `moby.buildkit.trace` messages to the steps that a person follows.

Field numbers: StatusResponse, Vertex, VertexStatus and VertexLog of moby/buildkit, api/services/control/control.proto.
"""

import base64
import binascii
import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from provision.engine import protobuf
from provision.engine.protocol import BuildStep
from provision.engine.step_bytes import Parts

TAIL_LINES = 20  # that are shown
KEPT_LINES = 400  # among which a known message is looked for
LONGEST_LINE = 2000  # characters kept of one line, so that a progress bar cannot fill a report
NANO = 1e-9
# "[2/3] RUN ...", "[build 4/9] COPY ..."; BuildKit's own work is "[internal] ..." or has no bracket.
# A FROM does no work of its own.
DOCKERFILE_STEP = re.compile(r"\[(?:[^\]\s]+\s+)?\d+/\d+\] (?!FROM )")


class ProgressError(ValueError):
    """A progress message that BuildKit cannot have sent."""


@dataclass(frozen=True)
class Vertex:
    """One step's state as BuildKit last told it; times in seconds since the epoch."""

    digest: str
    name: str = ""
    cached: bool = False
    started: float | None = None
    completed: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a step, such as a layer that is fetched: how many of its bytes are there; 0 where it is not told."""

    step: str  # its digest
    name: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Status:
    """What one progress message says: changed steps, (step digest, output) pairs, and parts that went on."""

    vertexes: tuple[Vertex, ...]
    logs: tuple[tuple[str, bytes], ...]
    parts: tuple[Part, ...] = ()


def decode(aux: str) -> Status:
    """Return what the base64 text of a `moby.buildkit.trace` message says.

    Raises:
        ProgressError: not base64, or not a StatusResponse.
    """
    try:
        data = base64.b64decode(aux, validate=True)
        top = list(protobuf.fields(data))
        vertexes = tuple(_vertex(value) for number, value in top if number == 1)
        parts = tuple(_part(value) for number, value in top if number == 2)  # noqa: PLR2004 - field number
        logs = tuple(_log(value) for number, value in top if number == 3)  # noqa: PLR2004 - as above
    except (binascii.Error, ValueError) as error:
        raise ProgressError(f"not a BuildKit progress message: {error}") from error
    return Status(vertexes, logs, parts)


def _vertex(value: int | bytes) -> Vertex:
    found = dict(protobuf.message(value))
    return Vertex(
        digest=protobuf.text(found.get(1, b"")),
        name=protobuf.text(found.get(3, b"")),
        cached=bool(protobuf.number(found.get(4, 0))),
        started=_time(found.get(5)),
        completed=_time(found.get(6)),
        error=protobuf.text(found.get(7, b"")),
    )


def _part(value: int | bytes) -> Part:
    found = dict(protobuf.message(value))
    return Part(
        step=protobuf.text(found.get(2, b"")),
        name=protobuf.text(found.get(1, b"")),
        done=protobuf.signed(found.get(4, 0)),
        total=protobuf.signed(found.get(5, 0)),
    )


def _log(value: int | bytes) -> tuple[str, bytes]:
    found = dict(protobuf.message(value))
    output = found.get(4, b"")
    return protobuf.text(found.get(1, b"")), output if isinstance(output, bytes) else b""


def _time(value: int | bytes | None) -> float | None:
    """Seconds of a google.protobuf.Timestamp (1 seconds, 2 nanoseconds), or None when it is not set."""
    if value is None:
        return None
    found = dict(protobuf.message(value))
    return protobuf.number(found.get(1, 0)) + protobuf.number(found.get(2, 0)) * NANO


@dataclass
class Step:
    """A step that was seen, with its last lines of output."""

    index: int
    vertex: Vertex
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    rest: str = ""  # output after the last line's end
    parts: Parts = field(default_factory=Parts)
    # A letter may be cut between two messages.
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    @property
    def state(self) -> str:
        """One of waiting, running, done, cached and failed."""
        vertex = self.vertex
        if vertex.error:
            return "failed"
        if vertex.cached:
            return "cached"
        if vertex.completed is not None:
            return "done"
        return "waiting" if vertex.started is None else "running"

    @property
    def seconds(self) -> float:
        """How long the step took; 0 while it runs."""
        vertex = self.vertex
        if vertex.started is None or vertex.completed is None:
            return 0.0
        return max(0.0, vertex.completed - vertex.started)

    def hear(self, output: bytes) -> str:
        """Keep the output's last lines; return it as text."""
        new = self.decoder.decode(output)
        *whole, rest = (self.rest + new).replace("\r\n", "\n").split("\n")
        lines = [line.rsplit("\r", 1)[-1][:LONGEST_LINE] for line in whole]
        self.tail.extend(lines)
        for line in lines:
            self.parts.read(line)
        self.rest = rest[-LONGEST_LINE:]
        return new

    def lines(self) -> tuple[str, ...]:
        """The last lines of output, oldest first."""
        return tuple(self.tail) + ((self.rest,) if self.rest else ())


def is_cache(name: str) -> bool:
    """Tell whether a step only looks for a cache: BuildKit goes on without one."""
    return name.startswith("importing cache manifest from ")


class Progress:
    """Collects the messages of one build."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}

    def update(self, status: Status) -> Iterator[BuildStep]:
        """Take a message in; yield a report for each step that changed, wrote something or fetched more."""
        for vertex in status.vertexes:
            step = self._steps.get(vertex.digest)
            before = step.state if step else "waiting"
            if step is None:
                step = self._steps[vertex.digest] = Step(len(self._steps) + 1, vertex)
            step.vertex = vertex
            if step.state not in {before, "waiting"}:
                yield self._report(step)
        for part in status.parts:
            told = self._steps.get(part.step)
            if told and part.total:
                told.parts.tell(part.name, part.done, part.total)
                yield self._report(told)
        for digest, output in status.logs:
            if digest in self._steps:
                step = self._steps[digest]
                yield self._report(step, step.hear(output))

    @staticmethod
    def _report(step: Step, log: str = "") -> BuildStep:
        return BuildStep(
            index=step.index,
            name=step.vertex.name,
            state=step.state,
            seconds=step.seconds,
            log=log,
            error=step.vertex.error,
            done_bytes=step.parts.done,
            total_bytes=step.parts.total,
        )

    @property
    def failed(self) -> Step | None:
        """The step that failed, or None.

        A step that only ended because another failed is not it, nor is a cache that is not to be had.
        """
        bad = [step for step in self._steps.values() if step.vertex.error and not is_cache(step.vertex.name)]
        own = [step for step in bad if "context canceled" not in step.vertex.error]
        return next(iter(own or bad), None)

    @property
    def dockerfile_steps(self) -> tuple[Step, ...]:
        """The Dockerfile's own steps that ended, FROM left out: with all of them cached, nothing had to run."""
        return tuple(
            step
            for step in self._steps.values()
            if step.state in {"done", "cached"} and DOCKERFILE_STEP.match(step.vertex.name)
        )
