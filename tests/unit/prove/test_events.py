"""Events of a run: read as they come, bounded, and without any say in the verdict."""

import json
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from provision.engine.protocol import Access, Engine, Image, OnOutput, Ran, Run
from provision.model import Driver, Gpu, Host, Proof, Vendor, Verdict
from provision.model.events import INSIDE, Event
from provision.prove import VerifyRequest, verify
from provision.prove.events import LONGEST, MARKER, MOST, EventReader, Listener
from provision.prove.evidence import MARKER as RESULT
from provision.prove.evidence import Problem, parse_result
from provision.prove.workload import tell, training

HOST = Host(gpus=(Gpu(vendor="nvidia", pci="0000:00:06.0"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
ACCESS = Access(method="cdi", cdi=("nvidia.com/gpu=all",))


def read(*chunks: bytes, within: str = "") -> list[Event]:
    found: list[Event] = []
    reader = EventReader("n1", Listener(found.append), within)
    for chunk in chunks:
        reader.feed(chunk)
    return found


def line(nonce: str = "n1", **told: object) -> bytes:
    return f"{MARKER} {nonce} {json.dumps(told)}\n".encode()


GOOD = line(phase="training", device="/GPU:0", number=2, total=3, epoch=4, epochs=6)
TOLD = Event(phase="training", subject="/GPU:0", number=2, total=3, epoch=4, epochs=6)


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_events_are_found_wherever_the_output_is_cut(size: int) -> None:
    output = b"hello\n" + GOOD + b"\xff\xfe\n" + line(phase="import") + b"the end"
    pieces = [output[at : at + size] for at in range(0, len(output), size)]
    assert read(*pieces, within="control") == [
        Event(phase="training", within="control", subject="/GPU:0", number=2, total=3, epoch=4, epochs=6),
        Event(phase="import", within="control"),
    ]


HOSTILE: dict[str, bytes] = {
    "another run's": line("n2", phase="import"),
    "a verdict": line(phase="judging"),
    "a control": line(phase="control"),
    "a start": line(phase="start"),
    "a made-up phase": line(phase="PROVED"),
    "words for a device": line(phase="training", device="PROVED \x1b[2J"),
    "a device with more": line(phase="training", device="/GPU:0\n"),
    "a huge number": line(phase="training", number=10**30),
    "a negative number": line(phase="training", number=-1),
    "a fraction": line(phase="training", number=1.5),
    "a text for a number": line(phase="training", number="1"),
    "null": line(phase=None),
    "a list": f"{MARKER} n1 []\n".encode(),
    "no JSON": f"{MARKER} n1 {{\n".encode(),
    "deep": f"{MARKER} n1 {'[' * 400}\n".encode(),
    "bytes": f"{MARKER} n1 ".encode() + b"\xff\xfe\n",
    "a long line": f"{MARKER} n1 {json.dumps({'phase': 'import', 'x': 'x' * LONGEST})}\n".encode(),
    "in the middle": b"x" + line(phase="import"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_event_is_passed_over(name: str) -> None:
    assert read(HOSTILE[name], GOOD) == [TOLD]


def test_a_flood_is_bounded() -> None:
    assert len(read(GOOD * (MOST + 100))) == MOST
    endless = [b"x" * 100_000] * 100
    assert read(GOOD, *endless, GOOD, GOOD) == [TOLD, TOLD]  # the second belongs to the line without an end


def test_a_line_without_an_end_takes_no_memory() -> None:
    reader = EventReader("n1", Listener(lambda _: None))
    tracemalloc.start()
    for _ in range(100):
        reader.feed(b"x" * 100_000)
    assert tracemalloc.get_traced_memory()[0] < 50_000
    tracemalloc.stop()


def test_the_words_of_an_event() -> None:
    assert TOLD.words == "training 2 of 3 on /GPU:0, epoch 4 of 6"
    assert Event(phase="import", within="control").words == "control: importing the framework"
    assert Event(phase="training", number=3, total=3).words == "training 3 of 3 by fit"
    assert Event(phase="RUN apt-get update").words == "RUN apt-get update"
    assert all(Event(phase=one).words for one in INSIDE)


class Talking:
    """An engine whose image tells events before its result, and records what it was given."""

    def __init__(self, gpu: dict[str, Any], cpu: dict[str, Any], events: Callable[[str], bytes]) -> None:
        self.gpu, self.cpu, self.events = gpu, cpu, events

    def run(self, run: Run, on_stdout: OnOutput | None = None) -> Ran:
        spec = json.loads(run.command[3])
        record = self.cpu if run.access == Access() else self.gpu
        result = f"{RESULT} {spec['nonce']} {json.dumps({**record, 'nonce': spec['nonce'], 'spec': spec})}\n"
        output = self.events(spec["nonce"]) + result.encode()
        assert on_stdout
        on_stdout(output)
        return Ran(exit_code=0, stdout=output.decode(errors="replace"), stderr="", seconds=60.0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        pytest.fail(f"verify must not use the engine's {name}")


def proved(engine: Any, on_event: Callable[[Event], None] = lambda _: None) -> Proof:  # noqa: ANN401 - as much of one as is needed
    played: Engine = engine
    nonces, ticks = iter(("n1", "n2")), iter((10.0, 20.0))
    return verify(
        played,
        "some:image",
        Image(image_id="sha256:1", architecture="amd64", size_bytes=1),
        VerifyRequest(vendor=Vendor.CUDA),
        HOST,
        ACCESS,
        (),
        new_nonce=lambda: next(nonces),
        clock=lambda: next(ticks),
        on_event=on_event,
    )


def test_a_verification_tells_its_phases(gpu_record: dict[str, Any], cpu_record: dict[str, Any]) -> None:
    found: list[Event] = []
    engine = Talking(gpu_record, cpu_record, lambda nonce: line(nonce, phase="import"))
    assert proved(engine, found.append).verdict is Verdict.PROVED
    assert [(one.within, one.phase) for one in found] == [
        *((("", phase)) for phase in ("start", "import", "judging")),
        *((("control", phase)) for phase in ("start", "import", "judging")),
    ]


@pytest.mark.parametrize("hostile", [b"", b"".join(HOSTILE.values()), GOOD * 10_000])
def test_events_say_nothing_of_the_verdict(
    gpu_record: dict[str, Any], cpu_record: dict[str, Any], hostile: bytes
) -> None:
    quiet = proved(Talking(gpu_record, cpu_record, lambda _: b""))
    assert proved(Talking(gpu_record, cpu_record, lambda _: hostile)) == quiet


def test_who_listens_and_fails_changes_nothing(gpu_record: dict[str, Any], cpu_record: dict[str, Any]) -> None:
    calls = []

    def fail(event: Event) -> None:
        calls.append(event)
        raise ValueError(event)

    engine = Talking(gpu_record, cpu_record, lambda _: b"")
    assert proved(engine, fail) == proved(engine)
    assert len(calls) == 1


def test_events_are_no_output_of_the_image() -> None:
    assert parse_result(GOOD.decode(), "n1") == Problem(what="no result line; no output at all")


def test_the_workload_prints_what_is_read() -> None:
    inside, outside = os.pipe()
    say = tell.teller(outside, "n1")
    say("training", device="/GPU:0", number=2, total=3, epoch=4, epochs=6)
    os.close(outside)
    with os.fdopen(inside, "rb") as output:
        assert read(output.read()) == [TOLD]
    say("import")  # nobody reads it any more


def test_epochs_that_nobody_could_read_are_passed_over() -> None:
    inside, outside = os.pipe()
    say = tell.teller(outside, "n1")
    for epoch in range(10_000):
        say("training", number=1, total=2, epoch=epoch + 1, epochs=10_000)
    say("training", number=2, total=2)
    os.close(outside)
    with os.fdopen(inside, "rb") as output:
        found = read(output.read())
    assert (found[0].epoch, found[-1].number) == (1, 2)
    assert len(found) < 100


def test_each_training_and_epoch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    def explicit(_: object, spec: dict[str, Any], __: str, ___: object, tell: Callable[[int], None]) -> None:
        for epoch in range(spec["epochs"]):
            tell(epoch + 1)

    monkeypatch.setattr(training, "explicit", explicit)
    monkeypatch.setattr(training, "implicit", lambda *_: None)
    spec = {"parts": ["reference"], "device": "GPU", "epochs": 2}
    assert len(list(training.trainings(None, spec, ["/GPU:0"], lambda _, **more: told.append(more)))) == 3
    assert [(one.get("device"), one["number"], one["total"], one.get("epoch")) for one in told] == [
        *(("/GPU:0", 1, 3, epoch) for epoch in (1, 2)),
        *(("/CPU:0", 2, 3, epoch) for epoch in (1, 2)),
        (None, 3, 3, None),
    ]
