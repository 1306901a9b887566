"""Which month a page of costs is about, by the client's clock."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpRequest
from django.utils import timezone

from tenants.models import Client

EARLIEST = date(2000, 1, 1)


def today_of(client: Client) -> date:
    """The day that it is at the client's."""
    return client.clock.day_at(timezone.now())


def month_asked_for(request: HttpRequest, today: date) -> date:
    """The month that the address names, the present one where it names none; else a 404."""
    asked = request.GET.get("month", "")
    if not asked:
        return today.replace(day=1)
    try:
        month = date.fromisoformat(f"{asked}-01")
    except ValueError as error:
        raise Http404("There is no such month.") from error
    if not EARLIEST <= month <= today:
        raise Http404("There is nothing of that month.")
    return month
