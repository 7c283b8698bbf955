"""What the functions do with an engine, here one made of words: what they give it, tell, keep and close."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import provision.engine.debian_base  # noqa: F401 - now: under the guard its annotation subprocess.Popen[str] could not be evaluated
from provision import api, model
from provision.api.prove import of_this_machine
from provision.engine.protocol import BuildStep, Built, Context, Image, OnOutput, Ran, Run
from provision.errors import BuildError, EngineError, InputError, NoStackError, UsageError
from provision.model import BuildOptions, Check, Finding, Gpu, Host, Proof, Request, Severity, Status, Vendor, Verdict
from provision.prove import VerifyRequest
from provision.records import Kept, load, statement
from provision.records.attest import Envelope, contents

CPU = BuildOptions(request=Request(vendor=Vendor.CPU))
NO_GPU = Host(looked_at=("/sys/bus/pci/devices",))


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a build needs is asked in test_preflight.py."""
    monkeypatch.setattr("provision.api.preflight.Watch.begin", lambda *_: None)


class Words:
    """Says yes to everything, and remembers it."""

    def __init__(self, image: Image | None = None) -> None:
        self.found = image
        self.contexts: list[Context] = []
        self.tags: list[str] = []
        self.named: list[str] = []
        self.runs: list[Run] = []
        self.closed = False

    def describe(self) -> model.Engine:
        return model.Engine(name="docker", version="28.5.2")

    def free_bytes(self) -> int | None:
        return None

    def image(self, _: str) -> Image | None:
        return self.found

    def build(self, context: Context, tag: str, on_step: Callable[[BuildStep], None], _: Mapping[str, str]) -> Built:
        self.contexts.append(context)
        self.tags.append(tag)
        on_step(BuildStep(index=1, name="RUN true", state="done"))
        return Built(image_id="sha256:1234", size_bytes=5, steps_total=1, steps_cached=0)

    def tag(self, _: str, name: str) -> None:
        self.named.append(name)

    def run(self, run: Run, _: OnOutput | None = None) -> Ran:
        self.runs.append(run)
        return Ran(exit_code=1, stdout="", stderr="No module named 'tensorflow'", seconds=0.1)

    def close(self) -> None:
        self.closed = True


def words(image: Image | None = None) -> Any:  # noqa: ANN401 - as much of an engine as these tests need
    return Words(image)


def image(**fields: Any) -> Image:  # noqa: ANN401 - of several types
    return Image(image_id="sha256:1", architecture="amd64", size_bytes=1, **fields)


def test_a_build_is_told_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    engine = words(image())
    told: list[str] = []
    steps: list[BuildStep] = []
    stack = api.resolve(Host(), CPU.request)
    options = msgspec.structs.replace(CPU, tag="team/x:1")
    result = api.build(stack, options, engine=engine, log=told.append, on_step=steps.append)
    assert (result.tag, result.image_id, engine.tags) == ("team/x:1", "sha256:1234", ["team/x:1"])
    assert result.plan_digest == api.render(stack, CPU).digest  # this host's network is no part of the plan
    assert result.plan_digest in engine.contexts[0].files["Dockerfile"].decode()
    assert [step.name for step in steps] == ["RUN true"]
    assert engine.closed is False  # it belongs to the caller
    assert capfd.readouterr() == ("", "")


def test_what_a_build_is_told_of_caches_reaches_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = words(image())
    pulled: list[str] = []
    engine.pull = lambda name, _: pulled.append(name)
    engine.push = lambda _, __: None
    network = model.Network(registries={"docker.io": "mirror.example"})
    options = msgspec.structs.replace(
        CPU, cache_from=("team/x:1", "r.example/y"), no_cache=True, pull=True, push=True, network=network
    )
    told: list[str] = []
    monkeypatch.setenv("BUILDX_BUILDER", "theirs")
    stack = api.resolve(Host(), CPU.request)
    api.build(stack, options, engine=engine, log=told.append)
    context = engine.contexts[0]
    assert context.cache_from == ("mirror.example/team/x:1", "r.example/y")
    assert (context.no_cache, context.inline_cache) == (True, True)
    assert len(pulled) == 1  # though it is there
    assert told[:1] == ["BUILDX_BUILDER is set and is not used: the engine's own BuildKit builds"]
    api.build(stack, CPU, engine=engine)
    assert (engine.contexts[1].cache_from, engine.contexts[1].inline_cache, len(pulled)) == ((), False, 1)


