"""The report page's form: readable in each theme, and complete in one file."""

import re

import pytest

from provision.model import Proof, Training, Verdict
from provision.prove.report.page import page

PROOF = Proof(verdict=Verdict.NOT_PROVED, reason="a reason", training=Training(losses=(2.0, 1.0)))
PAIRS = [("ink", "paper"), ("quiet", "paper"), ("ink", "panel"), ("quiet", "panel")]
TONES = [(tone, "paper") for tone in ("good", "bad", "doubtful", "neutral", "second")]


def luminance(colour: str) -> float:
    """Return WCAG 2's relative luminance of "#rrggbb"."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize(("front", "back"), PAIRS + TONES)
def test_contrast_is_enough_in_each_theme(theme: int, front: str, back: str) -> None:
    themes = re.findall(r":root \{(.*?)\}", page(PROOF), flags=re.DOTALL)
    assert len(themes) == 3
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", themes[theme]))
    high, low = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = page(PROOF)
    assert not re.search(r"//|url\(|@import|<script|\bsrc=|\son\w+=", text)
    assert "default-src 'none'" in text
