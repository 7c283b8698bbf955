"""`up` builds as `build` does, whatever is asked for; the engine is made of words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.catalogue import Catalogue
from provision.lock import Pinned, files_of, make_lock, read_lock

Call = Callable[..., Any]
LOCK = Path(__file__).parents[3] / "images" / "locks" / "cuda.lock"


def test_it_pushes(kgpu_env: Call, engine: Any) -> None:  # noqa: ANN401 - conftest's FakeEngine
    kgpu_env("up", "--vendor", "cpu", "--tag", "site/x:1", "--push")
    assert engine.pushed == ["site/x:1"]


def test_it_builds_the_lock(
    kgpu_env: Call,
    engine: Any,  # noqa: ANN401 - conftest's FakeEngine
    miniature: Catalogue,
) -> None:
    old = read_lock(LOCK)
    pinned = Pinned(old.wheels, old.tools, old.platform, old.stack.base.digest)
    for path, content in files_of(make_lock(miniature, old.stack, old.request, pinned), Path("kgpu.lock")).items():
        path.write_bytes(content)
    assert kgpu_env("build", "--locked").code == 0
    ended = kgpu_env("up", "--locked", "--gpus", "all")  # what is proved is not decided by a lock
    assert (ended.code, "Verify    training in kgpu-env/cuda:" in ended.err) == (7, True)
    (built, _), (again, _) = engine.built
    assert built.files == again.files
    assert b"--hash=sha256:" in b"".join(built.files.values())


@pytest.mark.parametrize("command", ["build", "up"])
@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (("--vendor", "cuda"), "--vendor"),
        (("--host", "h.json", "--python", "3.12"), "--host"),
        (("--tensorflow", "2.20"), "--tensorflow"),
        (("--package", "pandas"), "--package"),
    ],
)
@pytest.mark.usefixtures("engine")
def test_a_lock_has_decided(kgpu_env: Call, command: str, words: tuple[str, ...], flag: str) -> None:
    document = kgpu_env(command, "--locked", *words, "--json").document()
    assert (document["code"], document["exit_code"]) == ("KGE-908", 2)
    assert document["text"] == f"--locked builds what kgpu.lock says: {flag} cannot change it."
