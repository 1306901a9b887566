"""Restoring an instance to a moment of the client's choice: which there are, and asking for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from hosting.models import Backup, Incident, Instance
from hosting.selectors.saving import journals as reading
from hosting.selectors.saving.journals import Span
from hosting.services.saving import restores
from hosting.views import instance_buttons, instances
from hosting.views.presentation import show_instance
from hosting.views.restores import spoken
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

WIDTH = 1000  # of the drawn line, in its own units
_THINNEST = 6


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span, and where it lies on the drawn line."""

    span: Span
    left: int
    width: int


@dataclass(frozen=True, slots=True)
class TimeLine:
    """Of which moments the instance can be restored, up to ``now``; ``behind`` if it is late.

    ``pending_since``: of what was written from then on, none until a base is made of it.
    ``waits_for_start``: nothing is kept until the instance is started anew.
    """

    stretches: tuple[Stretch, ...]
    days: int
    zone: str
    now: datetime
    behind: Incident | None
    pending_since: datetime | None
    waits_for_start: bool

    @property
    def start(self) -> datetime | None:
        """The first moment."""
        return self.stretches[0].span.start if self.stretches else None

    @property
    def end(self) -> datetime | None:
        """The last moment."""
        return self.stretches[-1].span.end if self.stretches else None

    @property
    def first_minute(self) -> datetime | None:
        """The first whole minute of the last stretch."""
        if not self.stretches:
            return None
        start = self.stretches[-1].span.start
        floor = start.replace(second=0, microsecond=0)
        return floor if floor == start else floor + timedelta(minutes=1)

    @property
    def last_minute(self) -> str:
        """The last whole minute, as a field for a day and a time takes it."""
        if self.end is None:
            return ""
        local = self.end.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return local.isoformat(timespec="minutes")

    @property
    def minutes(self) -> int:
        """How many whole minutes the last stretch has after its first; below 0: not one."""
        first, end = self.first_minute, self.end
        if first is None or end is None:
            return -1
        return int((end - first).total_seconds() // 60)


def line_of(instance: Instance, *, now: datetime) -> TimeLine | None:
    """As of that moment; None where the plan has no such thing. Seven queries."""
    days = instance.plan.point_in_time_days
    if not days:
        return None
    since = now - timedelta(days=days)
    spans = [Span(max(each.start, since), each.end) for each in reading.spans(instance)]
    spans = [each for each in spans if each.start <= each.end]
    return TimeLine(
        stretches=tuple(_stretches(spans, now)),
        days=days,
        zone=instance.client.timezone,
        now=now,
        behind=reading.incident_of(instance),
        pending_since=reading.baseless_since(instance),
        waits_for_start=reading.waits_for_start(instance),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.RESTORE_BACKUP)
def restore(request: ClientRequest, name: str) -> HttpResponse:
    """Choose a moment and read what will happen (GET), or ask for it (POST)."""
    instance = instances.get(request, name)
    if request.method != "POST":
        return _page(request, instance, request.GET)
    try:
        at = parse(request.POST.get("at", ""), zone=instance.client.timezone)
        restores.request_to(instance=instance, at=at, actor=request.actor)
    except Refused as refusal:
        return _page(request, instance, request.POST, refusal=refusal)
    return redirect("instance", client=request.client.slug, name=name)


def parse(text: str, *, zone: str) -> datetime:
    """The moment that was written: in that zone, unless it says another. Raises ``Refused``."""
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        local = at.replace(tzinfo=ZoneInfo(zone))
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("Choose a day and a time, such as 2026-03-01 14:30.", field="at") from None
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != at:
        raise Refused(
            f"There was no {at:%H:%M} on that day: the clocks of {zone} were put forward.",
            field="at",
        )
    return moment


def _page(
    request: ClientRequest,
    instance: Instance,
    sent: Mapping[str, Any],
    *,
    refusal: Refused | None = None,
) -> HttpResponse:
    shown, line = show_instance(instance), line_of(instance, now=timezone.now())
    at, backup = None, None
    written = str(sent.get("at", ""))
    if line is not None and line.end is not None and sent.get("latest"):
        written = line.end.isoformat()
    if written and refusal is None:
        try:
            at = parse(written, zone=instance.client.timezone)
            backup = restores.refuse_unreachable(instance=instance, at=at)
        except Refused as refused:
            refusal = refused
    context = {
        "section": "instances",
        "instance": instance,
        "shown": shown,
        "line": line,
        "may_operate": request.may(Permission.OPERATE_INSTANCE),
        "at": at if backup else None,
        "at_exactly": at.isoformat() if at else "",
        "chosen": _local(written, at, line),
        "backup": backup,
        "version": _version(backup),
        "problem": refusal.message if refusal else "",
        "refused": instance_buttons.why_not(shown),
        "kept_days": settings.BERTH_RESTORE_KEEP.days,
        "held": spoken(settings.BERTH_EDGE_HOLD_SECONDS),
    }
    return render_page(request, "hosting/to_a_minute.html", context, status=_status(refusal))


def _status(refusal: Refused | None) -> int:
    if refusal is None:
        return 200
    return 422 if refusal.field else 409


def _version(backup: Backup | None) -> str:
    return str(backup.manifest.get("version", "")) if backup else ""


def _local(written: str, at: datetime | None, line: TimeLine | None) -> str:
    """What stands in the field: what was chosen, or typed."""
    if at is None or line is None:
        return written
    local = at.astimezone(ZoneInfo(line.zone)).replace(tzinfo=None)
    return local.isoformat(timespec="seconds" if at.second else "minutes")


def _stretches(spans: list[Span], now: datetime) -> list[Stretch]:
    if not spans:
        return []
    start = spans[0].start
    whole = max((now - start).total_seconds(), 1.0)

    def place(moment: datetime) -> int:
        return round(WIDTH * (moment - start).total_seconds() / whole)

    def drawn(span: Span) -> Stretch:
        left = min(place(span.start), WIDTH - _THINNEST)
        return Stretch(span, left, max(place(span.end) - left, _THINNEST))

    return [drawn(each) for each in spans]
