"""Images built by Podman's own builder, through its socket."""

import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.engine.docker import connect
from provision.engine.protocol import BuildStep, Built, Context, Engine
from provision.errors import BuildError

pytestmark = pytest.mark.engine
MOUNTS = (
    "RUN --mount=type=cache,target=/root/.cache/x,sharing=locked"
    " --mount=type=bind,from=tools,source=/made,target=/made --mount=type=bind,source=network,target=/dev/network"
)


@pytest.fixture(scope="module")
def there(podman: str, base: str) -> Iterator[Engine]:
    """Podman with the base that Docker has."""
    with subprocess.Popen(["docker", "save", base], stdout=subprocess.PIPE) as saved:
        subprocess.run(["podman", "load", "--quiet"], stdin=saved.stdout, check=True, capture_output=True)
    engine = connect(podman)
    yield engine
    engine.close()
    subprocess.run(["podman", "rmi", "--force", base], check=False, capture_output=True)


@pytest.fixture
def name() -> Iterator[str]:
    found = f"kgpu-test/podman{time.monotonic_ns()}:1"
    yield found
    subprocess.run(["podman", "rmi", "--force", found], check=False, capture_output=True)


def build(engine: Engine, base: str, name: str, *lines: str, seen: list[BuildStep] | None = None) -> Built:
    text = "\n".join((f"FROM {base} AS tools", "RUN echo made > /made", f"FROM {base}", *lines, ""))
    files = {"Dockerfile": text.encode(), "network/proxy": b"http://hidden:1"}
    report = seen.append if seen is not None else lambda _: None
    return engine.build(Context(files=files), name, report, {"HTTPS_PROXY": "http://hidden:1"})


def test_mounts_and_proxies_are_there_and_leave_no_trace(there: Engine, base: str, name: str) -> None:
    seen: list[BuildStep] = []
    check = 'grep made /made && test "$HTTPS_PROXY" = "$(cat /dev/network/proxy)" && echo sa""w'
    built = build(there, base, name, f"{MOUNTS} {check}", 'LABEL a="b"', seen=seen)
    image = there.image(name)
    assert image is not None
    assert (image.image_id, image.labels["a"]) == (built.image_id, "b")
    assert built.size_bytes > 0
    assert "saw" in "".join(step.log for step in seen)
    assert built.steps_total == 3  # each RUN, and the label
    history = subprocess.run(["podman", "history", "--no-trunc", name], capture_output=True, text=True, check=True)
    assert "hidden:1" not in history.stdout
    again = build(there, base, name, f"{MOUNTS} {check}", 'LABEL a="b"')  # nothing of it from a cache, see there
    assert (again.steps_total, again.steps_cached) == (3, 0)


def test_a_step_that_fails_is_named_with_its_lines(there: Engine, base: str, name: str) -> None:
    with pytest.raises(BuildError) as caught:
        build(there, base, name, "RUN useradd --no-such-option x")
    assert caught.value.code == "KGE-401"
    assert caught.value.text.startswith("making the user's account failed: step [2 2/2]")
    assert any("no-such-option" in line for line in caught.value.said)
    assert there.image(name) is None


def test_a_base_is_imported(there: Engine, tmp_path: Path, name: str) -> None:
    """Podman ignores the parameter for the tag, and would name it latest."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").touch()
    with tarfile.open(tmp_path / "base.tar", "w") as archive:
        archive.add(tmp_path / "etc", "etc")
    made = there.import_image(str(tmp_path / "base.tar"), name, {"a": "b"})
    assert made.labels == {"a": "b"}
    assert there.image(name) == made
    left = subprocess.run(
        ["podman", "images", "--format", "{{.Repository}}"], capture_output=True, text=True, check=True
    )
    assert "kgpu-env-import" not in left.stdout
