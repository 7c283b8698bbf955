"""The loss curve: any losses are drawn, and in their order."""

import re
from xml.etree import ElementTree as ET

from hypothesis import example, given
from hypothesis import strategies as st

from provision.model import Proof, Training, Verdict
from provision.prove.chart import chart
from provision.prove.page import page

LOSSES = (2.05, 1.19, 0.399, 0.147, 0.0782, 0.0507)


def proof(losses: tuple[float, ...]) -> Proof:
    return Proof(verdict=Verdict.PROVED, reason="", training=Training(losses=losses))


@given(st.lists(st.floats() | st.floats(0, 3), max_size=60))
@example([0.0, 0.0])
@example([5e-324])
@example([1e99, -1e99])
@example([1.7e308, -1.7e308])
@example([float("inf")])
def test_any_losses_are_drawn_inside_the_plot(losses: list[float]) -> None:
    curve = chart(tuple(losses))
    if curve is None:
        assert not any(abs(loss) < 1e100 for loss in losses)
        return
    box = curve.box
    assert len(curve.values) == len(losses)
    assert 2 <= len(curve.losses) <= 8
    assert all(box.left < point.x < box.right and box.top <= point.y <= box.bottom for point in curve.points)
    assert all(box.top <= tick.at <= box.bottom for tick in curve.losses)


def test_a_lower_loss_is_drawn_lower_and_a_later_epoch_further_right() -> None:
    curve = chart((2.0, 1.0, 0.5))
    assert curve
    assert [point.x for point in curve.points] == sorted({point.x for point in curve.points})
    heights = [point.y for point in curve.points]
    assert heights == sorted(set(heights))  # SVG counts downwards
    half = (curve.box.top + curve.box.bottom) / 2
    assert heights[1] == half  # the axis ends at 2


def test_a_value_that_is_no_number_breaks_the_line() -> None:
    curve = chart((3.0, 2.0, float("nan"), 1.0, 0.5))
    assert curve
    assert [len(line.split()) for line in curve.lines] == [2, 2]
    assert curve.values[2] == "not a number"
    assert len(curve.points) == 4


def test_the_curve_is_well_formed_and_tells_its_values() -> None:
    found = re.search(r"<svg.*?</svg>", page(proof(LOSSES)), flags=re.DOTALL)
    assert found
    svg = ET.fromstring(found[0])
    assert svg.get("role") == "img"
    texts = [element.text for element in svg.iter("text")]
    labels = [f"{loss:.3g}" for loss in LOSSES]
    assert texts[-len(labels) :] == labels
    assert {"epoch", "loss", "0", "1", "6"} <= set(texts)
    assert f"Epoch 1: {labels[0]}, " in (svg.findtext("desc") or "")


def test_many_epochs_are_listed_below_the_curve() -> None:
    losses = tuple(2.0 / (epoch + 1) for epoch in range(40))
    text = page(proof(losses))
    assert "<summary>All 40 values</summary>" in text
    assert re.findall("<li>(.*?)</li>", text) == [f"{loss:.3g}" for loss in losses]
    assert "<li>" not in page(proof(LOSSES))
