"""The facts load, are unique, quoted and sourced; a broken row stops the load with file, row and field."""

from collections.abc import Callable
from pathlib import Path

import pytest

from provision.catalogue import Catalogue, load, rows
from provision.errors import InputError
from provision.model import Driver, DriverVersion, Gpu, Host, Request, Vendor, version_key
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
GOOD_ROW = '- {id: "a", branch: "450", cuda: "11.0", source: "s", checked: "2026-11-22"}'


def broken(tmp_path: Path, change: Callable[[str], str], name: str = "nvidia.yaml") -> InputError:
    text = (MINIATURE.directory / name).read_text()
    changed = change(text)
    assert changed != text
    (tmp_path / name).write_text(changed)
    with pytest.raises(InputError) as caught:
        _ = Catalogue(tmp_path).nvidia
    return caught.value


def test_every_row_tells_its_source_and_date() -> None:
    found = list(load().all_rows())
    assert len(found) > 200
    assert all(row.source and row.checked.startswith("20") for _, row in found)


def test_the_facts_are_at_least_260_rows_without_chips_and_error_texts() -> None:
    assert sum(1 for table, _ in load().all_rows() if table not in {"chips", "errors"}) >= 260


def test_the_listing_has_the_contract_keys() -> None:
    assert all({"id", "source", "checked", "confidence"} <= row.keys() for row in load().listing().rows)


def test_a_float_version_names_file_row_and_field(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('version: "13.2.2"', "version: 13.2"))
    assert "nvidia.yaml" in error.text
    assert "row 1 (cuda-13.2.2)" in error.text
    assert "field version" in error.text
    assert "quote" in error.fix


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('id: "cuda-12.x", major', 'id: "cuda-12.x", mayor'))
    assert "row 2 (cuda-12.x)" in error.text
    assert "mayor" in error.text


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('source: "RN table 2, MVC", ', "", 1))
    assert "row 1 (cuda-11.x)" in error.text
    assert "source" in error.text


def test_a_wrong_date_is_named(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('checked: "2026-11-22"', 'checked: "yesterday"', 1))
    assert "field checked" in error.text


