"""The names that every part shares, what is inside every container, and what an image's labels tell."""

import pytest

from provision.model import LEVELS, Vendor, labels
from provision.model.inside import cache_environment

CUDA = {"CUDA_CACHE_PATH"}
ROCM = {"MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR"}


@pytest.mark.parametrize(
    ("vendor", "own"), [(Vendor.CPU, set()), (Vendor.CUDA, CUDA), (Vendor.ROCM, ROCM), (Vendor.AUTO, CUDA | ROCM)]
)
def test_each_cache_of_the_vendor_is_led(vendor: Vendor, own: set[str]) -> None:
    found = cache_environment("/there", vendor)
    assert found.keys() - {"XDG_CACHE_HOME", "KERAS_HOME"} == own
    assert all(path == "/there" or path.startswith("/there/") for path in found.values())


def test_the_makers_of_gpus() -> None:
    assert [vendor.maker for vendor in Vendor] == ["", "NVIDIA", "AMD", ""]


def test_levels_go_from_little_to_much() -> None:
    assert LEVELS == ("quick", "standard", "soak")


@pytest.mark.parametrize("told", [{}, {labels.STACK: "no JSON"}, {labels.STACK: '{"vendor": "gpu"}'}])
def test_no_stack_and_no_plan_of_another_maker(told: dict[str, str]) -> None:
    assert labels.stack_of(told) is None
    assert not labels.plan_of(told)
    assert labels.plan_of({labels.PLAN: "sha256:1"}) == "sha256:1"
