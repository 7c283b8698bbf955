"""A site's own rows and rules: added, replacing, schema-checked, and told in the explanation."""

import os
from pathlib import Path

import pytest

from provision.catalogue import load
from provision.catalogue.overlay import check_folder
from provision.errors import InputError, NoStackError
from provision.model import Driver, Gpu, Host, Request, Vendor
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

BASE = (
    'bases:\n  - {id: "site-base", image: "registry.example/vetted:1", family: "image", python: "3.12", glibc: "2.36",'
    ' source: "the platform team", checked: "2026-11-01"}\n'
)
HOST = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_80"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
AMD = Host(
    gpus=(Gpu(vendor="amd", architecture="gfx942"),), drivers=(Driver(vendor="amd", release="30.30", flavour="dkms"),)
)


def rule(subject: str, limit: str) -> str:
    return (
        f'rules:\n  - {{id: "house-1", subject: "{subject}", {limit}, source: "change 4711", checked: "2026-11-01"}}\n'
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path


def pick(site: Path, host: Host = HOST, **wishes: str) -> str:
    vendor = Vendor.CUDA if host.gpus_of("nvidia") else Vendor.ROCM
    return resolve(load(MINIATURE.directory, overlay=site), host, Request(vendor=vendor, **wishes)).summary  # type: ignore[arg-type] # text


def test_a_sites_base_comes_first(site: Path) -> None:
    (site / "bases.yaml").write_text(BASE)
    assert "registry.example/vetted:1" in pick(site)


def test_a_row_is_replaced_by_id_and_its_source_tells_the_file(site: Path) -> None:
    shipped = next(row for row in MINIATURE.nvidia.families if row.major == "12")
    (site / "nvidia.yaml").write_text(
        f'families:\n  - {{id: "{shipped.id}", major: "12", driver: "590.0", source: "ours", checked: "2026-11-01"}}\n'
    )
    found = load(MINIATURE.directory, overlay=site).nvidia.families
    assert len(found) == len(MINIATURE.nvidia.families)
    stack = resolve(load(MINIATURE.directory, overlay=site), HOST, Request(vendor=Vendor.CUDA))
    assert stack.framework.version == "2.14.1"
    assert stack.rejected[0].source == f"ours; {site / 'nvidia.yaml'}"


ROW = (
    'releases:\n  - {{id: "own", version: "9.9.0", python: ["3.11"], glibc: "2.17", cuda: "{cuda}", cudnn: "{cudnn}", '
    'sass: {sass}, ptx: {ptx}, requires: ["keras"], source: "ours", checked: "2026-11-01"}}\n'
)
GOOD = {"cuda": "12.5.1", "cudnn": "9.3.0.75", "sass": '["8.0"]', "ptx": "[]"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cuda": "14.0.0"}, "names the CUDA family 14"),
        ({"cuda": "12.99.0"}, "names the set of CUDA wheels 12.99.0"),
        ({"cudnn": "99.0"}, "names the cuDNN 99.0"),
        ({"ptx": '[{capability: "9.0", isa: "77.0"}]'}, "names the PTX version 77.0"),
        ({"sass": "[]"}, "has neither machine code"),
    ],
)
def test_a_row_that_names_what_is_not_there(site: Path, change: dict[str, str], told: str) -> None:
    (site / "tensorflow.yaml").write_text(ROW.format(**GOOD))
    assert "TensorFlow 9.9.0" in pick(site)
    (site / "tensorflow.yaml").write_text(ROW.format(**GOOD | change))
    with pytest.raises(InputError) as caught:
        load.__wrapped__(MINIATURE.directory, overlay=site)  # the folder was read above, and that is kept
    assert (caught.value.code, told in caught.value.text) == ("KGE-206", True)


@pytest.mark.parametrize(
    ("subject", "limit", "has"),
    [
        ("tensorflow", 'newest: "2.19"', "TensorFlow 2.18.1"),
        ("cuda", 'newest: "12.3"', "TensorFlow 2.16.2, CUDA 12.3.1"),
        ("python", 'newest: "3.10"', "Python 3.10"),
        ("base", 'images: ["ubuntu:24.04"]', "ubuntu:24.04"),
    ],
)
def test_house_rules_for_nvidia(site: Path, subject: str, limit: str, has: str) -> None:
    (site / "site_policy.yaml").write_text(rule(subject, limit))
    assert has in pick(site)
    assert has not in resolve(MINIATURE, HOST, Request(vendor=Vendor.CUDA)).summary


