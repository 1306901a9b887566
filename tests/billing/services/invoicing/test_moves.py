"""A client that moves to another time zone: every event is charged once, where it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from billing.models import BillingPeriod, InvoiceLine, Subscription
from billing.services import outlooks, subscriptions
from billing.services.invoicing import explained_events, explaining, previews, runs
from hosting.models import Instance, Plan, Server
from hosting.selectors.measuring import usage
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tenants.models import Client
from tenants.services import clients
from tests.billing import books, money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MOVE = "2026-01-31 08:00"
# When January, of which the move is on the last day, is over for a client that was in Berlin.
BOTH = pytest.mark.parametrize(
    ("zone", "february"),
    [("Asia/Kathmandu", "2026-01-31 18:15"), ("America/New_York", "2026-02-01 05:00")],
)
METERS = {"stored": {"title": "Storage", "unit": "GB", "aggregation": "time_weighted"}}
CHARGES = [
    {"meter": "executions", "tiers": [[None, "1"]]},
    {"meter": "stored", "tiers": [[None, "1"]]},
]
_numbers = count()


@pytest.fixture
def book(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Instance:
    """Acme's instance since January, where each execution costs a euro."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small, charges=CHARGES)
    instance = order()
    instance.definition["berth"]["meters"] = METERS
    instance.save()
    money.run_since(instance, "2026-01-01")
    subscriptions.follow(now=at("2026-01-02"))
    return instance


def use(book: Instance, moment: datetime, meter: str = "executions", amount: float = 1) -> None:
    told = Usage(
        at=moment,
        meter=meter,
        label="",
        amount=amount,
        key="",
        is_level=meter == "stored",
        input=None,
        output=None,
        cached=None,
        source="test",
        event_id=str(next(_numbers)),
    )
    assert usage_events.write(instance_id=book.pk, usages=[told], now=moment) == 1
    usage_sums.sum_up(now=moment + timedelta(seconds=1))


def move(client: Client, zone: str, moment: str = MOVE) -> None:
    clients.update(client=client, timezone=zone, actor=ACTOR, now=at(moment))


def bill(moment: str | datetime) -> None:
    runs.bill_due(now=at(moment) if isinstance(moment, str) else moment)


def executions() -> list[InvoiceLine]:
    rows = InvoiceLine.objects.filter(kind="usage", meter="executions")
    return list(
        rows.select_related("invoice", "subscription__client").order_by("period__first_day")
    )


@BOTH
def test_every_event_is_charged_once_and_to_the_period_of_its_day(
    book: Instance, acme: Client, zone: str, february: str
) -> None:
    events = [at("2026-01-30 23:30") + number * HOUR for number in range(48)]
    for moment in events:
        if moment > at(MOVE) and Client.objects.get(pk=acme.pk).timezone != zone:
            move(acme, zone)
        use(book, moment)
        bill(moment)
    bill("2026-03-02")
    january = [each for each in events if each < at(february)]
    assert 0 < len(january) < len(events)
    assert [each.quantity for each in executions()] == [len(january), len(events) - len(january)]
    assert not InvoiceLine.objects.filter(kind="adjustment").exists()
    charged = [[each["at"] for each in explained_events.of_line(line)] for line in executions()]
    assert charged == [january, events[len(january) :]]
    _fits(acme, february)


def _fits(client: Client, february: str) -> None:
    """Periods are cut where the days begin by which usage was summed up."""
    clock = Client.objects.get(pk=client.pk).clock
    for period in BillingPeriod.objects.all():
        assert period.starts_at == clock.begin_of(period.first_day)
        assert period.ends_at == clock.begin_of(period.end_day)
    first, second = BillingPeriod.objects.order_by("starts_at")
    assert first.ends_at == second.starts_at == at(february)
    books.every_day_is_billed_once()
    books.every_line_opens()
    books.no_usage_is_left_out()


@BOTH
def test_what_is_scheduled_follows_a_move_and_is_not_billed_sooner_or_later(
    book: Instance, acme: Client, zone: str, february: str
) -> None:
    assert Subscription.objects.get().next_billing_at == at("2026-01-31 23:00")
    move(acme, zone)
    bill(at(february) - timedelta(minutes=1))
    assert Subscription.objects.get().next_billing_at == at(february)
    assert not BillingPeriod.objects.exists()
    bill(february)
    assert BillingPeriod.objects.get().ends_at == at(february)


