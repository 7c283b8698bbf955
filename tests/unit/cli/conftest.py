"""Runs the command line through its entry point, as the installed script does, with an engine made of words."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

import provision.engine.debian_base  # noqa: F401 - now: under the guard its annotation subprocess.Popen[str] could not be evaluated
from provision import cli, model
from provision.cli.app import _Debug
from provision.engine.protocol import BuildStep, Built, Context, Image, OnOutput, Ran, Run

HOSTS = Path(__file__).parents[2] / "data" / "hosts"
SCHEMAS = Path(cli.__file__).parents[1] / "schemas"


class Ended(NamedTuple):
    """How the command line ended."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout, checked against the schema that it names."""
        found: dict[str, Any] = json.loads(self.out)  # fails on a second document
        _checker(found["schema"]).validate(found)
        return found


@cache
def _checker(name: str) -> jsonschema.Draft202012Validator:
    """Return what checks documents against a schema that is itself checked, once."""
    file = SCHEMAS / f"{name.removeprefix('kgpu-env/').replace('/', '-')}.schema.json"
    schema = json.loads(file.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


KgpuEnv = Callable[..., Ended]


@pytest.fixture
def kgpu_env(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, miniature: object
) -> Iterator[KgpuEnv]:
    """Call main() with words, in an empty folder, without the machine's own settings and on the miniature catalogue."""
    assert miniature
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KGPU_ENV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(_Debug, "on", False)
    monkeypatch.setattr("provision.engine.image_probe.probe_image", lambda *_: None)  # no engine here has any image
    handler = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["kgpu-env", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.app.main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def host() -> Callable[[str], Path]:
    """The path of a host file of `tests/data/hosts` (made up, see there)."""
    return lambda name: HOSTS / f"{name}.json"


class FakeEngine:
    """An engine that has every image and does at once what it is asked for."""

    def __init__(self) -> None:
        self.built: list[tuple[Context, str]] = []
        self.pushed: list[str] = []
        self.named: list[str] = []
        self.images: dict[str, Image] = {}
        self.closed = False
        self.error: BaseException | None = None

    def describe(self) -> model.Engine:
        return model.Engine(name="docker", version="28.5.2", address="unix:///made/up.sock")

    def free_bytes(self) -> int | None:
        return None

    def image(self, reference: str) -> Image | None:
        return self.images.get(reference, Image(image_id="sha256:ba5e", architecture="amd64", size_bytes=1))

    def pull(self, reference: str, _: Callable[[str], None]) -> Image:
        raise AssertionError(f"{reference} is there")

    def push(self, reference: str, _: Callable[[str], None]) -> None:
        self.pushed.append(reference)

    def build(self, context: Context, tag: str, on_step: Callable[[BuildStep], None], _: Mapping[str, str]) -> Built:
        if self.error:
            raise self.error
        self.built.append((context, tag))
        on_step(BuildStep(index=1, name="[1/2] RUN cached", state="cached"))
        on_step(BuildStep(index=2, name="[2/2] RUN true", state="done", seconds=1.5))
        return Built(image_id="sha256:1234", size_bytes=5, steps_total=2, steps_cached=1)

    def tag(self, _: str, name: str) -> None:
        self.named.append(name)

    def import_image(self, archive: str, tag: str, labels: Mapping[str, str]) -> Image:
        raise AssertionError((archive, tag, labels))

    def run(self, _: Run, __: OnOutput | None = None) -> Ran:
        if self.error:
            raise self.error
        return Ran(exit_code=1, stdout="", stderr="No module named 'tensorflow'", seconds=0.1)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that the commands connect to; the host is one without a GPU."""
    fake = FakeEngine()
    monkeypatch.setattr("provision.engine.docker.connect", lambda: fake)
    here = model.Host(looked_at=("/sys/bus/pci/devices", "/dev/dxg"))
    monkeypatch.setattr("provision.probe.probe_host", lambda *_, **__: here)
    return fake
