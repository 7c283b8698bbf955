"""The lock of a plan's image: made once, and kept; a new one only where the image is another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision import api
from provision.api import Choice
from provision.catalogue import Catalogue, load
from provision.errors import BuildError, InputError
from provision.fleet.building import Order, lock_place
from provision.fleet.locking import lock_of
from provision.lock import Lock, Wheel, WheelFile, files_of
from provision.model import Base, BuildOptions, Framework, Request, Route, Stack, Vendor
from provision.model.fleet import BuildWishes, FleetImage, FleetPlan

STACK = Stack(
    vendor=Vendor.CPU,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.18.1"),
    runtime=Framework(name="none", version="0"),
    python="3.11",
    base=Base(image="debian"),
    packages=("tensorflow-cpu==2.18.1",),
)
IMAGE = FleetImage(id="cpu-1", tag="kgpu-env/cpu:1", platform="x86_64", stack=STACK, nodes=("n",))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(Path(__file__).parents[2] / "data" / "catalogue")


class Index:
    """An index with one version of everything."""

    def __init__(self) -> None:
        self.version, self.held = "1.0", list[Sequence[str]]()

    def complete(self, stack: Stack, *_: Any, held: Sequence[str] = (), **__: Any) -> Choice:  # noqa: ANN401 - of no use
        self.held.append(held)
        file = WheelFile(file=f"numpy-{self.version}-py3-none-any.whl", hash=f"sha256:{'b' * 64}")
        return Choice(stack, (Wheel(name="numpy", version=self.version, files=(file,)),))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    def look_up(*_: object) -> None:
        raise BuildError("KGE-421", "no registry answers")

    found = Index()
    monkeypatch.setattr(api, "complete", found.complete)
    monkeypatch.setattr("provision.api.locks.look_up", look_up)
    return found


def order_of(folder: Path, **request: Any) -> Order:  # noqa: ANN401 - of a request
    return Order(FleetPlan(request=Request(**request), images=(IMAGE,)), folder, BuildWishes(), BuildOptions())


def kept(lock: Lock, image: FleetImage, order: Order) -> None:
    for path, content in files_of(lock, lock_place(image, order.folder)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_a_lock_is_made_once_and_then_no_index_is_asked(index: Index, catalogue: Catalogue, tmp_path: Path) -> None:
    order = order_of(tmp_path)
    first, why = lock_of(IMAGE, order, catalogue)
    assert why == "there is none"
    kept(first, IMAGE, order)
    index.version = "2.0"
    again, why = lock_of(IMAGE, order, catalogue)
    assert (why, again.wheels, again.stack) == ("", first.wheels, first.stack)
    assert len(index.held) == 1


@pytest.mark.parametrize("what", ["stack", "request"])
def test_an_image_that_became_another_keeps_the_wheels_it_can(
    index: Index, catalogue: Catalogue, tmp_path: Path, what: str
) -> None:
    order = order_of(tmp_path)
    kept(lock_of(IMAGE, order, catalogue)[0], IMAGE, order)
    other = replace(IMAGE, stack=replace(STACK, packages=("tensorflow-cpu==2.18.2",))) if what == "stack" else IMAGE
    found, why = lock_of(other, order_of(tmp_path, packages=("pandas",)) if what == "request" else order, catalogue)
    assert (why, index.held) == ("the plan has another stack", [[], ["numpy==1.0"]])
    assert found.stack.packages == other.stack.packages


def test_what_only_explains_a_stack_changes_no_lock(index: Index, catalogue: Catalogue, tmp_path: Path) -> None:
    order = order_of(tmp_path)
    kept(lock_of(IMAGE, order, catalogue)[0], IMAGE, order)
    assert lock_of(replace(IMAGE, stack=replace(STACK, why="the newest")), order, catalogue)[1] == ""
    assert len(index.held) == 1


def test_a_lock_that_the_plan_names_and_that_is_gone_is_told(
    index: Index, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        lock_of(replace(IMAGE, lock="locks/cpu-1/kgpu.lock"), order_of(tmp_path), catalogue)
    assert (caught.value.code, "copy the folder locks" in caught.value.fix, index.held) == ("KGE-620", True, [])
