"""How values look in the admin: states, moments, identifiers, amounts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

Tone = Literal["ok", "warn", "bad", "busy", "idle"]

# A shape beside the colour and the word, for whoever does not see the colour.
_SHAPES: dict[Tone, str] = {
    "ok": "check_circle",
    "warn": "warning",
    "bad": "error",
    "busy": "progress_activity",
    "idle": "circle",
}


def badge(word: str, tone: Tone) -> SafeString:
    """A state: a word, a colour and a shape."""
    return format_html(
        '<span class="b-badge b-{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
        "</span>{}</span>",
        tone,
        _SHAPES[tone],
        word,
    )


def moment(at: datetime | None, *, missing: str = "–") -> SafeString | str:
    """How long ago, with the exact moment on hover; the browser says it in the viewer's zone."""
    if at is None:
        return missing
    return format_html(
        '<time class="b-time" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
        "just now" if abs(timezone.now() - at) < timedelta(seconds=1) else naturaltime(at),
    )


def exact(at: datetime) -> SafeString:
    """A moment to the second, in UTC."""
    return format_html(
        '<time class="b-time b-num" datetime="{}">{} UTC</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
    )


def identifier(text: str) -> SafeString:
    """Something to copy with one click."""
    if not text:
        return SafeString("–")
    return format_html(
        '<button type="button" class="b-id" data-copy="{}" title="Copy">{}</button>', text, text
    )


def number(value: Decimal | float, unit: str = "") -> str:
    """At most two decimals and none that are zero, with its unit: 1.5 GiB."""
    text = f"{Decimal(value):,.2f}".rstrip("0").rstrip(".")
    return f"{text} {unit}".strip()


def mebibytes(value: int) -> str:
    """Memory as people say it: 512 MiB, 1.5 GiB."""
    return number(Decimal(value) / 1024, "GiB") if value >= 1024 else number(value, "MiB")


def byte_size(value: int) -> str:
    """How much data that is: 412 B, 1.2 MB, 10 GB."""
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if round(size, 1) < 1000:
            return f"{size:.1f}".removesuffix(".0") + f" {unit}"
        size /= 1000
    return f"{size:.1f}".removesuffix(".0") + " TB"


def span(value: timedelta | None) -> str:
    """A length of time: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value is None:
        return ""
    seconds = value.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
