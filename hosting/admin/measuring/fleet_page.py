"""The fleet at a glance: reserved and used of each server, who uses most, when it is full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting import hooks
from hosting.admin import dashboard
from hosting.admin.building import rows
from hosting.admin.building.tables import NUMBER, Column, Table, beside, link
from hosting.charts import units
from hosting.hooks import Ranked
from hosting.selectors import overview
from hosting.selectors.measuring import fleet_use
from hosting.selectors.measuring.fleet_use import Forecast, Total, Worst
from hosting.selectors.measuring.resources import ServerUse
from hosting.selectors.watching import incidents
from tenants.display import badge, moment

MIB, GIB = 1024**2, 1024**3
INCIDENTS = 10  # of those that go on; the list has all


def view(request: HttpRequest) -> HttpResponse:
    """For whoever may see servers and instances."""
    if not request.user.has_perms(("hosting.view_server", "hosting.view_instance")):
        raise PermissionDenied
    now = timezone.now()
    found = fleet_use.fleet_use(now=now)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Fleet",
        "states": dashboard.tiles(overview.by_state()),
        "servers": Table(_SERVERS, _lines(found.servers), empty="There is no server yet."),
        "forecasts": Table(_FORECASTS, found.forecasts, empty=""),
        "worst": [
            ("CPU", _table(found.cpu, units.CORES)),
            ("Memory", _table(found.memory, units.BYTES)),
            ("Disk", _table(found.disk, units.BYTES)),
            ("Failed executions since yesterday", _failed(found.errors)),
            *_rankings(request, now),
        ],
        "panels": [
            panel for panel in hooks.fleet_panels() if request.user.has_perm(panel.permission)
        ],
        **_incidents(request),
    }
    return TemplateResponse(request, "admin/hosting/fleet.html", context)


def _incidents(request: HttpRequest) -> dict[str, Any]:
    """What is wrong now, for whoever may look at it."""
    if not request.user.has_perm("hosting.view_incident"):
        return {}
    found = list(incidents.going_on()[: INCIDENTS + 1])
    shown = rows.incidents(request, found[:INCIDENTS], empty="Nothing is known to be wrong.")
    return {"incidents": shown, "has_more_incidents": len(found) > INCIDENTS}


def _rankings(request: HttpRequest, now: datetime) -> list[tuple[str, Table]]:
    """What other rooms rank instances by."""
    allowed = [read for needed, read in hooks.fleet_readings() if request.user.has_perm(needed)]
    return [(each.title, _ranked(each.rows)) for read in allowed for each in read(now=now)]


def _ranked(found: Sequence[Ranked]) -> Table:
    columns = [Column("Instance", _instance), Column("In all", lambda each: each.said, NUMBER)]
    if any(each.share is not None for each in found):
        columns.append(Column("Of its plan", lambda each: _percent(each.share), NUMBER))
    return Table(columns, found, empty="Nothing yet.")


def _table(found: Sequence[Worst], unit: units.Unit) -> Table:
    columns = (
        Column("Instance", _instance),
        Column("Used", lambda each: unit.say(each.amount), NUMBER),
        Column("Of its plan", lambda each: _percent(each.share), NUMBER),
    )
    return Table(columns, found, empty="Nothing was measured.")


def _failed(found: Sequence[Worst]) -> Table:
    columns = (
        Column("Instance", _instance),
        Column("Failed", lambda each: units.COUNT.exactly(each.amount), NUMBER),
    )
    return Table(columns, found, empty="None failed.")


def _instance(each: Worst | Ranked) -> SafeString:
    name = link(each.instance.name, "hosting_instance_change", each.instance.pk)
    return beside(name, each.instance.client)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


@dataclass(frozen=True, slots=True)
class _Line:
    """A server, or all of them: of each resource what is used, reserved, and there."""

    name: SafeString
    instances: int
    measured: int
    read_at: SafeString | str
    cpus: tuple[float, float, float]
    memory: tuple[float, float, float]
    disk: tuple[float, float, float]


def _lines(servers: Sequence[ServerUse]) -> list[_Line]:
    """What all of them come to, where there are several, and then each."""
    together = [_together(fleet_use.total(servers))] if len(servers) > 1 else []
    return together + [_server(each) for each in servers]


def _together(total: Total) -> _Line:
    return _Line(
        name=format_html("<strong>All {} servers</strong>", total.servers),
        instances=total.instances,
        measured=total.measured,
        read_at="",
        cpus=(total.used_cpus, total.reserved_cpus, total.cpus),
        memory=(total.used_memory_bytes, total.reserved_memory_bytes, total.memory_bytes),
        disk=(total.used_disk_bytes, total.reserved_disk_bytes, total.disk_bytes),
    )


def _server(use: ServerUse) -> _Line:
    server = use.server
    return _Line(
        name=link(server.name, "hosting_server_change", server.pk),
        instances=use.instances,
        measured=use.measured,
        read_at=moment(server.sampled_at, missing="never read"),
        cpus=(use.used_cpus, float(use.reserved_cpus), float(server.cpus)),
        memory=(use.used_memory_bytes, use.reserved_memory_bytes, server.memory_mb * MIB),
        disk=(use.used_disk_bytes, use.reserved_disk_bytes, server.disk_gb * GIB),
    )


def _three(line: _Line, amounts: tuple[float, float, float], unit: units.Unit) -> SafeString:
    """Really used, reserved, and there; with the share that is used of what is reserved.

    What was not measured lately is not called nothing.
    """
    used, reserved, has = amounts
    if line.instances and not line.measured:
        return format_html(
            '<span class="b-num">{} reserved</span><div class="b-dim">of {}</div>'
            '<div class="b-dim">{}</div>',
            *(unit.say(each) for each in (reserved, has)),
            "use not measured lately",
        )
    share = f"{100 * used / reserved:.0f} % of what is reserved" if reserved else "nothing reserved"
    return format_html(
        '<span class="b-num">{} used</span><div class="b-dim">{} reserved of {}</div>'
        '<div class="b-dim">{}</div>',
        *(unit.say(each) for each in (used, reserved, has)),
        share,
    )


def _measured(line: _Line) -> SafeString:
    return format_html(
        '<span class="b-num">{} of {}</span><div class="b-dim">{}</div>',
        line.measured,
        line.instances,
        line.read_at,
    )


_SERVERS = (
    Column("Server", lambda line: line.name),
    Column("CPUs", lambda line: _three(line, line.cpus, units.CORES)),
    Column("Memory", lambda line: _three(line, line.memory, units.BYTES)),
    Column("Disk", lambda line: _three(line, line.disk, units.BYTES)),
    Column("Instances measured", _measured),
)


def _unit(each: Forecast) -> units.Unit:
    return units.CORES if each.what == "CPUs" else units.BYTES


def _full(each: Forecast) -> SafeString | str:
    if not each.capacity:
        return badge("No server is open", "warn")
    if each.free <= 0:
        return badge("Nothing is left", "bad")
    return f"{each.date:%-d %b %Y}" if each.date else "Not within two years"


_FORECASTS = (
    Column("", lambda each: each.what),
    Column("Left on open servers", lambda each: _unit(each).say(each.free), NUMBER),
    Column("Of", lambda each: _unit(each).say(each.capacity), NUMBER),
    Column("More reserved a day", lambda each: _unit(each).say(each.daily), NUMBER),
    Column("All given away", _full),
)