def test_a_move_that_is_called_off_is_followed_too(book: Instance, acme: Client) -> None:
    move(acme, "America/New_York")
    bill("2026-01-31 08:05")
    assert Subscription.objects.get().next_billing_at == at("2026-02-01 05:00")
    move(acme, "Europe/Berlin", "2026-01-31 09:00")
    bill("2026-01-31 09:05")
    assert Subscription.objects.get().next_billing_at == at("2026-01-31 23:00")


def test_what_is_due_already_stays_where_it_ended(book: Instance, acme: Client) -> None:
    move(acme, "America/New_York", "2026-02-01 12:00")  # January was over at 23:00
    bill("2026-02-01 12:01")
    period = BillingPeriod.objects.get()
    assert (period.end_day, period.ends_at) == (date(2026, 2, 1), at("2026-01-31 23:00"))
    subscription = Subscription.objects.get()
    assert subscription.unbilled_at == at("2026-01-31 23:00")
    assert subscription.next_billing_at == at("2026-03-01 05:00")


@pytest.mark.parametrize(
    ("zone", "begins"),
    [("Asia/Kathmandu", "2026-01-31 18:15"), ("America/New_York", "2026-02-01 05:00")],
)
def test_a_first_day_that_is_to_come_follows_a_move(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    small: Plan,
    zone: str,
    begins: str,
) -> None:
    """Where the seller bills from a day on that has not begun."""
    money.set_seller(bills_from=date(2026, 2, 1))
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-10")
    bill("2026-01-31 07:00")
    assert Subscription.objects.get().unbilled_at == at("2026-01-31 23:00")
    move(acme, zone)
    bill("2026-03-05")
    assert BillingPeriod.objects.get().starts_at == at(begins)


@BOTH
def test_an_instance_that_ends_on_the_day_of_the_move_is_charged_to_its_last_event(
    book: Instance, acme: Client, zone: str, february: str
) -> None:
    move(acme, zone)
    last = at(february) - timedelta(minutes=1)
    use(book, last)
    money.end(book, str(last.replace(tzinfo=None)))
    bill(at(february))
    subscription = Subscription.objects.get()
    assert (subscription.end_day, subscription.next_billing_at) == (date(2026, 2, 1), None)
    assert [line.quantity for line in executions()] == [1]
    books.every_day_is_billed_once()


@BOTH
def test_a_level_is_averaged_over_days_as_long_as_they_were(
    book: Instance, acme: Client, zone: str, february: str
) -> None:
    """And its line opens to the same amount from the reports themselves."""
    begin = at("2026-01-30 23:00")
    use(book, begin, "stored", 10)
    use(book, begin + 6 * HOUR, "stored", 20)
    move(acme, zone)
    usage_sums.sum_up(now=at(MOVE))
    bill("2026-02-02")
    line = InvoiceLine.objects.get(kind="usage", meter="stored")
    long = Decimal((at(february) - begin) // timedelta(minutes=15)) / 4
    day = round((60 + 20 * (long - 6)) / long, 6)
    assert line.quantity == pytest.approx(day / 31)
    explained = explaining.explain(line)
    assert explained.fits
    (part,) = explained.parts
    found = explained_events.total(
        line, part.stretch, usage.meters(book)["stored"], now=datetime(2026, 2, 2, tzinfo=UTC)
    )
    assert found == part.used_now


def test_an_outlook_counts_what_has_gone_by_of_the_clients_days(
    book: Instance, acme: Client
) -> None:
    """In Kathmandu two days of February are over, in Berlin they would not be."""
    move(acme, "Asia/Kathmandu")
    bill("2026-02-01")
    client = Client.objects.get(pk=acme.pk)
    use(book, at("2026-02-01 12:00"), amount=28)
    now = at("2026-02-02 18:15")
    found = outlooks.of_client(client, previews.of_client(client), now=now)
    assert list(found.values()) == [Decimal("30.00") + 28 * 14]