def test_house_rules_for_amd(site: Path) -> None:
    (site / "site_policy.yaml").write_text(rule("rocm", 'newest: "7.2"'))
    assert "ROCm 7.2" in pick(site, AMD)


def test_house_rules_for_the_cpu(site: Path) -> None:
    (site / "site_policy.yaml").write_text(rule("tensorflow", 'newest: "2.18"'))
    stack = resolve(load(MINIATURE.directory, overlay=site), Host(), Request(vendor=Vendor.CPU))
    assert stack.framework.version == "2.18.1"
    assert {one.rule for one in stack.rejected} == {"site-policy"}


def test_a_house_rule_in_the_way_is_named_with_its_source(site: Path) -> None:
    (site / "site_policy.yaml").write_text(rule("base", 'images: ["registry.example/only:1"]'))
    with pytest.raises(NoStackError) as caught:
        pick(site)
    assert caught.value.conflict == ("site-policy",)
    assert any(str(site / "site_policy.yaml") in one.source for one in caught.value.rejected)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("nvidia.yaml", "famillies: []\n", "KGE-204"),
        ("nvidia.yaml", "- 1\n", "KGE-204"),
        ("nvidia.yaml", 'families:\n  - {id: "x", major: 12}\n', "KGE-202"),
        ("bases.yaml", BASE + BASE.partition("\n")[2], "KGE-203"),
        ("site_policy.yaml", rule("tensorflow", "newest: 2.19"), "KGE-202"),
        ("extra.yaml", "a: 1\n", "KGE-205"),
        ("README.md", "nothing", "KGE-205"),
    ],
)
def test_a_broken_folder_is_an_input_error(site: Path, name: str, text: str, code: str) -> None:
    (site / name).write_text(text)
    with pytest.raises(InputError) as caught:
        pick(site)
    assert caught.value.code == code


def test_a_folder_that_may_not_be_entered(site: Path) -> None:
    (site / "bases.yaml").write_text(BASE)
    site.chmod(0o600)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)  # root enters every folder
    try:
        with pytest.raises(InputError) as caught:
            check_folder(site)
    finally:
        os.seteuid(user)
        site.chmod(0o700)
    assert (caught.value.code, caught.value.cause) == ("KGE-205", "Permission denied")


MESSAGE = (
    'errors:\n  - {{id: "OWN-1", match: "{match}", cause: "ours", fix: "call us", source: "s", checked: "2026-11-01", '
    "conditions: [{{when: {{wsl: true}}, cause: c, fix: f}}]}}\n"
)


def test_a_sites_message_comes_before_the_shipped_ones(site: Path) -> None:
    (site / "errors.yaml").write_text(MESSAGE.format(match="could not select device driver"))
    found = load(MINIATURE.directory, overlay=site).errors
    assert [row.id for row in found][:2] == ["OWN-1", MINIATURE.errors[0].id]
    assert len(found) == len(MINIATURE.errors) + 1


def test_a_message_that_is_no_regular_expression_is_named(site: Path) -> None:
    (site / "errors.yaml").write_text(MESSAGE.format(match="gpu)"))
    with pytest.raises(InputError, match=r"OWN-1, field match: no regular expression") as caught:
        _ = load(MINIATURE.directory, overlay=site).errors
    assert caught.value.code == "KGE-202"


CANDIDATE = (
    'releases:\n  - {id: "own", version: "2.99.0rc1", python: ["3.11"], glibc: "2.17", cuda: "12.5.1", '
    'cudnn: "9.3.0.75", sass: ["8.0"], ptx: [], requires: ["keras"], source: "ours", checked: "2026-11-01"}\n'
)


@pytest.mark.parametrize("asked", ["2.99", "2.99.0rc1"])
def test_a_release_candidate_of_a_site_is_taken_when_it_is_asked_for(site: Path, asked: str) -> None:
    (site / "tensorflow.yaml").write_text(CANDIDATE)
    assert pick(site, tensorflow=asked).startswith("TensorFlow 2.99.0rc1, CUDA 12.5.1")


def test_a_release_candidate_of_a_site_is_not_taken_otherwise(site: Path) -> None:
    (site / "tensorflow.yaml").write_text(CANDIDATE)
    stack = resolve(load(MINIATURE.directory, overlay=site), HOST, Request(vendor=Vendor.CUDA))
    assert stack.framework.version == MINIATURE.tensorflow[0].version
    told = next(one for one in stack.rejected if one.candidate.startswith("TensorFlow 2.99.0rc1"))
    assert (told.rule, told.reason) == ("confirmed", "it is no release yet; ask for it with --tensorflow 2.99")
