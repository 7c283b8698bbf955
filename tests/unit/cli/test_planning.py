"""What a plan is asked for: options first, then what a lock was asked for."""

from pathlib import Path

import pytest

from provision.cli.options import StackOptions
from provision.cli.planning import plan
from provision.model import Request, Vendor

LOCKED = Request(vendor=Vendor.CPU, python="3.12")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_a_lock_was_asked_for_holds_where_nothing_is_asked_for() -> None:
    assert plan(StackOptions(settings={"tag": "mine:1"}), locked=LOCKED).stack.python == "3.12"


def test_one_option_is_another_request() -> None:
    found = plan(StackOptions(vendor="cpu"), locked=LOCKED)
    assert found.request == Request(vendor=Vendor.CPU)


def test_a_project_file_is_another_request() -> None:
    Path("kgpu-env.yaml").write_text("vendor: cpu\n")
    assert plan(StackOptions(), locked=LOCKED).request.python is None
