"""`kgpu-env fleet build` and `fleet apply`: what is wrong is told before anything is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from provision.model import Base, Framework, Route, Stack, Vendor, encode
from provision.model.fleet import FleetImage, FleetNode, FleetPlan

KgpuEnv = Callable[..., Any]
pytestmark = pytest.mark.process
STACK = Stack(
    vendor=Vendor.CUDA,
    route=Route.WHEELS,
    framework=Framework(name="tensorflow", version="2.18.1"),
    runtime=Framework(name="cuda", version="12.5.1"),
    python="3.11",
    base=Base(image="debian"),
)
IMAGE = FleetImage(id="cuda-1", tag="kgpu-env/cuda:1", platform="x86_64", stack=STACK, nodes=("a",))
PLAN = FleetPlan(images=(IMAGE,), nodes=(FleetNode(name="a", image="cuda-1", why=""),))


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    pytest.importorskip("ansible_runner")
    path = tmp_path / "plan.json"
    path.write_text(encode(PLAN))
    (tmp_path / "inventory").write_text("a ansible_password=hunter2\nb\n")
    return path


def test_an_image_that_was_not_built_is_told(kgpu_env: KgpuEnv, plan: Path) -> None:
    ended = kgpu_env("fleet", "apply", plan, "-i", plan.parent / "inventory", "--json")
    assert (ended.code, ended.document()["code"]) == (3, "KGE-957")
    assert "kgpu-env fleet build" in ended.document()["fix"]
    assert not (plan.parent / "records").exists()


def test_a_bundle_that_is_none_is_told_before_a_node_is_asked(kgpu_env: KgpuEnv, plan: Path) -> None:
    (plan.parent / "one.tar").write_bytes(b"x" * 99)
    plan.write_text(encode(replace(PLAN, images=(replace(IMAGE, image_id="sha256:1", bundle="one.tar"),))))
    ended = kgpu_env("fleet", "apply", plan, "-i", plan.parent / "inventory", "--json")
    assert (ended.code, ended.document()["code"]) == (3, "KGE-221")


def test_a_name_that_leads_out_of_the_records_is_refused(kgpu_env: KgpuEnv, plan: Path) -> None:
    name = "../../x"
    made = replace(PLAN, images=(replace(IMAGE, image_id="sha256:1", reference="r/x@sha256:1", nodes=(name,)),))
    plan.write_text(encode(replace(made, nodes=(FleetNode(name=name, image="cuda-1", why=""),))))
    (plan.parent / "inventory").write_text(f'{{"all": {{"hosts": {{"{name}": {{}}}}}}}}')
    (plan.parent / "inventory").rename(plan.parent / "inventory.yaml")
    ended = kgpu_env("fleet", "apply", plan, "-i", plan.parent / "inventory.yaml", "--json")
    assert (ended.code, ended.document()["code"]) == (3, "KGE-942")
    assert not (plan.parent / "records").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": "kgpu-env/host/1"}'])
@pytest.mark.parametrize("command", ["build", "apply"])
def test_no_plan_is_told(kgpu_env: KgpuEnv, plan: Path, command: str, content: str) -> None:
    plan.write_text(content)
    words = ("-i", plan.parent / "inventory") if command == "apply" else ()
    ended = kgpu_env("fleet", command, plan, *words, "--json")
    assert ended.code == 3
    assert ended.document()["code"] in {"KGE-942", "KGE-956", "KGE-962"}  # {} is a plan of nothing
    assert "hunter2" not in ended.out + ended.err


def test_words_that_are_none(kgpu_env: KgpuEnv, plan: Path) -> None:
    shares = [(name, text) for name in ("--stop-share", "--drain-share") for text in ("101", "-1", "nan", "ten")]
    for words in (("--drain", "pbs"), *shares, *(("--serial", one) for one in ("-1", "0%", "101%", "x", "1.5", "٣"))):
        ended = kgpu_env("fleet", "apply", plan, "-i", plan.parent / "inventory", *words)
        assert (ended.code, "KGE-902" in ended.err) == (2, True)
