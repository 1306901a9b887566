"""The fleet at a glance: reserved and used of each server, who uses most, when it is full."""

from __future__ import annotations

from collections.abc import Sequence
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
from hosting.selectors.measuring.fleet_use import Forecast, Worst
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
        "servers": Table(_SERVERS, found.servers, empty="There is no server yet."),
        "forecasts": Table(_FORECASTS, found.forecasts, empty=""),
        "worst": [
            ("CPU", _table(found.cpu, units.CORES)),
            ("Memory", _table(found.memory, units.BYTES)),
            ("Disk", _table(found.disk, units.BYTES)),
            ("Failed executions since yesterday", _table(found.errors, units.COUNT)),
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


def _instance(each: Worst | Ranked) -> SafeString:
    name = link(each.instance.name, "hosting_instance_change", each.instance.pk)
    return beside(name, each.instance.client)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _three(
    use: ServerUse, used: float, reserved: float, has: float, unit: units.Unit
) -> SafeString:
    """Really used, reserved, and there; with the share that is used of what is reserved.

    What was not measured lately is not called nothing.
    """
    if use.instances and not use.measured:
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


def _server(use: ServerUse) -> SafeString:
    return link(use.server.name, "hosting_server_change", use.server.pk)


def _measured(use: ServerUse) -> SafeString:
    return format_html(
        '<span class="b-num">{} of {}</span><div class="b-dim">{}</div>',
        use.measured,
        use.instances,
        moment(use.server.sampled_at, missing="never read"),
    )


_SERVERS = (
    Column("Server", _server),
    Column(
        "CPUs",
        lambda use: _three(
            use, use.used_cpus, float(use.reserved_cpus), float(use.server.cpus), units.CORES
        ),
    ),
    Column(
        "Memory",
        lambda use: _three(
            use,
            use.used_memory_bytes,
            use.reserved_memory_bytes,
            use.server.memory_mb * MIB,
            units.BYTES,
        ),
    ),
    Column(
        "Disk",
        lambda use: _three(
            use, use.used_disk_bytes, use.reserved_disk_bytes, use.server.disk_gb * GIB, units.BYTES
        ),
    ),
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
