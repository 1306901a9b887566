"""Text can be read on what it stands on, in the light and in the dark: WCAG 2.2, level AA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

TEXT, SHAPE = 4.5, 3.0
STATES = ("running", "attention", "broken", "progress", "stopped")
PAIRS = [
    *(
        (ink, ground, TEXT)
        for ink in ("ink", "ink-soft")
        for ground in ("canvas", "surface", "sunken", "hover", "stopped-soft")
    ),
    *((state, f"{state}-soft", TEXT) for state in STATES),
    *((state, ground, TEXT) for state in STATES for ground in ("surface", "canvas")),
    *(("ink", f"{state}-soft", TEXT) for state in STATES),
    *(("ink-soft", f"{state}-soft", TEXT) for state in STATES),
    ("accent", "accent-soft", TEXT),
    ("accent", "surface", TEXT),
    *(("accent", f"{state}-soft", TEXT) for state in ("broken", "progress")),
    *((state, "sunken", TEXT) for state in ("running", "broken")),
    ("on-accent", "accent-fill", TEXT),
    ("on-accent", "accent-fill-hover", TEXT),
    ("on-accent", "broken-fill", TEXT),
    ("on-accent", "broken-fill-hover", TEXT),
    ("line-strong", "surface", SHAPE),
    ("progress", "progress-soft", SHAPE),
]


def _tokens() -> dict[str, tuple[str, str]]:
    """Each colour's light and dark side."""
    css = (Path(settings.BASE_DIR) / "static" / "css" / "tokens.css").read_text()
    both = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", css)
    same = re.findall(r"--([\w-]+): (#\w{6});", css)
    return {name: (light, dark) for name, light, dark in both} | {n: (c, c) for n, c in same}


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_is_enough(front: str, ground: str, least: float, side: int) -> None:
    tokens = _tokens()
    darker, lighter = sorted(_luminance(tokens[name][side]) for name in (front, ground))
    assert (lighter + 0.05) / (darker + 0.05) >= least
