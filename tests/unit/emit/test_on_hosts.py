"""What exports say on hosts of real people: the trees of tests/data/trees, the answers of exports.yaml beside them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trees
import yaml

from provision import api, model
from provision.catalogue import load
from provision.emit import Order, emit
from provision.engine.access import device_access
from provision.model import Request
from provision.render import render
from provision.resolve import resolve

FACTS = load()
ROWS: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parents[2] / "data" / "trees" / "exports.yaml").read_text(), yaml.CSafeLoader
)
MIG = ("MIG-11111111-aaaa-5555-8888-000000000001", "MIG-11111111-aaaa-5555-8888-000000000002")


def probed(root: Path, name: str) -> model.Host:
    if name in trees.make.TREES:
        trees.make.make(root, [name])
        return api.probe_host(root / name)
    trees.causes.build(trees.make, root, next(row for row in trees.ROWS if row["name"] == name))
    return api.probe_host(root)


def order(host: model.Host) -> Order:
    request = Request()
    stack = resolve(FACTS, host, request)
    access = device_access(host, stack.vendor)
    return Order(stack=stack, request=request, host=host, access=access, plan=render(FACTS, stack, request))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['tree']}-{row['kind']}")
def test_an_export_says_what_is_right_on_a_host(tmp_path: Path, row: dict[str, Any]) -> None:
    text = "\n".join(emit(row["kind"], order(probed(tmp_path, row["tree"]))).values())
    assert [words for words in row["says"] if words not in text] == [], text
    assert [words for words in row.get("never", ()) if words in text] == [], text


def test_mig_slices_are_named_by_their_uuids(tmp_path: Path) -> None:
    """With NVML there, which tells UUIDs, a reader can take one slice out; "all" is nothing to take apart."""
    host = probed(tmp_path, "h100-mig")
    gpus = tuple(msgspec.structs.replace(gpu, uuid=uuid) for gpu, uuid in zip(host.gpus, MIG, strict=True))
    text = emit("compose", order(msgspec.structs.replace(host, gpus=gpus)))["compose.yaml"]
    device = yaml.safe_load(text)["services"]["keras"]["deploy"]["resources"]["reservations"]["devices"][0]
    assert device == {"driver": "nvidia", "device_ids": list(MIG), "capabilities": ["gpu"]}
    assert f"hands in 2 ({MIG[0]}, {MIG[1]})" in text


def test_a_card_that_tells_its_memory_mode_has_one_name(tmp_path: Path) -> None:
    host = probed(tmp_path, "mi300x-cpx")
    gpus = tuple(msgspec.structs.replace(gpu, memory_partition="NPS4") for gpu in host.gpus)
    text = emit("kubernetes", order(msgspec.structs.replace(host, gpus=gpus)))["kustomization.yaml"]
    assert '"mixed" amd.com/cpx_nps4.' in text
    assert "nps1" not in text
