"""Rows against what is published, and the rows that follow from a wheel's metadata."""

from pathlib import Path

import pytest
import yaml

from provision.catalogue import load
from provision.cli.formatting.freshness import draft_text
from provision.model import Driver, Gpu, Host, Request, Vendor
from provision.model.published import Freshness, Published, PublishedFile
from provision.resolve import resolve
from provision.resolve.draft import NotDrafted, Release, drafted, wanted, wheel_of
from provision.resolve.freshness import Named, Place, freshness, named

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
SAID = Named({"2.21.0": ["new"], "2.20.0": ["old"]}, {})
HOST = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_80"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))


def published(*versions: str, **yanked: str) -> Published:
    files = [PublishedFile(name=f"a-{one}.tar.gz", version=one, url="") for one in versions]
    files += [PublishedFile(name="", version=one.replace("_", "."), url="", yanked=why) for one, why in yanked.items()]
    return Published(files=tuple(files))


def standing(found: Published | str, said: Named = SAID) -> Freshness:
    return freshness(Place("a"), said, found)


def test_rows_that_name_the_newest_are_current() -> None:
    found = standing(published("2.20.0", "2.21.0"))
    assert (found.standing, found.newest_row, found.newest, found.text) == ("current", "2.21.0", "2.21.0", "")


def test_what_is_newer_is_told_with_the_row_it_would_follow() -> None:
    found = standing(published("2.20.0", "2.21.0", "2.22.0"))
    assert (found.standing, found.rows) == ("newer", ("new",))
    assert found.text == "2.22.0 is published, the newest row has 2.21.0"


def test_a_release_candidate_is_ahead_and_not_newer() -> None:
    found = standing(published("2.20.0", "2.21.0", "2.22.0rc0", "2.22.0rc1", "2.23.0.dev1"))
    assert (found.standing, found.ahead, found.text) == ("current", "2.22.0rc1", "2.22.0rc1 comes next")
    assert standing(published("2.20.0", "2.21.0", "2.21.0rc1")).ahead == ""


def test_missing_comes_before_yanked_and_yanked_before_newer() -> None:
    found = standing(published("2.21.0", "2.22.0"))
    assert (found.standing, found.rows) == ("missing", ("old",))
    found = standing(published("2.20.0", "2.22.0", **{"2_21_0": "broken"}))
    assert (found.standing, found.rows) == ("yanked", ("new",))
    assert found.text.startswith("yanked: 2.21.0 (broken), which new names; 2.22.0 is published")


def test_not_known_is_not_missing() -> None:
    found = standing("no route to host")
    assert (found.standing, found.text, found.newest) == ("unknown", "not known: no route to host", "")


def test_a_bound_that_admits_the_newest_is_current() -> None:
    assert standing(published("3.16.0"), Named({}, {">=3.15,<3.17": ["a"]})).standing == "current"
    assert standing(published("3.16.0"), Named({}, {">=3.15,<3.16": ["a"]})).rows == ("a",)
    both = Named({"3.1.1": ["pinned"]}, {">=3.15": ["a"]})
    assert standing(published("3.1.1", "3.16.0"), both).standing == "current"


def test_versions_are_compared_as_they_are_meant() -> None:
    assert standing(published("13.0"), Named({"13.0.0": ["a"]}, {})).standing == "current"
    assert standing(published("2.14.0+rocm10.1.0"), Named({"2.14.0+rocm10.1.0": ["a"]}, {})).standing == "current"


def test_every_project_that_rows_name_is_asked_about() -> None:
    found = named(load())
    projects = {place.project for place in found}
    assert {"tensorflow", "keras", "jax", "torch", "jax-cuda13-plugin", "nvidia-cudnn-cu12", "uv"} <= projects
    own = {place.project: place.indexes for place in found if place.indexes}
    assert {"rocm", "torch", "tensorflow-rocm", "pytorch-triton-rocm"} <= set(own)
    assert Place("jax") in found  # ROCm's rows take it from the configured index


def wheel(name: str) -> PublishedFile:
    return PublishedFile(name=name, version=name.split("-")[1], url=f"https://packages.example/{name}")


def release(project: str, *requires: str, version: str = "2.99.0rc1", tag: str = "manylinux_2_27_x86_64") -> Release:
    names = [f"{project.replace('-', '_')}-{version}-cp3{minor}-cp3{minor}-{tag}.whl" for minor in (9, 12, 10)]
    return Release(project, version, Published(files=tuple(map(wheel, names))), requires)


LIBRARIES = ("cuda-runtime-cu12<13,>=12.5.82", "cudnn-cu12<10,>=9.3.0.75", "nccl-cu12<3,>=2.27.7")
TENSORFLOW = ("keras>=3.12", "numpy>=1.26", "six", *(f'nvidia-{one}; extra == "and-cuda"' for one in LIBRARIES))


def test_a_release_of_tensorflow_is_drafted_from_its_metadata() -> None:
    row = drafted(MINIATURE, release("tensorflow", *TENSORFLOW), "2026-11-29")
    assert row["python"] == ["3.9", "3.10", "3.12"]
    assert (row["glibc"], row["cuda"], row["cudnn"], row["nccl"]) == ("2.27", "12.5.1", "9.3.0.75", "2.27.7")
    assert row["requires"] == ["keras>=3.12", "numpy>=1.26"]
    assert row["confidence"] == "unconfirmed"
    assert row["note"].endswith("sass and ptx are those of tensorflow-2.21.0 and were not measured")


