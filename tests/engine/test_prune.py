"""What a real engine has of this program's images, told from what others built on top of them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import ImageNotFound

from provision import api as kgpu
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Context

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
LABELS = 'LABEL io.kgpu-env.plan="sha256:{mark}"\nWORKDIR /tmp\nUSER 1000:1000\nCMD ["python3"]\n'


class Made:
    """Images of a test's own, by their last words."""

    def __init__(self, engine: DockerEngine, base: str) -> None:
        self.engine, self.base, self.mark = engine, base, f"kgpu-test/prune{time.monotonic_ns()}"
        self.names: list[str] = []

    def __call__(self, name: str, text: str) -> str:
        tag = f"{self.mark}:{name}"
        self.engine.build(Context(files={"Dockerfile": text.encode()}), tag, lambda _: None, {})
        self.names.append(tag)
        return tag

    def ours(self, name: str) -> str:
        return self(name, f"FROM {self.base}\n" + LABELS.format(mark=f"{self.mark}{name}"))


@pytest.fixture
def made(engine: DockerEngine, base: str, api: "APIClient") -> Iterator[Made]:
    found = Made(engine, base)
    yield found
    for name in found.names:
        try:
            api.remove_image(name, force=True)
        except ImageNotFound:
            continue


def test_images_of_others_are_no_images_of_ours(made: Made, engine: DockerEngine) -> None:
    own = made.ours("own")
    made("added", f"FROM {own}\nRUN true\n")
    made("changed", f'FROM {own}\nCMD ["python3", "train.py"]\n')
    made("labelled", f"FROM {own}\nENV A=1\n")
    names = [name for image in engine.own_images() for name in image.names if name.startswith(made.mark)]
    assert names == [own]


def test_what_nobody_names_is_removed_and_nothing_else(
    made: Made, engine: DockerEngine, api: "APIClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    unused, named, planned, running = (made.ours(name) for name in ("unused", "named", "planned", "running"))
    container = api.create_container(running, ["true"])["Id"]
    try:
        plans = {f"sha256:{made.mark}planned"}
        found = kgpu.unused({named}, plans, tmp_path, engine=engine)
        mine = [one for one in found if one.what.startswith(made.mark)]  # of other tests' images nothing is removed
        assert sorted(one.what for one in mine) == sorted((unused, running))
        kept = kgpu.remove_unused(mine, engine=engine)
    finally:
        api.remove_container(container)
    assert list(kept) == [running]
    assert "container" in kept[running]
    assert [engine.image(name) is None for name in (unused, named, planned, running)] == [True, False, False, False]
