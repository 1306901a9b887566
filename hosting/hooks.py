"""Where rooms above have a say: they register when their app starts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

from hosting.models import Instance, Plan
from tenants.models import Client
from tenants.permissions import Permission

if TYPE_CHECKING:  # the layers above read what is registered here
    from hosting.charts.geometry import Chart
    from hosting.views.usage_windows import Window


class OrderCheck(Protocol):
    """May the client order an instance on that plan? Raises ``tenants.errors.Refused`` if not."""

    def __call__(self, *, client: Client, plan: Plan) -> None: ...


_order_checks: list[OrderCheck] = []


def register_order_check(check: OrderCheck) -> OrderCheck:
    """Ask ``check`` before every order, inside its transaction; usable as a decorator."""
    if check not in _order_checks:
        _order_checks.append(check)
    return check


def check_order(*, client: Client, plan: Plan) -> None:
    """Ask everyone who registered."""
    for check in _order_checks:
        check(client=client, plan=plan)


@dataclass(frozen=True, slots=True)
class PlanNote:
    """What is to be known of a plan before it is chosen: a few words, and sentences."""

    words: str
    details: Sequence[str] = ()


class PlanReading(Protocol):
    """Says that of plans for a client, by plan, in a number of queries that does not grow."""

    def __call__(
        self, *, client: Client, plans: Sequence[Plan], now: datetime
    ) -> Mapping[uuid.UUID, PlanNote]: ...


class PlanChangeReading(Protocol):
    """Says in sentences what it means to change an instance's plan to that one."""

    def __call__(self, *, instance: Instance, plan: Plan, now: datetime) -> Sequence[str]: ...


class PlanPriceReading(Protocol):
    """Says in a few words what plans cost whoever orders them, in a number of queries that does
    not grow.
    """

    def __call__(self, *, plans: Sequence[Plan], now: datetime) -> Mapping[uuid.UUID, str]: ...


_plan_price_readings: list[PlanPriceReading] = []


def register_plan_prices(read: PlanPriceReading) -> None:
    """Show these where staff choose a plan before a client is chosen."""
    if read not in _plan_price_readings:
        _plan_price_readings.append(read)


def plan_prices(*, plans: Sequence[Plan], now: datetime) -> Mapping[uuid.UUID, str]:
    """What everyone who registered has to say, by plan."""
    words: dict[uuid.UUID, str] = {}
    for read in _plan_price_readings:
        words.update(read(plans=plans, now=now))
    return words


_plan_readings: list[tuple[PlanReading, PlanChangeReading]] = []


def register_plan_notes(read: PlanReading, change: PlanChangeReading) -> None:
    """Show these where a plan is chosen, and where a change of plan is confirmed."""
    if (read, change) not in _plan_readings:
        _plan_readings.append((read, change))


def plan_notes(
    *, client: Client, plans: Sequence[Plan], now: datetime
) -> Mapping[uuid.UUID, PlanNote]:
    """What everyone who registered has to say, by plan."""
    notes: dict[uuid.UUID, PlanNote] = {}
    for read, _ in _plan_readings:
        notes.update(read(client=client, plans=plans, now=now))
    return notes


def plan_change_notes(*, instance: Instance, plan: Plan, now: datetime) -> Sequence[str]:
    """The same of a change, in order."""
    return [
        sentence
        for _, change in _plan_readings
        for sentence in change(instance=instance, plan=plan, now=now)
    ]


@dataclass(frozen=True, slots=True)
class WayOut:
    """What a client can do about a suspension: the words of a link, and where it leads.

    ``address`` is the name of a URL that takes a client's slug and ``number``.
    """

    words: str
    address: str
    number: str


class WayOutReading(Protocol):
    """Finds what can be done about a suspended instance; None where it is not for this room."""

    def __call__(self, *, instance: Instance) -> WayOut | None: ...


_ways_out: list[WayOutReading] = []


def register_way_out(read: WayOutReading) -> None:
    """Show it where a suspended instance's page says why, to members who see what is billed."""
    if read not in _ways_out:
        _ways_out.append(read)


def ways_out(*, instance: Instance) -> Sequence[WayOut]:
    """What everyone who registered knows of it."""
    found = (read(instance=instance) for read in _ways_out)
    return [way for way in found if way is not None]


