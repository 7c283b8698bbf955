"""`kgpu-env fleet plan` as a process prints it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data" / "hosts"
pytestmark = pytest.mark.process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "hosts"
    place.mkdir()
    for name in ("h100-580", "a100-535", "mi210", "none"):
        shutil.copy(DATA / f"{name}.json", place / f"{name}.json")
    return place


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from provision.cli import main; main()", "fleet", "plan", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_unserved_node_is_exit_4_and_the_plan_is_written(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "-o", tmp_path / "plan.json", "--json")
    assert done.returncode == 4
    printed = json.loads(done.stdout)  # one document, and not a word of the solver's
    assert printed == json.loads((tmp_path / "plan.json").read_text())
    assert {"images", "nodes", "unserved", "curve"} <= set(printed)
    assert [node["name"] for node in printed["unserved"]] == ["none"]
    assert "--host" not in printed["unserved"][0]["fix"]  # which this command refuses
    assert "--fallback cpu" in printed["unserved"][0]["fix"]
    assert {node["image"] for node in printed["nodes"]} == {image["id"] for image in printed["images"]}


def test_a_served_fleet_is_exit_0(folder: Path) -> None:
    (folder / "none.json").unlink()
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Plan      2 images for 3 of 3 nodes (fewer are impossible)\n")


def test_more_images_than_the_fewest_are_not_told_as_the_fewest(tmp_path: Path) -> None:
    (place := tmp_path / "hosts").mkdir()
    for name in ("h100-580", "h100-550"):
        shutil.copy(DATA / f"{name}.json", place / f"{name}.json")
    assert "1 image for 2 of 2 nodes (fewer are impossible)" in run(place).stdout
    priced = run(place, "--image-price", "0.1").stdout
    assert "2 images for 2 of 2 nodes (the best at this price of an image)" in priced
    assert "Upgrade   :" not in priced


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("--pin", "h100-580"), 2, "KGE-902"),
        (("--pin", "other=cuda"), 2, "KGE-953"),
        (("--host", "x.json"), 2, "KGE-902"),
        (("--max-images", "0"), 2, "KGE-902"),
        *((("--image-price", price), 2, "KGE-902") for price in ("nan", "inf", "-1", "x")),
    ],
)
def test_bad_words_are_told(folder: Path, words: tuple[str, ...], exit_code: int, code: str) -> None:
    done = run(folder, *words, "--json")
    assert done.returncode == exit_code
    assert json.loads(done.stdout)["code"] == code
    assert "Traceback" not in done.stderr
