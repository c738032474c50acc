"""The palette of console.css: every text can be read, and every mark be seen, in both themes."""

import re

import pytest

from projector.server.console.assets import assets

_CSS = assets().files["console.css"][0].decode()

_PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", _CSS
    )
}

#: Text and what it stands on: at least 4.5:1.
_TEXTS = [
    *((text, on) for text in ("ink", "muted", "accent") for on in ("paper", "card")),
    *((text, "card") for text in ("good", "warn", "bad")),
    *((text, "quiet-soft") for text in ("ink", "muted")),
    ("on-accent", "accent"),
    ("accent", "accent-soft"),
    ("ink", "accent-soft"),
    ("good", "good-soft"),
    *((text, "warn-soft") for text in ("warn", "ink")),
    *((text, "bad-soft") for text in ("bad", "ink")),
    *((f"on-tier-{rank}", f"tier-{rank}") for rank in range(1, 6)),
]

#: Marks and their edges on what is around them: at least 3:1.
_MARKS = [
    (mark, on)
    for mark in ("edge", "segment-edge", "tier-edge", "chart", "chart-down", "warn", "bad")
    for on in ("card", "paper")
]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_ratio_is_that_of_the_standard() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "on"), _TEXTS)
def test_text_can_be_read(text: str, on: str, theme: int) -> None:
    assert _contrast(_PAIRS[text][theme], _PAIRS[on][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("mark", "on"), _MARKS)
def test_a_mark_can_be_seen(mark: str, on: str, theme: int) -> None:
    assert _contrast(_PAIRS[mark][theme], _PAIRS[on][theme]) >= 3
