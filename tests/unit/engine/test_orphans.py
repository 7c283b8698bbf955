"""Containers of commands that were killed: found by their own label, and removed past their deadline alone."""

import os
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from provision.engine import container
from provision.engine.container import DEADLINE, OWNER, PATIENCE_SECONDS, owner, sweep
from provision.engine.protocol import Run

DEAD = f"{'0' * 36} 1 1"  # of another boot


class Client:
    """An engine with containers that are labels alone."""

    def __init__(self, *labels: dict[str, str]) -> None:
        self.there = {str(number): one for number, one in enumerate(labels)}
        self.asked: dict[str, str] = {}

    def containers(self, *, all: bool, filters: dict[str, str]) -> list[dict[str, Any]]:  # noqa: A002 - the SDK's name
        assert all, "also those that have ended"
        self.asked = filters
        return [{"Id": ident, "Labels": labels} for ident, labels in self.there.items()]

    def remove_container(self, ident: str, **_: object) -> None:
        del self.there[ident]


def left(*labels: dict[str, str]) -> list[str]:
    client = Client(*labels)
    sweep(cast("Any", client), now=1000.0)
    assert client.asked == {"label": DEADLINE}
    return list(client.there)


def test_what_is_past_its_deadline_is_removed() -> None:
    assert left({DEADLINE: "999", OWNER: DEAD}, {DEADLINE: "999"}, {DEADLINE: "1001", OWNER: DEAD}) == ["2"]


def test_a_command_that_still_runs_keeps_its_container() -> None:
    assert left({DEADLINE: "1", OWNER: owner(os.getpid())}) == ["0"]


@pytest.mark.parametrize("text", ["", "soon", "-5", "9" * 5000 + "x"])
def test_a_deadline_that_is_no_number_is_none(text: str) -> None:
    assert left({DEADLINE: text}) == ["0"]


def test_an_engine_that_does_not_list_stops_nothing() -> None:
    class Silent:
        def containers(self, **_: object) -> None:
            raise requests.ConnectionError

    sweep(cast("Any", Silent()), now=0.0)


def test_the_deadline_is_after_the_limit() -> None:
    labels = container.body(Run(image="i", command=("true",), seconds=90.0), "n", now=100.5)["Labels"]
    assert labels[DEADLINE] == str(190 + PATIENCE_SECONDS)
    assert labels[OWNER] == owner(os.getpid())


def test_a_process_is_named_by_its_boot_number_and_start(tmp_path: Path) -> None:
    (tmp_path / "sys" / "kernel" / "random").mkdir(parents=True)
    (tmp_path / "sys" / "kernel" / "random" / "boot_id").write_text("b-1\n")
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a ) b) S " + " ".join(map(str, range(4, 60))))
    assert owner(7, tmp_path) == "b-1 7 22"
    assert owner(8, tmp_path) == ""
