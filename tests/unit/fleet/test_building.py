"""What is built of a plan, and what is told of it before and after. Real builds: tests/engine/test_fleet_apply.py."""

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import Catalogue, load
from provision.errors import BuildError, InputError, UsageError
from provision.fleet.building import Order, build_image, chosen, name_of, need_machines, with_image
from provision.fleet.images import ids_of
from provision.lock import Lock, Wheel, WheelFile
from provision.lock.make import catalogue_digest
from provision.model import Base, BuildOptions, BuildResult, Framework, Request, Route, Stack, Vendor
from provision.model import Engine as Described
from provision.model.fleet import BuildWishes, FleetImage, FleetPlan

STACK = Stack(
    vendor=Vendor.CUDA,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.18.1"),
    runtime=Framework(name="cuda", version="12.5.1"),
    python="3.11",
    base=Base(image="debian"),
)
ONE, ARM = (
    FleetImage(id=f"cuda-{number}", tag=f"kgpu-env/cuda:{number}", platform=machine, stack=STACK, nodes=("n",))
    for number, machine in ((1, "x86_64"), (2, "aarch64"))
)
WHEEL = WheelFile(file="numpy-2.0-py3-none-any.whl", hash=f"sha256:{'b' * 64}")
LOCK = Lock(
    version="1",
    catalogue=f"sha256:{'c' * 64}",
    plan_digest=f"sha256:{'d' * 64}",
    platform="x86_64-manylinux_2_36",
    stack=replace(STACK, base=Base(image="debian", digest=f"sha256:{'e' * 64}")),
    request=Request(vendor=Vendor.CUDA, packages=("pandas",)),
    wheels=(Wheel(name="numpy", version="2.0", files=(WHEEL,)),),
)
X86, ARM64 = (Described(name="docker", version="28", architecture=one) for one in ("x86_64", "aarch64"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(Path(__file__).parents[2] / "data" / "catalogue")


@pytest.fixture
def plan(catalogue: Catalogue) -> FleetPlan:
    request = Request(vendor=Vendor.CUDA, packages=("pandas",))
    return FleetPlan(catalogue=catalogue_digest(catalogue), request=request, images=(ONE, ARM))


def test_nothing_is_built_before_all_is_seen_to_be_possible(plan: FleetPlan, catalogue: Catalogue) -> None:
    with pytest.raises(BuildError) as caught:
        need_machines(chosen(plan, catalogue, BuildWishes()), X86)
    assert (caught.value.code, "--image cuda-2" in caught.value.fix) == ("KGE-930", True)
    assert "The image cuda-2 is for aarch64" in caught.value.text
    assert chosen(plan, catalogue, BuildWishes(images=("cuda-2",))) == (ARM,)
    need_machines((ONE,), X86)
    need_machines((ARM,), ARM64)
    with pytest.raises(UsageError) as told:
        chosen(plan, catalogue, BuildWishes(images=("cuda-3",)))
    assert "did you mean cuda-" in told.value.fix


def test_a_plan_of_another_catalogue_is_refused(plan: FleetPlan) -> None:
    with pytest.raises(InputError) as caught:
        chosen(plan, load(), BuildWishes())
    assert caught.value.code == "KGE-956"


def test_a_registry_that_is_none_is_told(plan: FleetPlan, catalogue: Catalogue) -> None:
    with pytest.raises(UsageError):
        chosen(plan, catalogue, BuildWishes(push="not a registry", images=("cuda-1",)))
    assert name_of(ONE, "registry.example/team/") == "registry.example/team/kgpu-env/cuda:1"
    assert name_of(ONE, "") == "kgpu-env/cuda:1"


class Engine:
    """An engine that notes the names that it gives."""

    def __init__(self) -> None:
        self.named: list[tuple[str, str]] = []

    def tag(self, image_id: str, name: str) -> None:
        self.named.append((image_id, name))


def test_a_pushed_image_is_named_by_its_digest_and_asked_for_what_the_plan_was(plan: FleetPlan, tmp_path: Path) -> None:
    seen: list[BuildOptions] = []

    def build(stack: Stack, options: BuildOptions, manifest: str | None = f"sha256:{'a' * 64}") -> BuildResult:
        assert stack == LOCK.stack
        seen.append(options)
        tag = options.tag or ""
        return BuildResult(
            image_id="sha256:1", tag=tag, plan_digest="", seconds=1, cached=True, size_bytes=1, manifest=manifest
        )

    engine = Engine()
    order = Order(plan, tmp_path, BuildWishes(push="reg:5000"), BuildOptions())
    made = build_image(ONE, LOCK, order, engine, build)  # type: ignore[arg-type] # it is asked for names alone
    assert made.reference == f"reg:5000/kgpu-env/cuda@sha256:{'a' * 64}"
    assert engine.named == [("sha256:1", "kgpu-env/cuda:1")]
    assert (seen[0].push, seen[0].tag, seen[0].request) == (True, "reg:5000/kgpu-env/cuda:1", LOCK.request)
    assert ([one.name for one in seen[0].pins or ()], made.lock) == (["numpy"], "locks/cuda-1/kgpu.lock")
    assert ids_of(made) == ("sha256:1", f"sha256:{'a' * 64}")
    assert with_image(plan, made).images == (made, ARM)
    with pytest.raises(BuildError) as caught:
        build_image(ONE, LOCK, order, engine, partial(build, manifest=None))  # type: ignore[arg-type] # as above
    assert caught.value.code == "KGE-404"
