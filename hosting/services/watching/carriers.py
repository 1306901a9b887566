"""What carries many instances: a server, the edge. One incident of its own, not one of each.

It is begun by what is known freshly; whether it goes on is judged by the last look at each, however
long ago: time in which nobody looked, or in which looks do not count, mends nothing.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from hosting.models import Health, Incident, Server
from hosting.selectors import disk
from hosting.selectors.watching import targets
from hosting.services.watching import incidents
from hosting.services.watching.outage_rules import Count, is_carrier_down

_Kind = Incident.Kind
FRESH = 4  # intervals; who was not looked at for longer says nothing of a beginning
SERVER_BACK = "The server answers again."
EDGE_BACK = "The addresses answer again."
NOBODY_LOOKS = "Nothing behind it is looked at any more."


@dataclass(frozen=True, slots=True)
class Carriers:
    """What of them is away; and who is left to them for a moment longer, as they came back."""

    servers: frozenset[uuid.UUID]  # that are down
    silent: frozenset[uuid.UUID]  # whose engine does not answer
    is_edge_down: bool
    just_back: frozenset[uuid.UUID]
    is_edge_just_back: bool

    def carries(self, health: Health) -> bool:
        """Whether it is not by itself that this one is down."""
        server = health.instance.server_id
        if server in self.servers or server in self.just_back:
            return True
        return health.is_answering and (self.is_edge_down or self.is_edge_just_back)


@dataclass(slots=True)
class _Looks:
    """How those that something carries stood at their last look: whether fresh, whether failed."""

    seen: list[tuple[bool, bool]] = field(default_factory=list)

    def count(self, *, is_down: bool) -> Count:
        """Of the fresh ones, if they are half of all at least; where it is down, of all."""
        failed = [is_failed for is_fresh, is_failed in self.seen if is_fresh or is_down]
        return Count(len(failed), sum(failed)) if 2 * len(failed) >= len(self.seen) else Count(0, 0)


def settle(*, down: Sequence[Health], open_now: Sequence[Incident], now: datetime) -> Carriers:
    """Open and close the incidents of servers and of the edge."""
    servers, silent = _settle_servers(down, open_now, now)
    is_edge_down = _settle_edge(down, open_now, now)
    # A look at each, and as many more as it takes to be up again: then it is down by itself.
    looks = 1 + max(settings.BERTH_PROBE_FAILURES, settings.BERTH_PROBE_SUCCESSES)
    since = now - looks * timedelta(seconds=settings.BERTH_PROBE_SECONDS)
    lately = Incident.objects.filter(closed_at__gt=since)
    back = lately.filter(kind=_Kind.SERVER_DOWN).values_list("server", flat=True)
    return Carriers(
        servers=frozenset(servers),
        silent=frozenset(silent),
        is_edge_down=is_edge_down,
        just_back=frozenset(back),
        is_edge_just_back=lately.filter(kind=_Kind.EDGE_DOWN).exists(),
    )


def server_cause(server: Server) -> str:
    """What its own state says: a full disk, a silent engine; empty where it says nothing."""
    if disk.is_low(server):
        return f"{disk.shortage(server)}."
    if server.silent_since is not None:
        return f"Its engine has been silent since {server.silent_since:%H:%M} UTC."
    return ""


def _settle_servers(
    down: Iterable[Health], open_now: Iterable[Incident], now: datetime
) -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """The servers that are down, and those whose engine is silent."""
    were_down = _servers(open_now, _Kind.SERVER_DOWN)
    silent = _servers(open_now, _Kind.SERVER_UNREACHABLE)
    suspects = {each.instance.server_id for each in down if not each.is_answering} | were_down
    looks = _looks_at(suspects, now)
    found = set()
    for server in Server.objects.filter(pk__in=suspects):
        was_down = server.pk in were_down
        count = looks[server.pk].count(is_down=was_down)
        if is_carrier_down(is_down=was_down, count=count, is_suspect=server.pk in silent):
            found.add(server.pk)
            incidents.open_for(
                kind=_Kind.SERVER_DOWN,
                server=server,
                summary=_summary(server, count),
                cause=server_cause(server),
                now=now,
            )
        elif was_down:
            why = SERVER_BACK if count.watched else NOBODY_LOOKS
            incidents.close(kind=_Kind.SERVER_DOWN, server=server, why=why, now=now)
    return found, silent


def _servers(incidents: Iterable[Incident], kind: Incident.Kind) -> set[uuid.UUID]:
    found = {each.server_id for each in incidents if each.kind == kind}
    return {each for each in found if each is not None}


def _looks_at(servers: Collection[uuid.UUID], now: datetime) -> dict[uuid.UUID, _Looks]:
    """By server, of those that are to be looked at: whether they fail by themselves."""
    found: dict[uuid.UUID, _Looks] = defaultdict(_Looks)
    rows = Health.objects.filter(instance__server__in=servers, instance__in=targets.watched())
    for server, at, is_answering in rows.values_list("instance__server", "at", "is_answering"):
        found[server].seen.append((at >= _fresh_since(now), not is_answering))
    return found


def _settle_edge(down: Iterable[Health], open_now: Iterable[Incident], now: datetime) -> bool:
    """Whether the edge is what fails: the apps answer, and hardly one of them at its address."""
    was_down = any(each.kind == _Kind.EDGE_DOWN for each in open_now)
    if not was_down and not any(each.is_answering for each in down):
        return False
    looks = _Looks()
    rows = Health.objects.filter(instance__in=targets.watched())
    for at, is_up in rows.filter(is_answering=True).values_list("at", "is_up"):
        looks.seen.append((at >= _fresh_since(now), not is_up))
    count = looks.count(is_down=was_down)
    if was_down and not count.watched and rows.exists():
        return True  # no app answers any more, which says nothing of the edge
    is_down = is_carrier_down(is_down=was_down, count=count)
    if is_down:
        summary = (
            f"{count.failing} of {count.watched} instances answer, but not at their public address."
        )
        incidents.open_for(kind=_Kind.EDGE_DOWN, summary=summary, now=now)
    elif was_down:
        why = EDGE_BACK if count.watched else NOBODY_LOOKS
        incidents.close(kind=_Kind.EDGE_DOWN, why=why, now=now)
    return is_down


def _fresh_since(now: datetime) -> datetime:
    return now - FRESH * timedelta(seconds=settings.BERTH_PROBE_SECONDS)


def _summary(server: Server, count: Count) -> str:
    return f"{count.failing} of {count.watched} instances on server {server} do not answer."
