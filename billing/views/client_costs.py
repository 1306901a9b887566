"""What a client's instances cost in a month, each and together."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.selectors import costs
from billing.selectors.costs import OfInstance, next_month
from billing.views.money import say
from billing.views.months import month_asked_for, today_of
from hosting.models import Instance
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page

COLUMNS = ("instance", "requests", "requests_without_rate", "currency", "amount")


@dataclass(frozen=True, slots=True)
class Row:
    """An instance with what it cost, in words."""

    instance: Instance
    is_deleted: bool
    requests: int
    unpriced: int
    amounts: Sequence[str]


@require_safe
@client_view(Permission.VIEW_BILLING)
def page(request: ClientRequest) -> HttpResponse:
    """The month with each instance, deleted ones too."""
    month, found, is_now = _read(request)
    context = {
        "section": "instances",
        "month": month,
        "before": (month - timedelta(days=1)).replace(day=1),
        "after": None if is_now else next_month(month),
        "is_now": is_now,
        "rows": [_row(each) for each in found],
        "totals": _totals(found),
    }
    return render_page(request, "billing/client_costs.html", context)


@require_safe
@client_view(Permission.VIEW_BILLING)
def as_csv(request: ClientRequest) -> HttpResponse:
    """The month's table with exact amounts."""
    month, found, _ = _read(request)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in found:
        used = (each.instance.name, each.requests, each.unpriced)
        for currency, amount in sorted(each.amounts.items()):
            writer.writerow([*used, currency, f"{amount.normalize():f}"])
        if not each.amounts:
            writer.writerow([*used, "", ""])
    name = f"{request.client.slug}-costs-{month:%Y-%m}.csv"
    return HttpResponse(
        written.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _read(request: ClientRequest) -> tuple[date, Sequence[OfInstance], bool]:
    today = today_of(request.client)
    month = month_asked_for(request, today)
    found = costs.by_instance(request.client, since=month, until=next_month(month))
    return month, found, month == today.replace(day=1)


def _row(each: OfInstance) -> Row:
    return Row(
        instance=each.instance,
        is_deleted=each.instance.state == Instance.State.DELETED,
        requests=each.requests,
        unpriced=each.unpriced,
        amounts=[say(amount, currency) for currency, amount in sorted(each.amounts.items())],
    )


def _totals(found: Sequence[OfInstance]) -> list[str]:
    """By currency, of the exact amounts."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in found:
        for currency, amount in each.amounts.items():
            sums[currency] += amount
    return [say(amount, currency) for currency, amount in sorted(sums.items())]
