"""What templates of the dashboard write again and again: icons, moments, spans, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.template import Library
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.models import MaintenanceWindow
from hosting.selectors.watching import maintenance_windows
from tenants.display import byte_size
from tenants.models import Client

register = Library()

APP_ICONS = frozenset({"workflow", "flow", "agents", "book"})  # what static/img/icons.svg draws


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A line icon of static/img/icons.svg; it stands beside a word, so readers skip it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def app_icon(name: str) -> SafeString:
    """The icon that a catalog file names, or a box where we have none of that name."""
    return icon(name if name in APP_ICONS else "app")


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """“3 min ago”; the exact moment on hover, which a script turns into the viewer's zone."""
    if moment is None:
        return "–"
    return _time(moment, "data-ago", in_words(timezone.now() - moment, moment))


@register.simple_tag
def exactly(moment: datetime | None) -> SafeString | str:
    """Date and time, in the client's zone."""
    if moment is None:
        return "–"
    return _time(moment, "data-exact", _exact(moment))


@register.simple_tag
def to_the_minute(moment: datetime | None) -> SafeString | str:
    """Date and time of day in the client's zone: 21 Nov 2026, 02:13."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    return _time(moment, "data-exact", date_format(local, "j M Y, H:i"))


@register.simple_tag
def to_the_second(moment: datetime | None) -> SafeString | str:
    """Date and time of day in the client's zone: 21 Nov 2026, 02:13:09."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    return _time(moment, "data-exact", date_format(local, "j M Y, H:i:s"))


@register.simple_tag
def clock(moment: datetime) -> SafeString | str:
    """The time of day in the client's zone: 14:05."""
    return _time(moment, "data-exact", f"{timezone.localtime(moment):%H:%M}")


@register.simple_tag
def elapsed(since: datetime | None) -> SafeString | str:
    """How long something has been going on; a script counts on."""
    if since is None:
        return ""
    return _time(since, "data-elapsed", span(timezone.now() - since))


@register.filter
def span(value: timedelta | None) -> str:
    """A length of time: 40 s, 3 min 20 s, 2 h 5 min."""
    if value is None:
        return ""
    seconds = max(0, round(value.total_seconds()))
    if value and not seconds:
        return "< 1 s"
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{seconds} s"
    hours, more = divmod(minutes, 60)
    return f"{hours} h {more} min" if hours else f"{minutes} min {rest} s"


@register.filter
def megabytes(value: int) -> str:
    """A size that is kept in MiB: 512 MB, 1.5 GB."""
    if value < 1024:
        return f"{value} MB"
    return f"{plain(Decimal(value) / 1024)} GB"


@register.filter
def size(value: int) -> str:
    """How much data that is: 412 B, 1.2 MB."""
    return byte_size(value)


@register.filter
def plain(value: Decimal | int) -> str:
    """A number with at most two decimals, none where they are zero: 2, 0.5."""
    return f"{Decimal(value):.2f}".rstrip("0").rstrip(".")


@register.filter
def of_key(values: Mapping[Any, Any], key: object) -> Any:
    """What is kept under that key, or None."""
    return values.get(key)


def in_words(since: timedelta, moment: datetime) -> str:
    """How long ago, as static/js/moments.js says it too."""
    seconds = max(0, round(since.total_seconds()))
    steps = ((10, "just now"), (60, f"{seconds} s ago"), (3600, f"{seconds // 60} min ago"))
    for limit, words in steps:
        if seconds < limit:
            return words
    if since < timedelta(days=1):
        return f"{seconds // 3600} h ago"
    if since < timedelta(days=2):
        return "yesterday"
    if since < timedelta(days=30):
        return f"{since.days} days ago"
    return date_format(timezone.localtime(moment), "j M Y")


def _exact(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{date_format(local, 'j M Y, H:i:s')} {local:%Z}"


def _time(moment: datetime, kind: str, text: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}" {}>{}</time>',
        moment.isoformat(),
        _exact(moment),
        kind,
        text,
    )


@register.simple_tag
def coming_maintenance(client: Client) -> Sequence[MaintenanceWindow]:
    """What is planned, or goes on, for instances of the client."""
    return list(maintenance_windows.of_client(client, now=timezone.now()))
