"""Opening a credit for downtime down to the days that it is given for, and computing it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing import currencies
from billing.models import InvoiceLine
from hosting.selectors.watching import availability, health
from hosting.selectors.watching.health import DayPoint, Stretch
from tenants.errors import Refused


@dataclass(frozen=True, slots=True)
class Given:
    """A credit: what it was a share of, and what is known of its month now.

    ``charges`` are what stood on which invoice for the month's days; ``days`` those with downtime.
    """

    line: InvoiceLine
    month: date
    percent: Decimal
    charges: Sequence[tuple[str, Decimal]]
    charged: Decimal
    down_seconds: int
    known_seconds: int
    again: Decimal
    now: Stretch
    days: Sequence[DayPoint]

    @property
    def fits(self) -> bool:
        """Whether the line is that share of what was charged."""
        charged = sum((net for _, net in self.charges), Decimal(0))
        return self.line.net == -self.again and charged == self.charged

    @property
    def is_current(self) -> bool:
        """Whether nothing else is known of the month by now."""
        known = (self.now.known_seconds, self.now.down_seconds)
        return known == (self.known_seconds, self.down_seconds)


def explain(line: InvoiceLine) -> Given:
    """What a credit for downtime was computed from. ``Refused`` for a line of anything else."""
    if line.kind != InvoiceLine.Kind.DOWNTIME or line.subscription is None:
        raise Refused("Only a credit for downtime can be explained so.")
    basis = line.basis
    percent, charged = Decimal(basis["percent"]), Decimal(basis["charged"])
    exponent = currencies.exponent(line.invoice.currency)
    month = date.fromisoformat(basis["month"])
    instance = line.subscription.instance
    after = (month + timedelta(days=32)).replace(day=1)
    days = health.days(instance, since=month, until=after)
    return Given(
        line=line,
        month=month,
        percent=percent,
        charges=[(invoice, Decimal(net)) for invoice, net in basis["charges"]],
        charged=charged,
        down_seconds=basis["down_seconds"],
        known_seconds=basis["known_seconds"],
        again=currencies.divided(charged, percent, Decimal(100), exponent),
        now=availability.of_month(instance, month=month).stretch,
        days=[each for each in days if each.stretch.down_seconds],
    )
