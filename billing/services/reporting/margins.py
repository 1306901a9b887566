"""What clients and instances bring beside what they cost, in a month."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum

from billing import currencies
from billing.models import ModelCost, Seller, ServerCost, Span
from billing.selectors.reports import service_revenue
from billing.selectors.reports.months import Months
from billing.services import periods
from billing.services.periods import Days
from billing.services.reporting import sharing
from billing.services.reporting.sharing import Cost, Parts, Reserved
from hosting.models import Instance, Plan, Server

_NOTHING = Decimal(0)


@dataclass(slots=True)
class Margin:
    """Of an instance, or of all of a client's, in one currency. Currencies are never converted."""

    client_id: uuid.UUID
    client: str
    currency: str
    instance_id: uuid.UUID | None = None
    instance: str = ""
    revenue: Decimal = _NOTHING
    server_cost: Decimal = _NOTHING
    model_cost: Decimal = _NOTHING

    @property
    def margin(self) -> Decimal:
        """What is left; less than nothing where it costs more than it brings."""
        return self.revenue - self.server_cost - self.model_cost

    @property
    def percent(self) -> Decimal | None:
        """Of the revenue, where there is any."""
        return 100 * self.margin / self.revenue if self.revenue > 0 else None


@dataclass(frozen=True, slots=True)
class OfServer:
    """What a server cost, and what of it nobody has reserved."""

    server_id: uuid.UUID
    server: str
    currency: str
    cost: Decimal
    unused: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """A month; ``without_cost`` are servers with instances for which no cost was entered."""

    instances: Sequence[Margin]
    servers: Sequence[OfServer]
    without_cost: Sequence[str]

    def clients(self) -> Sequence[Margin]:
        """Each client's instances together, the lowest margin first."""
        found: dict[tuple[uuid.UUID, str], Margin] = {}
        for each in self.instances:
            key = (each.client_id, each.currency)
            row = found.setdefault(key, Margin(each.client_id, each.client, each.currency))
            row.revenue += each.revenue
            row.server_cost += each.server_cost
            row.model_cost += each.model_cost
        return lowest(found.values())


def lowest(rows: object) -> list[Margin]:
    """The lowest margin first, in each currency."""
    known: list[Margin] = list(rows)  # type: ignore[call-overload]
    return sorted(known, key=lambda each: (each.currency, each.margin, each.client, each.instance))


@dataclass(slots=True)
class _Sums:
    """What is known of each instance, by currency."""

    names: Mapping[uuid.UUID, tuple[uuid.UUID, str, str]]
    rows: dict[tuple[uuid.UUID, str], Margin] = field(default_factory=dict)

    def of(self, instance: uuid.UUID, currency: str) -> Margin:
        if (instance, currency) not in self.rows:
            client, client_name, name = self.names[instance]
            self.rows[instance, currency] = Margin(client, client_name, currency, instance, name)
        return self.rows[instance, currency]


def of_month(month: date, *, zone: ZoneInfo) -> Report:
    """Revenue of the days of that month, less the share of servers' costs. Eight queries at most.

    Language models count where the seller bears what they cost.
    """
    months = Months(month, month, zone)
    days = Days(months.first, months.until)
    revenue = service_revenue.by_instance(days.first, days.end)
    models = _model_costs(days)
    servers = _Servers(months, days)
    others = {pk for pk, _ in (*revenue, *models)} - servers.names.keys()
    sums = _Sums({**servers.names, **_names(others)})
    for (instance, currency), amount in revenue.items():
        sums.of(instance, currency).revenue += amount
    for (instance, currency), amount in models.items():
        sums.of(instance, currency).model_cost += amount
    found = []
    for server, currency, shared in servers.shared():
        found.append(OfServer(server.pk, server.name, currency, shared.cost, shared.unused))
        for instance, amount in shared.shares.items():
            sums.of(instance, currency).server_cost += amount
    return Report(lowest(sums.rows.values()), found, servers.without_cost())


def _names(instances: set[uuid.UUID]) -> Mapping[uuid.UUID, tuple[uuid.UUID, str, str]]:
    if not instances:
        return {}
    rows = Instance.objects.filter(pk__in=instances)
    return {
        pk: (client, client_name, name)
        for pk, client, client_name, name in rows.values_list(
            "pk", "client", "client__name", "name"
        )
    }


def _model_costs(days: Days) -> Mapping[tuple[uuid.UUID, str], Decimal]:
    """By instance and currency, rounded once."""
    seller = Seller.objects.first()
    if seller is None or not seller.bears_model_costs:
        return {}
    rows = ModelCost.objects.filter(on__gte=days.first, on__lt=days.end, rate__isnull=False)
    sums = rows.values_list("instance", "currency").annotate(Sum("amount")).order_by()
    return {
        (instance, currency): currencies.rounded(amount, currencies.exponent(currency))
        for instance, currency, amount in sums
        if amount
    }