def test_the_draft_is_a_sites_file_and_is_taken_by_name_alone(tmp_path: Path) -> None:
    rows = [drafted(MINIATURE, release("tensorflow", *TENSORFLOW), "2026-11-29")]
    (tmp_path / "tensorflow.yaml").write_text(draft_text("releases", rows))
    site = load(MINIATURE.directory, overlay=tmp_path)
    assert resolve(site, HOST, Request(vendor=Vendor.CUDA)).framework.version == "2.21.0"
    asked = resolve(site, HOST, Request(vendor=Vendor.CUDA, tensorflow="2.99"))
    assert asked.framework.version == "2.99.0rc1"
    assert yaml.safe_load((tmp_path / "tensorflow.yaml").read_text())["releases"][0]["id"] == "tensorflow-2.99.0rc1"


@pytest.mark.parametrize(
    ("requires", "why"),
    [
        ((), "no row of wheels has CUDA libraries of its extra and-cuda"),
        (('nvidia-cuda-runtime-cu13>=13.5; extra == "and-cuda"',), "no row of wheels has CUDA 13.5"),
        ((TENSORFLOW[3], 'nvidia-cudnn-cu12>=9.99; extra == "and-cuda"'), "no row of cudnn has 9.99"),
    ],
)
def test_what_does_not_follow_is_told(requires: tuple[str, ...], why: str) -> None:
    with pytest.raises(NotDrafted, match=why):
        drafted(MINIATURE, release("tensorflow", *requires), "2026-11-29")


def test_without_a_wheel_for_linux_there_is_no_draft() -> None:
    with pytest.raises(NotDrafted, match="no wheel for x86-64 Linux"):
        drafted(MINIATURE, release("tensorflow", *TENSORFLOW, tag="win_amd64"), "2026-11-29")
    assert wheel_of(release("tensorflow", tag="win_amd64").published, "2.99.0rc1") is None


def test_torch_names_its_own_libraries() -> None:
    before = next(row for row in load().keras.keras_cuda if row.id == "torch-2.15.0-cuda13")
    asked = release(
        "torch",
        'cuda-toolkit[cudart,cublas]==13.4.2; platform_system == "Linux"',
        f'nvidia-cudnn-cu13=={before.cudnn}; platform_system == "Linux"',
        'nvidia-cudnn-cu13==1.0; platform_system == "Windows"',
        "sympy>=1.13",
        version="2.16.0",
    )
    row = drafted(load(), asked, "2026-11-29")
    assert (row["id"], row["cuda"], row["cudnn"]) == ("torch-2.16.0-cuda13", "13.4.2", before.cudnn)
    assert row["packages"][:3] == [
        "torch==2.16.0",
        "cuda-toolkit[cublas,cudart]==13.4.2",
        f"nvidia-cudnn-cu13=={before.cudnn}",
    ]
    assert row["packages"][3:] == ["keras>=3.15.1,<3.16"]
    with pytest.raises(NotDrafted, match="names no cuda-toolkit"):
        drafted(load(), release("torch", "sympy", version="2.16.0"), "2026-11-29")


def test_jax_keeps_the_libraries_that_it_still_takes() -> None:
    before = next(row for row in load().keras.keras_cuda if row.id == "jax-0.12.0.1-cuda13")
    fits = 'nvidia-cudnn-cu13<10,>=9.12; extra == "with-cuda"'
    row = drafted(load(), release("jax-cuda13-plugin", fits, version="0.13.0"), "2026-11-29")
    assert (row["id"], row["backend"], row["cuda"]) == ("jax-0.13.0-cuda13", "jax", before.cuda)
    assert row["packages"][:4] == [
        f"{one}==0.13.0" for one in ("jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda13-pjrt")
    ]
    assert row["packages"][4:] == list(before.packages[4:])
    other = 'nvidia-cudnn-cu13<10,>=9.99; extra == "with-cuda"'
    with pytest.raises(NotDrafted, match=r"asks for nvidia-cudnn-cu13<10,>=9\.99, and jax-0\.12\.0\.1-cuda13 has"):
        drafted(load(), release("jax-cuda13-plugin", other, version="0.13.0"), "2026-11-29")


def test_a_draft_has_what_is_newer_or_ahead_in_the_file_of_its_kind() -> None:
    def one(project: str, newest: str, ahead: str = "", index: str = "") -> Freshness:
        return Freshness(project=project, standing="current", newest_row="1.0", newest=newest, ahead=ahead, index=index)

    found = (
        one("tensorflow", "1.0", "3.0rc0"),
        one("torch", "2.0"),
        one("torch", "2.0", index="https://own.example"),
        one("numpy", "2.0"),
    )
    assert list(wanted("tensorflow.yaml", found)) == [("tensorflow", "3.0rc0")]
    assert list(wanted("keras.yaml", found)) == [("torch", "2.0")]
