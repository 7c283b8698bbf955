"""One list of rules for all vendors, with every name in it; and hosts of one class share their answer."""

import importlib
import inspect
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from provision.catalogue import Catalogue, load, rows
from provision.model import GPU_VENDORS, Driver, Gpu, Host, Stack, Vendor
from provision.resolve import nvidia, rules_request, rules_support
from provision.resolve.candidate import Knowledge, Wishes
from provision.resolve.facts import Failure, class_of
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import RULES
from provision.resolve.search import find
from provision.resolve.vendors import BACKENDS, KNOWLEDGE, builds_of

GPUS = {Vendor.CUDA: ("sm_80", "580.95.05", None), Vendor.ROCM: ("gfx942", None, "30.30")}
FAMILIES = [(vendor, backend) for vendor in KNOWLEDGE for backend in BACKENDS]
MODULES = sorted(path.stem for path in Path(rules_request.__file__).parent.glob("*.py") if path.stem != "__init__")


def host_of(vendor: Vendor) -> Host:
    if vendor not in GPUS:
        return Host()
    architecture, version, release = GPUS[vendor]
    driver = Driver(vendor=vendor.row.maker, version=version, release=release)
    return Host(gpus=(Gpu(vendor=vendor.row.maker, architecture=architecture),), drivers=(driver,))


def doubting(row: rows.Row) -> Catalogue:
    """Return the catalogue with one row unconfirmed."""

    def doubted(table: tuple[rows.Row, ...]) -> tuple[rows.Row, ...]:
        change = {"confidence": "unconfirmed", "note": "made up"}
        return tuple(replace(one, **change) if one is row else one for one in table)

    changed, known = Catalogue(load().directory), load()
    keras = {name: doubted(getattr(known.keras, name)) for name in known.keras.__struct_fields__}
    changed.__dict__ |= {
        "tensorflow": doubted(known.tensorflow),
        "keras": replace(known.keras, **keras),
    }
    vars(changed)["_listed"][Vendor.ROCM] = replace(known.amd, builds=doubted(known.amd.builds))
    return changed


def test_every_name_is_in_the_list_and_every_predicate_is() -> None:
    assert {name for rule in RULES for name in rule.names} == set(RuleName)
    listed = {rule.broken for rule in RULES}
    predicates = {
        function
        for module in (rules_request, rules_support)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and name != "site_policy"
    }
    assert listed == predicates
    assert Counter(rule.broken for rule in RULES).most_common(1)[0][1] == 1


@pytest.mark.parametrize(("vendor", "backend"), FAMILIES)
def test_an_unconfirmed_row_is_taken_by_its_name_alone_whatever_the_vendor(vendor: Vendor, backend: str) -> None:
    wishes, host = Wishes().having(backend=backend), host_of(vendor)
    before = find(load(), host, wishes, vendor)
    assert isinstance(before, Stack)
    build = next(
        build
        for build in builds_of(load(), vendor, before.backend, None)
        if build.version == before.framework.version and before.runtime.version in {build.runtimes[0].version, "x86_64"}
    )
    doubtful = doubting(build.row)
    after = find(doubtful, host, wishes, vendor)
    assert after != before
    told = [one for one in after.rejected if one.rule == "confirmed"]
    assert told[0].reason.startswith("unconfirmed: made up")
    named = wishes.having(**dict(build.named_by))
    by_name = find(doubtful, host, named, vendor)
    if named == wishes:  # no option tells one JAX without a GPU from another
        assert build.named_by == ()
        assert isinstance(by_name, Failure) or by_name.framework != before.framework
        return
    assert isinstance(by_name, Stack)
    assert (by_name.framework, by_name.runtime) == (before.framework, before.runtime)
    assert "unconfirmed" in {one.code for one in by_name.warnings}


def test_every_vendor_is_known_and_a_row_that_lacks_a_field_cannot_be_made() -> None:
    assert set(KNOWLEDGE) == {*GPU_VENDORS, Vendor.CPU}
    fields = asdict(nvidia.NVIDIA)
    for name in fields:
        with pytest.raises(TypeError, match=name):
            Knowledge(**{key: value for key, value in fields.items() if key != name})
    assert all(KNOWLEDGE[vendor].requested == f"requested-{vendor}" for vendor in GPU_VENDORS)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_hidden_by_a_function_of_its_name(name: str) -> None:
    module = importlib.import_module(f"provision.resolve.{name}")
    assert getattr(importlib.import_module("provision.resolve"), name) is module


def test_hosts_of_one_class_get_the_very_same_answer() -> None:
    gpu = Gpu(vendor="nvidia", architecture="sm_90", name="NVIDIA H100 80GB HBM3", pci="0000:17:00.0", uuid="GPU-1")
    twin = replace(gpu, pci="0000:65:00.0", uuid="GPU-2", memory_bytes=1)
    driver = Driver(vendor="nvidia", version="550.54.15", flavour="open")
    one = Host(gpus=(gpu,), drivers=(driver,), kernel="6.1", distribution="debian 12")
    two = Host(gpus=(twin, twin), drivers=(replace(driver, cuda="12.4"),), kernel="6.8")
    assert class_of(one, Vendor.CUDA) == class_of(two, Vendor.CUDA)
    assert find(load(), one, Wishes(), Vendor.CUDA) is find(load(), two, Wishes(), Vendor.CUDA)
    for other in (
        replace(one, gpus=(replace(gpu, name="NVIDIA GeForce RTX 4090"),)),
        replace(one, gpus=(replace(gpu, partition="1g.10gb"),)),
        replace(one, drivers=(replace(driver, version="555.42.02"),)),
        replace(one, architecture="aarch64"),
        replace(one, wsl=True),
    ):
        assert class_of(other, Vendor.CUDA) != class_of(one, Vendor.CUDA)
