"""The loss curves: any losses are drawn, in their order, and one training is told from the other."""

import re
from xml.etree import ElementTree as ET

from hypothesis import example, given
from hypothesis import strategies as st

from provision.model import Proof, Training, Verdict
from provision.prove.report.chart import Chart, Curve, chart
from provision.prove.report.page import page

LOSSES = (2.05, 1.19, 0.399, 0.147, 0.0782, 0.0507)


def proof(losses: tuple[float, ...], reference: tuple[float, ...] = ()) -> Proof:
    training, beside = Training(losses=losses), Training(losses=reference)
    return Proof(verdict=Verdict.PROVED, reason="", training=training, reference=beside)


def svg_of(text: str) -> ET.Element:
    found = re.search(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def one(losses: tuple[float, ...]) -> tuple[Chart, Curve]:
    found = chart({"GPU": losses})
    assert found
    return found, found.curves[0]


@given(st.lists(st.floats() | st.floats(0, 3), max_size=60), st.lists(st.floats(), max_size=9))
@example([0.0, 0.0], [])
@example([5e-324], [])
@example([1e99, -1e99], [0.0])
@example([1.7e308, -1.7e308], [1.0])
@example([float("inf")], [])
def test_any_losses_are_drawn_inside_the_plot(losses: list[float], reference: list[float]) -> None:
    drawn = chart({"GPU": tuple(losses), "CPU": tuple(reference)})
    if drawn is None:
        assert not any(abs(loss) < 1e100 for loss in losses + reference)
        return
    box = drawn.box
    assert [len(curve.values) for curve in drawn.curves] == [len(found) for found in (losses, reference) if found]
    assert len(drawn.rows) == max(len(losses), len(reference))
    assert 2 <= len(drawn.losses) <= 8
    points = [point for curve in drawn.curves for point in curve.points]
    assert all(box.left < point.x < box.right and box.top <= point.y <= box.bottom for point in points)
    assert all(box.top <= tick.y <= box.bottom for tick in drawn.losses)


def test_a_lower_loss_is_drawn_lower_and_a_later_epoch_further_right() -> None:
    drawn, curve = one((2.0, 1.0, 0.5))
    assert [point.x for point in curve.points] == sorted({point.x for point in curve.points})
    heights = [point.y for point in curve.points]
    assert heights == sorted(set(heights))  # SVG counts downwards
    half = (drawn.box.top + drawn.box.bottom) / 2
    assert heights[1] == half  # the axis ends at 2


def test_a_value_that_is_no_number_breaks_the_line() -> None:
    _, curve = one((3.0, 2.0, float("nan"), 1.0, 0.5))
    assert [len(line.split()) for line in curve.lines] == [2, 2]
    assert curve.values[2] == "not a number"
    assert len(curve.points) == 4


def test_two_trainings_share_their_axes() -> None:
    drawn = chart({"GPU": (2.0, 1.0), "CPU": (1.0, 4.0, 3.0)})
    assert drawn
    first, second = drawn.curves
    assert [point.x for point in first.points] == [point.x for point in second.points[:2]]
    assert first.points[1].y == second.points[0].y
    assert second.points[1].y == drawn.box.top  # the highest loss of both
    assert drawn.rows == (("2", "1"), ("1", "4"), ("", "3"))


def test_a_label_never_covers_the_other_training() -> None:
    drawn = chart({"GPU": (2.0, 1.0, 0.5), "CPU": (2.0, 1.2, 0.2)})
    assert drawn
    assert [point.label for point in drawn.curves[0].points] == ["2", "", "0.5"]


def test_two_trainings_are_told_apart_by_form_and_name() -> None:
    text = page(proof(LOSSES, LOSSES[:5]))
    svg = svg_of(text)
    groups = [group for group in svg.iter("g") if (group.get("class") or "").startswith("curve")]
    forms = [(len(group.findall("circle")), len(group.findall("rect"))) for group in groups]
    assert forms == [(1, 0), (0, 1), (6, 0), (0, 5)]  # the legend's marks, then the curves
    assert re.search(r"\.form-2 polyline \{[^}]*stroke-dasharray", text)
    assert {"GPU", "CPU reference"} <= {element.text for element in svg.iter("text")}
    told = svg.findtext("desc") or ""
    assert re.search(r"GPU: Epoch 1: 2.05, .*CPU reference: Epoch 1: 2.05, .*Epoch 5: 0.0782\.", told)


def test_the_curve_is_well_formed_and_tells_its_values() -> None:
    svg = svg_of(page(proof(LOSSES)))
    assert svg.get("role") == "img"
    texts = [element.text for element in svg.iter("text")]
    labels = [f"{loss:.3g}" for loss in LOSSES]
    assert texts[-len(labels) :] == labels
    assert {"epoch", "loss", "0", "1", "6"} <= set(texts)
    assert f"Epoch 1: {labels[0]}, " in (svg.findtext("desc") or "")


def test_values_that_the_drawing_does_not_tell_are_listed_below_it() -> None:
    losses = tuple(2.0 / (epoch + 1) for epoch in range(40))
    text = page(proof(losses))
    assert "<summary>All values of 40 epochs</summary>" in text
    assert re.findall(r"<tr><th scope=\"row\">(\d+)</th><td>(.*?)</td></tr>", text) == [
        (str(epoch), f"{loss:.3g}") for epoch, loss in enumerate(losses, 1)
    ]
    assert "<summary>" not in page(proof(LOSSES))
    assert '<tr><th scope="row">2</th><td>1.19</td><td></td></tr>' in page(proof(LOSSES, (3.0,)))