def test_a_tag_is_of_one_content_and_the_readable_one_moves_with_a_word() -> None:
    stack = api.resolve(Host(), CPU.request)
    options = msgspec.structs.replace(CPU, request=Request(vendor=Vendor.CPU, env={"A": "1"}))
    tags = []
    for before, said in ((None, 0), (image(labels={"io.kgpu-env.plan": "sha256:0123456789abcdef"}), 1)):
        engine = words(before)
        engine.pull = lambda _, __: None
        told: list[str] = []
        result = api.build(stack, options if before else CPU, engine=engine, log=told.append)
        (alias,) = engine.named
        assert result.tag == f"{alias}-{result.plan_digest[7:13]}"
        moved = [one for one in told if one == f"{alias} means this build now; it meant sha256:0123456789ab"]
        assert len(moved) == said
        tags.append(result.tag)
    assert tags[0] != tags[1]


def test_the_same_image_again_moves_no_name() -> None:
    engine = words(Image(image_id="sha256:1234", architecture="amd64", size_bytes=1))
    api.build(api.resolve(Host(), CPU.request), CPU, engine=engine)
    assert engine.named == []


def test_the_gpus_of_a_host_are_no_part_of_the_plan() -> None:
    stack = api.resolve(Host(), CPU.request)
    plans = [api.render(msgspec.structs.replace(stack, gpus=gpus), CPU) for gpus in ((), ("sm_90",))]
    assert plans[0] == plans[1]


def test_a_cache_that_is_no_image_is_refused_before_the_engine_is_asked() -> None:
    engine = words(image())
    with pytest.raises(InputError, match="cache 'A B'"):
        api.build(api.resolve(Host(), CPU.request), msgspec.structs.replace(CPU, cache_from=("A B",)), engine=engine)
    assert engine.contexts == []


def test_an_engine_that_was_connected_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BuildError("KGE-401", "a step failed")

    engine = words(image())
    monkeypatch.setattr("provision.engine.docker.connect", lambda: engine)
    monkeypatch.setattr(engine, "build", fail)
    with pytest.raises(BuildError):
        api.build(api.resolve(Host(), CPU.request), CPU)
    assert engine.closed


def test_no_engine_is_no_reason_not_to_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise EngineError("KGE-301", "none answers")

    def probe(_: object, engine: Callable[[], model.Engine | None]) -> Host:
        return msgspec.structs.replace(NO_GPU, engine=engine())

    monkeypatch.setattr("provision.engine.docker.connect", refuse)
    monkeypatch.setattr("provision.probe.probe_host", probe)
    assert api.probe_host() == NO_GPU


@pytest.mark.parametrize(
    ("fields", "gpus", "vendor"),
    [
        ({"env": ("NVIDIA_VISIBLE_DEVICES=all",)}, (), "cuda"),  # what the image was made for
        ({}, (Gpu(vendor="amd", architecture="gfx942"),), "rocm"),  # a GPU that is there is meant
    ],
)
def test_what_is_proved_when_nothing_is_said(fields: dict[str, Any], gpus: tuple[Gpu, ...], vendor: str) -> None:
    told: list[str] = []
    host = msgspec.structs.replace(NO_GPU, gpus=gpus)
    proof = api.verify("x:1", host=host, engine=words(image(**fields)), log=told.append)
    assert (proof.verdict, told[0]) == ("not-proved", f"training in x:1 on {vendor}")


