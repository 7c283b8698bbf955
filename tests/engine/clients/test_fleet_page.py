"""The page of a fleet of 10,000 nodes in a real browser: filter, sort, and names that would be scripts."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, element, until

from provision.fleet.page import page as page_of
from provision.model.fleet_status import Common, FleetStatus, NodeState, NodeStatus, Outlier

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"
NODES = 10_000
ROWS = "document.querySelectorAll('#nodes tbody tr').length"


def fleet() -> FleetStatus:
    choose = random.Random(1)
    nodes = [
        NodeStatus(
            name=f"gpu{number:05}.rack{number % 97}.example",
            state=(state := choose.choices(list(NodeState), [2, 1, 7, 90])[0]),
            why=() if state is NodeState.HEALTHY else ("The module nvidia is not loaded.",),
            code="" if state is NodeState.HEALTHY else "KGE-102",
            fix="" if state is NodeState.HEALTHY else "sudo modprobe nvidia",
            gpus="8x NVIDIA H100 80GB HBM3",
            driver=f"nvidia {choose.choice(['580.95.05', '570.133.20', '535.183.06'])}",
            kernel="6.8.0-87-generic",
            image="registry.example/kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11-4be1f09a",
            proof="proved",
            proved_at="2026-11-29T10:00:00Z",
            age_hours=choose.randrange(1000),
        )
        for number in range(NODES - 1)
    ]
    nodes.append(NodeStatus(name=HOSTILE, state=NodeState.UNKNOWN, why=(HOSTILE,)))
    others = (Outlier(value="nvidia 535.183.06", nodes=("gpu00001.rack1.example", HOSTILE)),)
    return FleetStatus(
        at="2026-11-29T12:00:00Z",
        counts={state.value: sum(node.state is state for node in nodes) for state in NodeState},
        nodes=tuple(nodes),
        common=(Common(key="driver", value="nvidia 580.95.05", nodes=3300, outliers=others),),
    )


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "status.html").write_text(page_of(fleet()), encoding="utf-8")
    opened = Page(folder)
    opened("Page.navigate", url=(folder / "status.html").as_uri())
    until(lambda: opened.value(ROWS), "the list of nodes")
    yield opened
    opened.close()


def filtered(page: Page, text: str) -> float:
    """Filter, and return the milliseconds until it is drawn."""
    script = f"""(() => {{ const box = {element("#filter")}; box.value = {text!r}; const began = performance.now();
    box.dispatchEvent(new Event("input")); document.body.offsetHeight; return performance.now() - began; }})()"""
    return float(page.value(script))


def test_it_filters_and_sorts_10000_nodes_within_a_second(page: Page, tmp_path: Path) -> None:
    assert page.value(ROWS) == 300
    for text, rows in (("rack13 580.95", None), ("gpu00042", 1), ("nowhere", 0), ("", 300)):
        assert filtered(page, text) < 1000
        assert rows is None or page.value(ROWS) == rows
    filtered(page, "gpu0000")
    assert page.text("#shown") == f"10 of {NODES} nodes"
    began = time.monotonic()
    page.click("#nodes thead th:nth-child(8) button")
    assert time.monotonic() - began < 1
    hours = [
        line.split("proved, ")[1]
        for line in page.value("document.querySelector('#nodes tbody').innerText").split("\n")
        if "proved, " in line
    ]
    assert len(hours) == 10
    page.picture(tmp_path / "fleet.png")
    assert (tmp_path / "fleet.png").stat().st_size > 10_000


def test_a_hostile_name_is_shown_and_does_nothing(page: Page) -> None:
    filtered(page, "onerror")
    assert page.text("#nodes tbody th") == HOSTILE
    assert page.value("document.title") == f"Fleet: {NODES} nodes"
    assert page.value("document.images.length") == 0