class _Servers:
    """Servers with their costs, and what was reserved on them."""

    def __init__(self, months: Months, days: Days) -> None:
        """Four queries."""
        self.months, self.days = months, days
        self.servers = {each.pk: each for each in Server.objects.all()}
        self.plans = {
            each.pk: (each.cpus, Decimal(each.memory_mb), Decimal(each.disk_gb))
            for each in Plan.objects.all()
        }
        self.names: dict[uuid.UUID, tuple[uuid.UUID, str, str]] = {}
        self.reserved = self._reserved()
        self.costs = self._costs()

    def shared(self) -> Iterator[tuple[Server, str, sharing.Shared]]:
        """Each server that cost anything, by currency."""
        for (pk, currency), costs in sorted(
            self.costs.items(), key=lambda each: (self.servers[each[0][0]].name, each[0][1])
        ):
            server = self.servers[pk]
            has: Parts = (server.cpus, Decimal(server.memory_mb), Decimal(server.disk_gb))
            yield (
                server,
                currency,
                sharing.share_out(
                    costs,
                    self.reserved.get(pk, ()),
                    has=has,
                    month=self.days,
                    exponent=currencies.exponent(currency),
                ),
            )

    def without_cost(self) -> Sequence[str]:
        """Servers on which something was reserved, by name."""
        known = {pk for pk, _ in self.costs}
        return sorted(self.servers[pk].name for pk in self.reserved.keys() - known)

    def _costs(self) -> Mapping[tuple[uuid.UUID, str], list[Cost]]:
        found: dict[tuple[uuid.UUID, str], list[Cost]] = defaultdict(list)
        ends: dict[uuid.UUID, date] = defaultdict(lambda: self.days.end)
        rows = ServerCost.objects.filter(valid_from__lt=self.days.end)
        for row in rows.order_by("-valid_from"):
            end = ends[row.server_id]
            first = max(row.valid_from, self.days.first)
            if first < end:
                weights: Parts = (
                    *(Decimal(row.cpu_weight), Decimal(row.memory_weight)),
                    Decimal(row.disk_weight),
                )
                cost = Cost(Days(first, end), row.amount, weights)
                found[row.server_id, row.currency].append(cost)
            ends[row.server_id] = row.valid_from
        return found

    def _reserved(self) -> Mapping[uuid.UUID, list[Reserved]]:
        """Instances from the day on which they were ordered to the one on which they were gone."""
        begins, ends = self.months.begins_at, self.months.ends_at
        rows = Instance.objects.filter(
            Q(deleted_at=None) | Q(deleted_at__gt=begins),
            created_at__lt=ends,
            purpose=Instance.Purpose.CLIENT,
        )
        plans = self._plans_of()
        found: dict[uuid.UUID, list[Reserved]] = defaultdict(list)
        names = ("client", "client__name", "name")
        columns = ("pk", "server", "plan", "created_at", "deleted_at", *names)
        for pk, server, plan, created_at, deleted_at, *named in rows.order_by("pk").values_list(
            *columns
        ):
            self.names[pk] = (named[0], named[1], named[2])
            for days, of in self._pieces(created_at, deleted_at, plans.get(pk) or [(None, plan)]):
                found[server].append(Reserved(pk, days, self.plans[of]))
        return found

    def _plans_of(self) -> Mapping[uuid.UUID, list[tuple[date | None, uuid.UUID]]]:
        """The plans of each instance with the days from which on they were its."""
        found: dict[uuid.UUID, list[tuple[date | None, uuid.UUID]]] = defaultdict(list)
        rows = Span.objects.filter(first_day__lt=self.days.end).order_by("first_day")
        for instance, first, plan in rows.values_list(
            "subscription__instance", "first_day", "plan"
        ):
            if not found[instance] or found[instance][-1][1] != plan:
                found[instance].append((first, plan))
        return found

    def _pieces(
        self,
        created_at: datetime,
        deleted_at: datetime | None,
        plans: Sequence[tuple[date | None, uuid.UUID]],
    ) -> Iterator[tuple[Days, uuid.UUID]]:
        """The instance's days in the month, plan by plan; the first plan from its order on."""
        zone, begins_at = self.months.zone, self.months.begins_at
        created = periods.day_at(created_at, zone) if created_at > begins_at else self.days.first
        deleted = periods.day_at(deleted_at, zone) if deleted_at else self.days.end
        if len(plans) == 1 and (created, deleted) == (self.days.first, self.days.end):
            yield self.days, plans[0][1]  # nearly all
            return
        begins = [created, *(first for first, _ in plans[1:] if first is not None)]
        for begin, end, (_, plan) in zip(begins, [*begins[1:], deleted], plans, strict=True):
            first, until = max(begin, self.days.first), min(end, deleted, self.days.end)
            if first < until:
                yield Days(first, until), plan