def test_what_was_found_about_the_gpus_is_told_before_they_are_proved() -> None:
    held = Gpu(vendor="nvidia", architecture="sm_52", usable=False, unusable="it is held by vfio-pci (KGE-102)")
    stale = Finding(code="KGE-140", severity=Severity.ERROR, text="The CDI spec is stale.", fix="Write it anew.")
    host = msgspec.structs.replace(NO_GPU, gpus=(held, Gpu(vendor="amd", architecture="gfx942")), findings=(stale,))
    told: list[str] = []
    api.verify("x:1", host=host, engine=words(image()), log=told.append)  # the NVIDIA GPU is not usable
    assert told == ["training in x:1 on rocm", "warning: The CDI spec is stale. Write it anew."][::-1]
    told.clear()
    both = msgspec.structs.replace(host, gpus=(held, Gpu(vendor="nvidia", architecture="sm_90")))
    api.verify("x:1", host=both, engine=words(image()), log=told.append)
    assert told[0] == "warning: the GPU is left out: it is held by vfio-pci (KGE-102)"


def test_nothing_tells_what_there_is_to_prove(tmp_path: Path) -> None:
    engine = words(image())
    with pytest.raises(NoStackError) as caught:
        api.verify("x:1", host=NO_GPU, engine=engine)
    assert (caught.value.code, engine.runs) == ("KGE-214", [])
    with pytest.raises(NoStackError):
        api.verify_here(tmp_path / "python", host=NO_GPU)


@pytest.mark.parametrize("gpus", ["7", "", "-1", "GPU-other"])
def test_a_gpu_that_this_machine_does_not_have(gpus: str, tmp_path: Path) -> None:
    host = msgspec.structs.replace(NO_GPU, gpus=(Gpu(vendor="nvidia", uuid="GPU-1"),))
    with pytest.raises(UsageError) as caught:
        api.verify_here(tmp_path / "python", VerifyRequest(gpus=gpus), host=host)
    assert caught.value.code == "KGE-306"


@pytest.mark.parametrize(("address", "held"), [("", True), ("unix:///run/x.sock", True), ("ssh://node8", False)])
def test_gpus_of_this_machine_are_held_while_a_container_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, *, held: bool
) -> None:
    lock = tmp_path / "kgpu-env.0000:17:00.0.lock"
    (tmp_path / "0000:17:00.0").mkdir()
    monkeypatch.setattr("provision.prove.turn.LOCKS", tmp_path)
    monkeypatch.setattr("provision.prove.turn.DEVICES", tmp_path)
    told = model.Engine(name="docker", version="28.5.2", address=address)
    monkeypatch.setattr(Words, "describe", lambda _: told)
    seen: list[bool] = []

    def run(_: Words, __: Run, ___: OnOutput | None = None) -> Ran:
        seen.append(lock.exists())
        return Ran(exit_code=1, stdout="", stderr="No module named 'tensorflow'", seconds=0.1)

    monkeypatch.setattr(Words, "run", run)
    gpus = (Gpu(vendor="nvidia", pci="0000:17:00.0"), Gpu(vendor="amd", pci="0000:99:00.0"))
    api.verify("x:1", VerifyRequest(vendor=Vendor.CUDA), host=Host(gpus=gpus, engine=told), engine=words(image()))
    assert (set(seen), lock.exists()) == ({held}, False)


def test_an_image_that_is_not_there() -> None:
    engine, told = words(), list[str]()
    with pytest.raises(BuildError) as caught:
        api.verify("x:1", VerifyRequest(vendor=Vendor.CPU), host=NO_GPU, engine=engine, log=told.append)
    assert (caught.value.code, engine.runs, told) == ("KGE-408", [], [])


def test_a_record_is_kept_only_where_one_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.api.records.probe_host", lambda *_, **__: NO_GPU)
    request = VerifyRequest(vendor=Vendor.CPU)
    records = api.Records(folder=tmp_path / "records")
    api.verify("x:1", request, host=NO_GPU, engine=words(image()))
    assert not records.folder.exists()
    labels = {"io.kgpu-env.plan": "sha256:plan"}
    api.verify("x:1", request, host=NO_GPU, engine=words(image(labels=labels)), records=records)
    [file] = records.folder.iterdir()
    kept = statement.read(contents(model.decode(file.read_bytes(), Envelope)))
    found = load(records.folder, kept.host.node, "x:1")
    assert isinstance(found, Kept)
    record = found.record
    assert (record.verdict, record.plan, record.image_id) == ("not-proved", "sha256:plan", "sha256:1")


