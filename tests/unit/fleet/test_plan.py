"""Plans of real kinds of hosts."""

import random
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from provision.catalogue import Catalogue, load
from provision.errors import UsageError
from provision.fleet.classes import Served, key_of
from provision.fleet.images import digest_of, joined
from provision.fleet.plan import plan
from provision.model import Host, Request, Vendor, encode
from provision.model.fleet import FleetPlan, PlanWishes
from provision.resolve import feasible

DATA = Path(__file__).parents[2] / "data" / "hosts"
MINIATURE = DATA.parent / "catalogue"
HOSTS = {path.stem: msgspec.json.decode(path.read_bytes(), type=Host) for path in sorted(DATA.glob("*.json"))}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(MINIATURE)


@pytest.fixture(scope="module")
def whole(catalogue: Catalogue) -> FleetPlan:
    return plan(catalogue, HOSTS)


def test_each_node_is_served_once_or_told_why_not(whole: FleetPlan) -> None:
    served = [node.name for node in whole.nodes]
    assert sorted([*served, *(node.name for node in whole.unserved)]) == sorted(HOSTS)
    assert sorted(name for image in whole.images for name in image.nodes) == served
    assert all(node.rule and node.cause and node.fix for node in whole.unserved)


def test_an_image_is_a_stack_of_each_of_its_nodes(catalogue: Catalogue, whole: FleetPlan) -> None:
    for image in whole.images:
        for name in image.nodes:
            host = HOSTS[name]
            alone = {digest_of(stack, host.architecture) for stack in feasible(catalogue, host, Request())}
            assert digest_of(image.stack, host.architecture) in alone, (image.id, name)
        assert image.platform in {HOSTS[name].architecture for name in image.nodes}


def test_an_image_names_the_gpus_of_all_its_nodes(whole: FleetPlan) -> None:
    for image in whole.images:
        maker = image.stack.vendor.gpu or ""
        every = {gpu.architecture for name in image.nodes for gpu in HOSTS[name].chosen_of(maker)}
        assert set(image.stack.gpus) == every
        wheels = " ".join(image.stack.packages)
        assert all(f"device-{gpu}" in wheels for gpu in every) or "device-" not in wheels


def test_the_fewest_images_on_small_fleets_of_real_hosts(catalogue: Catalogue) -> None:
    served = Served(catalogue, Request())
    able = [name for name, host in HOSTS.items() if served.options(host)]
    dice = random.Random(11)
    for _ in range(20):
        names = dice.sample(able, 6)
        found = plan(catalogue, {name: HOSTS[name] for name in names}, wishes=PlanWishes(curve=False))
        reach: dict[str, set[str]] = {}
        for name in names:
            for option in served.options(HOSTS[name]):
                reach.setdefault(option.id, set()).add(name)
        sets = {frozenset(some) for some in reach.values()}
        fewest = next(n for n in range(1, 7) if any(set().union(*some) == set(names) for some in combinations(sets, n)))
        assert len(found.images) == fewest, names
        assert found.optimal


def test_the_same_fleet_gives_the_same_plan(catalogue: Catalogue, whole: FleetPlan) -> None:
    backwards = dict(reversed(HOSTS.items()))
    assert encode(plan(catalogue, backwards)) == encode(whole)


def test_classes_share_what_the_rules_cannot_tell_apart() -> None:
    one = HOSTS["h100-580"]
    other = msgspec.structs.replace(
        one, gpus=tuple(msgspec.structs.replace(gpu, pci="0000:99:00.0", memory_bytes=1) for gpu in one.gpus)
    )
    assert key_of(one) == key_of(other)
    assert key_of(one) != key_of(HOSTS["h100-550"])


def test_no_cpu_stack_serves_a_usable_gpu(catalogue: Catalogue) -> None:
    request = Request(fallback="cpu")
    found = plan(catalogue, {name: HOSTS[name] for name in ("none", "driver-not-loaded", "v100-590")}, request)
    assert {node.name for node in found.nodes} == {"none", "driver-not-loaded"}
    assert [image.stack.vendor for image in found.images] == [Vendor.CPU]
    assert [node.name for node in found.unserved] == ["v100-590"]


def test_a_pin_holds_and_a_wrong_one_is_told(catalogue: Catalogue) -> None:
    hosts = {name: HOSTS[name] for name in ("h100-580", "a100-535")}
    pinned = plan(catalogue, hosts, wishes=PlanWishes(pins={"h100-580": "cuda-tf2.20"}))
    images = {node.name: node.image for node in pinned.nodes}
    assert images["h100-580"].startswith("cuda-tf2.20")
    wrong = plan(catalogue, hosts, wishes=PlanWishes(pins={"h100-580": "rocm"}))
    assert [(node.name, node.rule) for node in wrong.unserved] == [("h100-580", "pin")]
    with pytest.raises(UsageError, match="h100-58, which is no node"):
        plan(catalogue, hosts, wishes=PlanWishes(pins={"h100-58": "cuda"}))


def test_a_limit_leaves_nodes_with_its_name(catalogue: Catalogue) -> None:
    hosts = {name: HOSTS[name] for name in ("h100-580", "a100-535", "mi210")}
    found = plan(catalogue, hosts, wishes=PlanWishes(max_images=1))
    assert [(node.name, node.rule) for node in found.unserved] == [("mi210", "max-images")]
    assert found.curve == ()


def test_upgrades_are_told_with_their_driver(whole: FleetPlan) -> None:
    first, *others = whole.curve
    assert (first.images, first.upgrades) == (len(whole.images), 0)
    assert others
    for before, after in zip(whole.curve, others, strict=False):
        assert after.images < before.images
        assert after.upgrades >= before.upgrades
        assert sum(len(change.nodes) for change in after.changes) == after.upgrades


def test_what_an_upgrade_promises_holds(catalogue: Catalogue, whole: FleetPlan) -> None:
    point = whole.curve[1]
    hosts = {name: HOSTS[name] for image in whole.images for name in image.nodes}
    for change in point.changes:
        version = change.driver.split()[1]
        for name in change.nodes:
            driver = hosts[name].drivers[0]
            field = "version" if driver.vendor == "nvidia" else "release"
            newer = msgspec.structs.replace(driver, version=None, release=None)
            newer = msgspec.structs.replace(newer, **{field: version})
            hosts[name] = msgspec.structs.replace(hosts[name], drivers=(newer,))
    assert len(plan(catalogue, hosts, wishes=PlanWishes(curve=False)).images) == point.images


def test_joined_stacks_have_all_devices(catalogue: Catalogue) -> None:
    hosts = [HOSTS[name] for name in ("radeon-780m-inbox", "strix-halo-inbox")]
    stacks = [next(iter(feasible(catalogue, host, Request()))) for host in hosts]
    assert len({digest_of(stack, "x86_64") for stack in stacks}) == 1
    found = joined(stacks)
    assert found.gpus == ("gfx1103", "gfx1151")
    assert any("device-gfx1103,device-gfx1151" in package for package in found.packages)