class UsageListener(Protocol):
    """What is done each time that usage was summed up. May be called twice for the same sums."""

    def __call__(self, *, now: datetime) -> None: ...


_usage_listeners: list[UsageListener] = []


def register_usage_listener(listener: UsageListener) -> UsageListener:
    """Call ``listener`` after usage was summed up, in a worker; usable as a decorator."""
    if listener not in _usage_listeners:
        _usage_listeners.append(listener)
    return listener


def usage_listeners() -> Sequence[UsageListener]:
    """Everyone who registered."""
    return tuple(_usage_listeners)


class FleetMaker(Protocol):
    """Makes its part of a fleet that never ran, whose instances are on that plan; says what."""

    def __call__(
        self, *, plan: Plan, since: date, now: datetime, say: Callable[[str], None]
    ) -> None: ...


_fleet_makers: list[FleetMaker] = []


def register_fleet_maker(maker: FleetMaker) -> FleetMaker:
    """Have ``manage.py generate_fleet`` call it once the instances have a past."""
    if maker not in _fleet_makers:
        _fleet_makers.append(maker)
    return maker


def fleet_makers() -> Sequence[FleetMaker]:
    """Everyone who registered."""
    return tuple(_fleet_makers)


class ChartReading(Protocol):
    """Reads a chart of an instance over a time."""

    def __call__(self, window: Window) -> Chart: ...


@dataclass(frozen=True, slots=True)
class UsageChart:
    """A chart on the usage page, for members who have the permission."""

    slug: str
    title: str
    read: ChartReading
    permission: Permission = Permission.VIEW_INSTANCES


@dataclass(frozen=True, slots=True)
class UsagePanel:
    """A part above the charts of the usage page, which asks for itself.

    ``address`` is the name of a URL that takes a client's slug and an instance's name.
    """

    slug: str
    title: str
    address: str
    permission: Permission


_usage_charts: list[UsageChart] = []
_usage_panels: list[UsagePanel] = []


def register_usage_chart(chart: UsageChart) -> None:
    """Show the chart on every instance's usage page, after the others."""
    if chart not in _usage_charts:
        _usage_charts.append(chart)


def usage_charts() -> Sequence[UsageChart]:
    """All that are registered, in that order."""
    return tuple(_usage_charts)


def register_usage_panel(panel: UsagePanel) -> None:
    """Show the part on every instance's usage page."""
    if panel not in _usage_panels:
        _usage_panels.append(panel)


def usage_panels() -> Sequence[UsagePanel]:
    """All that are registered, in that order."""
    return tuple(_usage_panels)


@dataclass(frozen=True, slots=True)
class Ranked:
    """An instance with how much, in words; ``share`` is of what its plan allows, 1 is all of it."""

    instance: Instance
    said: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The instances with most of something, the first one most."""

    title: str
    rows: Sequence[Ranked]


class FleetReading(Protocol):
    """Reads what the fleet's page shows besides, in a number of queries that does not grow."""

    def __call__(self, *, now: datetime) -> Sequence[Ranking]: ...


_fleet_readings: list[tuple[str, FleetReading]] = []


def register_fleet_rankings(read: FleetReading, *, permission: str) -> None:
    """Show these on the fleet's page to staff who have the permission."""
    if (permission, read) not in _fleet_readings:
        _fleet_readings.append((permission, read))


def fleet_readings() -> Sequence[tuple[str, FleetReading]]:
    """All that are registered, each with the permission for it."""
    return tuple(_fleet_readings)


@dataclass(frozen=True, slots=True)
class FleetPanel:
    """A part of the fleet's page that asks for itself, so that the rest need not wait for it.

    ``address`` is the name of a page of the admin, ``permission`` what staff need to see it.
    """

    slug: str
    title: str
    address: str
    permission: str


_fleet_panels: list[FleetPanel] = []


def register_fleet_panel(panel: FleetPanel) -> None:
    """Show the part on the fleet's page, after the rest."""
    if panel not in _fleet_panels:
        _fleet_panels.append(panel)


def fleet_panels() -> Sequence[FleetPanel]:
    """All that are registered, in that order."""
    return tuple(_fleet_panels)