def test_a_proof_says_where_it_comes_from_and_the_record_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.api.records.probe_host", lambda *_, **__: NO_GPU)
    monkeypatch.setattr("platform.node", lambda: "node7")
    records = api.Records(folder=tmp_path / "records")
    found = {}
    for anonymous in (False, True):
        request = VerifyRequest(vendor=Vendor.CPU, anonymous=anonymous)
        told = api.verify("x:1", request, host=NO_GPU, engine=words(image()), records=records).origin
        assert told
        found[anonymous] = told
        kept = load(records.folder, "node7", "x:1")  # a record stays here, and goes by the real name
        assert isinstance(kept, Kept)
        assert (kept.record.host.node, kept.record.at) == ("node7", told.at)
    assert (found[False].node, found[False].engine) == ("node7", "docker 28.5.2")
    assert found[True].node.startswith("node-")
    assert found[True].options["vendor"] == "cpu"


def test_a_proof_stands_without_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.api.records.probe_host", lambda *_, **__: NO_GPU)
    (tmp_path / "file").touch()
    told: list[str] = []
    records = api.Records(folder=tmp_path / "file" / "records")
    request = VerifyRequest(vendor=Vendor.CPU)
    proof = api.verify("x:1", request, host=NO_GPU, engine=words(image()), records=records, log=told.append)
    assert proof.verdict == "not-proved"
    assert told[-1].startswith("warning: ")


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:2375", "ssh://node8", "unix:///var/run/docker.sock"])
def test_another_machine_s_proof_is_not_kept_here(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a remote engine trained opens no gate of this node, whatever was proved there."""
    monkeypatch.setattr("provision.api.records.probe_host", lambda *_, **__: NO_GPU)
    described = model.Engine(name="docker", version="28.5.2", address=address, machine="node8")
    monkeypatch.setattr(Words, "describe", lambda _: described)
    told: list[str] = []
    records = api.Records(folder=tmp_path / "records")
    request = VerifyRequest(vendor=Vendor.CPU)
    api.verify("x:1", request, host=NO_GPU, engine=words(image()), records=records, log=told.append)
    local = address.startswith("unix:")
    assert records.folder.exists() == local
    assert (told[-1].startswith("warning: no record is kept") and f"{address}, which is node8" in told[-1]) != local


def test_the_engine_that_answers_is_named_whatever_the_host_s_file_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was made on another machine has that one's engine in it; its way to the GPUs stays."""
    here = model.Engine(name="docker", version="28.5.2", address="tcp://10.0.0.7:2375", machine="node8", system="d")
    monkeypatch.setattr(Words, "describe", lambda _: here)
    seen: list[model.Engine | None] = []

    def words_of(host: Host) -> str:
        seen.append(host.engine)
        return ""

    monkeypatch.setattr("provision.prove.runner._engine_words", words_of)
    told = model.Engine(name="docker", version="20.10", cdi=("nvidia.com/gpu=all",), address="unix:///x", machine="n1")
    api.verify("x:1", VerifyRequest(vendor=Vendor.CPU), host=Host(engine=told), engine=words(image()))
    assert seen == [msgspec.structs.replace(told, address=here.address, machine="node8", system="d")]
    assert here.place == "tcp://10.0.0.7:2375, which is node8"
    assert model.Engine(name="docker", version="1", address="unix:///x").place == "unix:///x"


@pytest.mark.parametrize(("status", "here"), [(Status.PASS, True), (Status.UNKNOWN, False), (Status.FAIL, False)])
def test_whose_machine_it_was_decides(status: Status, here: bool) -> None:  # noqa: FBT001 - one of two answers
    checks = (Check(name="machine", status=status, detail=""),)
    proof = Proof(verdict=Verdict.PROVED, reason="", checks=checks)
    assert of_this_machine(proof, "tcp://127.0.0.1:2375") is here
    assert of_this_machine(proof, "unix:///run/docker.sock") is (status is not Status.FAIL)
