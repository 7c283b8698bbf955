"""NVIDIA_REQUIRE_*: the grammar, the rules between variables, and which GPU meets what."""

import pytest

from provision.errors import InputError
from provision.model import Gpu
from provision.resolve.nvidia import brands_of
from provision.resolve.nvidia_require import Seen, parse, requirements, unmet

IMAGE_12_2_2 = " ".join(
    ["cuda>=12.2"]
    + [
        f"brand={brand},driver>={branch},driver<{branch + 1}"
        for branch in (470, 525)
        for brand in ("tesla", "unknown", "nvidia", "nvidiartx", "geforce", "geforcertx", "quadro", "titan")
    ]
)


def seen(cuda: str, driver: str, *brands: str, arch: str = "8.0") -> Seen:
    return Seen(cuda, driver, frozenset(brands), arch)


@pytest.mark.parametrize(
    ("gpu", "starts"),
    [
        (seen("12.2", "535.104.05", "geforce"), True),
        (seen("12.0", "525.147.05", "geforce"), True),
        (seen("11.4", "470.82.01", "tesla"), True),
        (seen("12.1", "530.30.02", "tesla"), False),
        (seen("11.4", "470.82.01", "grid"), False),
        (seen("13.0", "580.95.05", "grid"), True),
    ],
)
def test_an_image_starts_on_its_cuda_or_on_a_listed_branch_and_brand(gpu: Seen, *, starts: bool) -> None:
    wanted = requirements({"NVIDIA_REQUIRE_CUDA": IMAGE_12_2_2, "CUDA_VERSION": "12.2.2"})
    assert (unmet(wanted, [gpu]) == ()) is starts


def test_every_gpu_must_meet_it() -> None:
    wanted = (parse("NVIDIA_REQUIRE_CUDA", "brand=tesla"),)
    assert unmet(wanted, [seen("12.2", "535.1", "tesla"), seen("12.2", "535.1", "geforce")]) == wanted


def test_several_variables_must_all_hold() -> None:
    wanted = requirements({"NVIDIA_REQUIRE_CUDA": "cuda>=11.6", "NVIDIA_REQUIRE_BRAND": "brand=tesla"})
    assert [one.variable for one in unmet(wanted, [seen("12.0", "525.1", "geforce")])] == ["NVIDIA_REQUIRE_BRAND"]


def test_a_legacy_image_asks_for_its_cuda() -> None:
    assert [str(one) for one in requirements({"CUDA_VERSION": "11.6.2"})] == ["cuda>=11.6"]
    both = requirements({"CUDA_VERSION": "11.6", "NVIDIA_REQUIRE_BRAND": "brand=tesla"})
    assert {str(one) for one in both} == {"cuda>=11.6", "brand=tesla"}


@pytest.mark.parametrize("word", ["1", "true", "TRUE"])
def test_the_check_can_be_switched_off(word: str) -> None:
    assert requirements({"NVIDIA_REQUIRE_CUDA": "cuda>=99.0", "NVIDIA_DISABLE_REQUIRE": word}) == ()
    assert requirements({"NVIDIA_REQUIRE_CUDA": "cuda>=99.0", "NVIDIA_DISABLE_REQUIRE": "0"})


def test_jetpack_variables_say_something_else() -> None:
    assert requirements({"NVIDIA_REQUIRE_JETPACK": "csv-mounts=all"}) == ()


@pytest.mark.parametrize(
    ("term", "driver", "holds"),
    [
        ("driver>=470", "470.0", True),
        ("driver<471", "470.256.02", True),
        ("driver!=535", "535", False),
        ("driver=535", "535.0", True),
        ("driver>535", "535.54.03", True),
        ("driver<=535", "535.54.03", False),
        ("arch>=9.0", "535.1", False),
        ("moon>=1", "535.1", False),
    ],
)
def test_comparisons(term: str, driver: str, *, holds: bool) -> None:
    assert (unmet([parse("NVIDIA_REQUIRE_X", term)], [seen("12.2", driver, "tesla")]) == ()) is holds


@pytest.mark.parametrize("text", ["cuda", "cuda>=twelve", "cuda>=12.4,,brand=tesla", "driver>=470;reboot", "cuda~12"])
def test_what_is_no_condition_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse("NVIDIA_REQUIRE_CUDA", text)
    assert caught.value.code == "KGE-241"


@pytest.mark.parametrize(
    ("name", "brand"),
    [
        ("NVIDIA GeForce RTX 4090", "geforce"),
        ("Tesla T4", "tesla"),
        ("NVIDIA A100-SXM4-80GB", "nvidia"),
        ("NVIDIA RTX A6000", "nvidiartx"),
        ("Quadro RTX 8000", "quadrortx"),
        ("NVIDIA TITAN V", "titan"),
        (None, "unknown"),
    ],
)
def test_the_brand_comes_from_the_name(name: str | None, brand: str) -> None:
    assert brand in brands_of(Gpu(vendor="nvidia", name=name))