def test_an_id_given_twice_is_named(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('id: "cuda-12.x"', 'id: "cuda-11.x"'))
    assert "'cuda-11.x' is given twice" in error.text


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text.replace('major: "12"', 'major: "12", major: "13"'))
    assert "given twice" in error.cause


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    error = broken(tmp_path, lambda text: text[: len(text) // 2] + '\n  - {id: "')
    assert "not valid YAML" in error.text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nvidia\.yaml"):
        _ = Catalogue(tmp_path).nvidia


@pytest.mark.parametrize(
    ("driver", "cuda"), [("450.80.02", "11.0"), ("535.104.05", "12.2"), ("550.54.15", "12.4"), ("580.95.05", "13.0")]
)
@pytest.mark.parametrize("catalogue", [load(), MINIATURE], ids=["shipped", "miniature"])
def test_a_driver_reports_the_cuda_of_its_branch(catalogue: Catalogue, driver: str, cuda: str) -> None:
    branch = catalogue.branch_of(DriverVersion(driver))
    assert branch
    assert branch.cuda == cuda


def test_a_driver_newer_than_every_branch_reports_that_of_the_newest() -> None:
    branch = MINIATURE.branch_of(DriverVersion("999.1"))
    assert branch
    assert branch.cuda == "13.4"


def test_a_driver_older_than_every_branch_reports_none() -> None:
    assert load().branch_of(DriverVersion("390.157")) is None


def test_references_between_tables_hold() -> None:
    catalogue = load()
    sets = {row.cuda for row in catalogue.nvidia.wheels}
    cudnn = {row.version for row in catalogue.nvidia.cudnn}
    ptx = {row.isa for row in catalogue.nvidia.ptx}
    for release in catalogue.tensorflow:
        if release.cuda_wheels:
            assert release.nccl
            assert {release.cuda, *release.newer_cuda} <= sets
            assert {release.cudnn, *release.newer_cudnn} <= cudnn
        assert {one.isa for one in release.ptx} <= ptx
    series = {row.series for row in catalogue.amd.series}
    targets = {row.target for row in catalogue.amd.targets}
    for build in catalogue.amd.builds:
        assert build.series in series
        assert set(build.targets) <= targets
    for cuda_base in catalogue.images.cuda_bases:
        assert cuda_base.image.startswith(f"nvidia/cuda:{cuda_base.cuda}-")
        assert cuda_base.cudnn in cudnn
        assert cuda_base.cuda in {row.image_cuda for row in catalogue.images.requirements}


def test_rows_of_keras_refer_to_what_is_there() -> None:
    catalogue = load()
    cudnn = {row.version for row in catalogue.nvidia.cudnn}
    ptx = {row.isa for row in catalogue.nvidia.ptx}
    for row in catalogue.keras.keras_cuda:
        assert row.cudnn in cudnn
        assert {one.isa for one in row.ptx} <= ptx
        assert row.cuda.split(".")[0] in {family.major for family in catalogue.nvidia.families}
    for build in catalogue.keras.of(Vendor.ROCM):
        assert build.series in {series.series for series in catalogue.amd.series}
        assert set(build.targets) <= {target.target for target in catalogue.amd.targets}
        base = next(one for one in catalogue.images.bases if one.image == build.base)
        assert base.python in build.python
        assert version_key(base.glibc) >= version_key(build.glibc)


def test_what_keras_runs_on_is_pinned_exactly() -> None:
    keras = load().keras
    builds: tuple[rows.KerasCuda | rows.KerasTarget | rows.KerasCpu, ...]
    builds = (*keras.keras_cuda, *keras.of(Vendor.ROCM), *keras.keras_cpu)
    for row in builds:
        free = [one for one in row.packages if "==" not in one]
        assert [one for one in free if not one.startswith(("keras>=", "numpy<"))] == []
        assert any(one.startswith("keras") for one in row.packages)
        assert not [one for one in row.packages if "tensorflow" in one]
        assert any(one.startswith((f"{row.backend}==", f"{row.backend}[")) for one in row.packages)
        assert row.version in next(one for one in row.packages if one.startswith((f"{row.backend}==", "torch[")))
    for cuda in keras.keras_cuda:
        major = cuda.cuda.split(".")[0]
        assert f"nvidia-cudnn-cu{major}=={cuda.cudnn}" in cuda.packages


def test_only_a_request_that_needs_keras_reads_its_facts(tmp_path: Path) -> None:
    for file in MINIATURE.directory.glob("*.yaml"):
        if file.name != "keras.yaml":
            (tmp_path / file.name).write_text(file.read_text())
    host = Host(
        gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="580.95.05"),)
    )
    assert resolve(Catalogue(tmp_path), host, Request(vendor=Vendor.CUDA)).backend == "tensorflow"
    with pytest.raises(InputError, match=r"keras\.yaml"):
        resolve(Catalogue(tmp_path), host, Request(vendor=Vendor.CUDA, backend="jax"))


def test_an_image_tag_is_what_its_row_says() -> None:
    for build in load().amd.builds:
        tag = build.image.partition(":")[2]
        # the tags of ROCm 6.0 and older do not tell the Python
        assert f"-py{build.python}-" in tag or ("-py" not in tag and build.confidence == "unconfirmed")
        assert f"-tf{build.tensorflow}" in tag
        assert tag.startswith(f"rocm{'.'.join(build.version.split('.')[:2])}")


def test_a_newer_branch_reports_a_newer_cuda() -> None:
    branches = sorted(load().nvidia.branches, key=lambda row: int(row.branch))
    reported = [version_key(row.cuda) for row in branches]
    assert reported == sorted(reported)


def test_a_toolkit_never_needs_less_than_its_family() -> None:
    families = {row.major: DriverVersion(row.driver) for row in load().nvidia.families}
    for toolkit in load().nvidia.toolkits:
        if not toolkit.version.startswith("11.0."):  # older than minor-version compatibility
            assert DriverVersion(toolkit.driver) >= families[toolkit.version.split(".")[0]]
