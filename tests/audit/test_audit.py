"""The catalogue against the tables of others: every disagreement has a written reason."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from provision.catalogue import LISTING, load
from provision.model import DriverVersion, version_key
from provision.resolve.image_check import starts
from provision.resolve.nvidia_require import Seen, parse, unmet
from provision.resolve.rule_names import RuleName

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "catalogue.md"
NUMPY = ("1.20.0", "1.22.0", "1.23.4", "1.23.5", "1.24.3", "1.26.0", "2.0.2", "2.1.0", "2.2.0", "2.4.6")
KERAS = ("2.11.0", "2.12.0", "2.13.0", "2.13.1", "2.14.0", "2.15.0", "3.0.0", "3.2.0", "3.5.0", "3.10.0", "3.12.0")
PROBES = NUMPY + KERAS


def read(name: str) -> Any:  # noqa: ANN401 - each file has its own shape
    return yaml.safe_load((HERE / name).read_text())


WRITTEN: dict[str, dict[str, str]] = {one["id"]: one for one in read("disagreements.yaml")}


Disagreements = dict[str, int]  # id and how many of their rows it stands for


def uv() -> Disagreements:
    """Rows of uv that differ from the driver the catalogue asks for."""
    families = {row.major: row for row in load().nvidia.families}
    found: Counter[str] = Counter()
    for system, table in read("uv.yaml").items():
        place = "windows " if system == "windows" else ""
        for cuda, driver in table.items():
            major = cuda.split(".")[0]
            if major not in families:
                found["uv before CUDA 11"] += 1
                continue
            ours = families[major].windows if place else families[major].driver
            if ours is None or DriverVersion(ours) != DriverVersion(driver):
                found[f"uv {place}{'13' if major == '13' else cuda}"] += 1
    return found


def cog() -> Disagreements:
    """Rows of cog with another CUDA, cuDNN or list of Pythons."""
    ours = {version_key(row.version)[:2]: row for row in load().tensorflow}
    found: Counter[str] = Counter()
    for one in read("cog.yaml"):
        row = ours.get(version_key(one["tensorflow"])[:2])
        same = row and (
            version_key(row.cuda)[:2] == version_key(one["cuda"])
            and version_key(row.cudnn)[:2] == version_key(one["cudnn"])
            and list(row.python) == one["pythons"]
        )
        if not same:
            found["cog before 2.10" if row is None else f"cog {one['tensorflow']}"] += 1
    return found


def pypi() -> set[str]:
    """Requirements of the wheels that the catalogue states otherwise."""
    ours = {row.version: row for row in load().tensorflow}
    sets = {row.cuda: row for row in load().nvidia.wheels}
    found: set[str] = set()
    for one in read("pypi.yaml"):
        row = ours[one["version"]]
        asked = {Requirement(text).name: Requirement(text).specifier for text in row.requires}
        found |= {f"pypi {row.version} {name}" for name in ("keras", "numpy") if not same(asked[name], one[name])}
        if one["cuda"]:
            wheels = sets[row.cuda]
            pins = {f"nvidia-{name}-{wheels.suffix}": version for name, version in wheels.packages.items()}
            pins |= {f"nvidia-cudnn-{wheels.suffix}": row.cudnn, f"nvidia-nccl-{wheels.suffix}": row.nccl or ""}
            wrong = {name for name, version in pins.items() if lowest(one["cuda"][name]) != version}
            found |= {f"pypi {row.version} {name}" for name in wrong}
        elif row.cuda_wheels:
            found.add(f"pypi {row.version} and-cuda")
        glibc = re.search(r"manylinux_2_(\d+)", one["wheel"])
        if glibc is None or row.glibc != f"2.{glibc[1]}":
            found.add(f"pypi {row.version} glibc")
        if not all(SpecifierSet(one["requires_python"]).contains(f"{python}.9") for python in row.python):
            found.add(f"pypi {row.version} python")
    return found


def same(ours: SpecifierSet, theirs: str) -> bool:
    """Tell whether two specifiers admit the same versions of keras and numpy, among those around every bound."""
    return all(ours.contains(version) == SpecifierSet(theirs).contains(version) for version in PROBES)


def lowest(specifier: str) -> str:
    return next(one.version for one in SpecifierSet(specifier) if one.operator in {"==", ">="})


def images() -> set[str]:
    """MakerBuilds images that start on another set of drivers and brands than the catalogue says for their CUDA."""
    rows = {row.image_cuda: row for row in load().images.requirements}
    found: set[str] = set()
    for one in read("require_cuda.yaml"):
        words = [f"cuda>={one['cuda']}"]
        for group in one["groups"]:
            for branch in group["branches"]:
                words += [f"brand={brand},driver>={branch},driver<{int(branch) + 1}" for brand in group["brands"]]
        theirs = (parse("NVIDIA_REQUIRE_CUDA", " ".join(words)),)
        brands = {brand for row in rows.values() for brand in row.brands}
        for branch in load().nvidia.branches:
            for brand in brands:
                gpu = Seen(branch.cuda, f"{branch.branch}.10", frozenset({brand}), "8.0")
                if (unmet(theirs, [gpu]) == ()) is not starts(rows[one["image"]], (gpu,)):
                    found.add(f"image {one['id']}")
    return found


@pytest.mark.parametrize("table", [uv, cog, pypi, images], ids=lambda table: table.__name__)
def test_every_disagreement_has_a_reason_and_every_reason_a_disagreement(table: Any) -> None:  # noqa: ANN401 - a function
    kind = {"images": "image"}.get(table.__name__, table.__name__)
    written = {name for name in WRITTEN if name.startswith(f"{kind} ")}
    assert set(table()) == written


def test_compat_libraries_run_on_the_branches_that_their_images_admit() -> None:
    # For 12.9 and 13.1 these are two of NVIDIA's own sources: the library's note, and the condition of its image.
    admitted = {".".join(row.image_cuda.split(".")[:2]): row.branches for row in load().images.requirements}
    compat = {row.cuda: row.branches for row in load().nvidia.compat}
    assert compat == {cuda: branches for cuda, branches in admitted.items() if branches}
    assert {row.cuda for row in load().nvidia.compat if row.confidence == "confirmed"} == {"12.9", "13.1"}


def test_the_drivers_of_toolkits_are_those_that_were_packaged() -> None:
    ours = {row.driver for row in load().nvidia.toolkits}
    assert set(read("packaged_drivers.yaml")) <= ours


def test_the_documentation_has_every_rule() -> None:
    text = DOCS.read_text()
    assert [name for name in RuleName if f"| `{name}` | {name.told(LISTING[0])} |" not in text] == []


def test_the_documentation_counts_the_agreements() -> None:
    text = " ".join(DOCS.read_text().split())
    theirs = sum(map(len, read("uv.yaml").values()))
    assert f"{theirs - sum(uv().values())} of uv's {theirs} CUDA rows" in text
    assert f"{len(read('cog.yaml')) - sum(cog().values())} of cog's {len(read('cog.yaml'))} TensorFlow rows" in text


def test_reasons_are_sentences() -> None:
    assert all(one["reason"].endswith(".") and one["theirs"] and one["ours"] for one in WRITTEN.values())


def test_the_documentation_has_the_same_table() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for line in DOCS.read_text().splitlines()
        if re.match(r"\| (uv|cog|image|pypi) ", line)
    ]
    assert rows == [[one["id"], one["theirs"], one["ours"], one["reason"]] for one in WRITTEN.values()]
