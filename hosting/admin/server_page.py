"""What a server's page shows above and below its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.admin.building.tables import link
from hosting.admin.working import waves
from hosting.admin.working.fleet import title
from hosting.display import bar, server_answer, server_availability
from hosting.models import Operation, Server
from hosting.selectors import servers as reading
from hosting.selectors.measuring.meters import disk_meter, meters
from hosting.selectors.watching import incidents
from hosting.services.working import fleet
from tenants.display import moment

_Availability = Server.Availability
_ICONS: dict[str, str] = {
    Operation.Kind.RESTART: "restart_alt",
    Operation.Kind.STOP: "stop",
    Operation.Kind.START: "play_arrow",
}


@dataclass(frozen=True, slots=True)
class AllOfThem:
    """A button that leads to asking something of every instance it can be asked of."""

    kind: str
    label: str
    icon: str
    count: int


def context(server: Server, request: HttpRequest) -> dict[str, Any]:
    """For a server that came through the admin's queryset."""
    may_begin = request.user.has_perm(waves.BEGIN)
    return {
        "panel": _panel(server, request),
        "all": _all_of_them(server) if may_begin else [],
        "may_drain": may_begin and request.user.has_perm(waves.CHANGE),
    }


def state(server: Server) -> SafeString:
    """Whether it answers, since when not, and whether it takes instances."""
    return format_html(
        '<div class="b-stack">{}{}<span class="b-dim">{}</span></div>',
        server_answer(server),
        server_availability(server, is_emptying=server.is_emptying),  # type: ignore[attr-defined]
        moment(server.silent_since or server.last_answered_at, missing=""),
    )


def disk(server: Server) -> SafeString:
    """What is given away of it, and what is free in truth."""
    given, real = bar(meters(server).disk), disk_meter(server)
    if real is None:
        return given
    tone = f"b-text-{real.tone}"
    text = real.text.partition(" of ")[0]
    return format_html('{}<span class="b-small {}">{}</span>', given, tone, text)


def work(server: Server) -> SafeString:
    """Operations at work of those that may be, and those that wait."""
    waiting: int = server.waiting  # type: ignore[attr-defined]  # by selectors.servers.with_work
    more = (
        format_html(' <span class="b-dim b-nowrap">{} waiting</span>', waiting) if waiting else ""
    )
    at_work: int = server.at_work  # type: ignore[attr-defined]  # by selectors.servers.with_work
    return format_html(
        '<span class="b-num">{} of {} at work</span>{}',
        at_work,
        server.parallel_operations,
        more,
    )


def _panel(server: Server, request: HttpRequest) -> dict[str, Any]:
    given = meters(server)
    is_emptying: bool = server.is_emptying  # type: ignore[attr-defined]
    may_see_incidents = request.user.has_perm("hosting.view_incident")
    return {
        "answer": server_answer(server),
        "availability": server_availability(server, is_emptying=is_emptying),
        "instances": server.instance_count,  # type: ignore[attr-defined]
        "meters": (given.cpus, given.memory, given.disk),
        "disk": disk_meter(server),
        "work": work(server),
        "action": _current_action(server, request),
        "incidents": incidents.of_server(server) if may_see_incidents else (),
        "may_cordon": server.availability == _Availability.OPEN,
        "may_drain": server.availability != _Availability.DRAINING,
        "may_open": server.availability != _Availability.OPEN and not is_emptying,
        "open_label": _open_label(server),
    }


def _open_label(server: Server) -> str:
    return "Reopen" if server.availability == _Availability.DRAINING else "Open for new instances"


def _current_action(server: Server, request: HttpRequest) -> SafeString | None:
    action = reading.current_action(server)
    if action is None:
        return None
    allowed = request.user.has_perm("hosting.view_fleetaction")
    return link(title(action), "hosting_fleetaction_change", action.pk, allowed=allowed)


def _all_of_them(server: Server) -> list[AllOfThem]:
    """Nothing is brought up on a server that is being emptied."""
    return [
        AllOfThem(
            kind,
            f"{Operation.Kind(kind).label} all …",
            _ICONS[kind],
            reading.concerned(server, states=states).count(),
        )
        for kind, states in fleet.OFFERED.items()
        if server.availability != _Availability.DRAINING or kind == Operation.Kind.STOP
    ]
