"""What the database refuses, whoever asks it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from psycopg.types.json import Jsonb

from billing.models import BillingPeriod, Invoice, InvoiceLine, Span, Subscription
from billing.services import copying
from billing.services.invoicing import runs
from billing.services.paying import settlements
from hosting.models import Instance, Plan, Server
from tenants.models import Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(
    order: Callable[..., Instance], memory_server: Server, acme: Client, small: Plan
) -> Invoice:
    """An issued invoice, half paid from the client's credit."""
    money.set_seller()
    money.set_details(acme)
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    settlements.grant_credit(
        client=acme, amount=Decimal(10), reason="Sorry", actor=ACTOR, now=at("2026-01-20")
    )
    runs.bill_due(now=at("2026-02-01"))
    return Invoice.objects.get()


@contextmanager
def refused(message: str) -> Iterator[None]:
    with pytest.raises(DatabaseError, match=message), transaction.atomic():
        yield


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_invoice SET total = total",
        "UPDATE billing_invoice SET state = 'draft', series = '', sequence = NULL",
        "DELETE FROM billing_invoice",
        "TRUNCATE billing_invoice CASCADE",
        "UPDATE billing_invoice SET client_id = client_id",
        "UPDATE billing_invoiceline SET net = 0",
        "UPDATE billing_invoiceline SET period_id = NULL",
        "UPDATE billing_invoiceline SET subscription_id = NULL, price_id = NULL",
        "UPDATE billing_invoiceline SET basis = '{}'",
        "DELETE FROM billing_invoiceline",
        "TRUNCATE billing_invoiceline",
        "UPDATE billing_billingperiod SET end_day = end_day - 1",
        "UPDATE billing_billingperiod SET invoice_id = NULL",
        "DELETE FROM billing_billingperiod",
        "TRUNCATE billing_billingperiod CASCADE",
        "TRUNCATE billing_subscription CASCADE",
        "TRUNCATE hosting_plan CASCADE",
        "TRUNCATE tenants_client CASCADE",
        "UPDATE billing_payment SET amount = 1",
        "DELETE FROM billing_payment",
        "TRUNCATE billing_payment",
        "UPDATE billing_creditentry SET amount = 1",
        "DELETE FROM billing_creditentry",
        "TRUNCATE billing_creditentry",
        "UPDATE billing_price SET amount = 1",
        "TRUNCATE billing_price CASCADE",
    ],
)
def test_the_database_refuses(invoice: Invoice, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing waits that TRUNCATE minds
        with refused("refused|never changes?"):
            cursor.execute(statement)


def test_no_setting_of_a_session_gets_round_it(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger"
            " WHERE tgrelid::regclass::text LIKE 'billing_%' AND NOT tgisinternal"
        )
        found = dict(cursor.fetchall())
    assert len(found) >= 7
    assert set(found.values()) == {"A"}  # enabled always


def test_no_line_comes_to_an_issued_invoice(invoice: Invoice) -> None:
    line = invoice.lines.get()
    line.pk, line.position = None, 2
    with refused("never change: INSERT"):
        line.save(force_insert=True)


def test_no_line_leaves_or_joins_an_issued_invoice(invoice: Invoice) -> None:
    draft = Invoice.objects.create(
        client=invoice.client,
        currency="EUR",
        first_day=date(2026, 2, 1),
        last_day=date(2026, 2, 28),
        drafted_at=at("2026-03-01"),
        issue_after=at("2026-03-02"),
    )
    line = invoice.lines.get()
    with refused("never change: UPDATE"):
        InvoiceLine.objects.filter(pk=line.pk).update(invoice=draft)
    line.pk, line.invoice = None, draft
    line.save(force_insert=True)
    with refused("never change: UPDATE"):
        InvoiceLine.objects.filter(pk=line.pk).update(invoice=invoice, position=2)
    line.delete()  # of a draft
    draft.delete()


def test_a_price_that_was_used_stays(invoice: Invoice) -> None:
    with refused("violates foreign key|restrict"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DELETE FROM billing_price")


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ("2026-01-01", "2026-02-01"),
        ("2026-01-31", "2026-03-01"),
        ("2025-12-01", "2026-01-02"),
        ("2026-01-10", "2026-01-11"),
    ],
)
def test_no_day_is_billed_twice(invoice: Invoice, first: str, end: str) -> None:
    period = BillingPeriod.objects.get()
    with pytest.raises(IntegrityError, match="do_not_overlap"), transaction.atomic():
        BillingPeriod.objects.create(
            subscription=period.subscription,
            first_day=date.fromisoformat(first),
            end_day=date.fromisoformat(end),
            starts_at=at(first),
            ends_at=at(end),
            rated_at=at("2026-03-01"),
        )


def test_the_day_after_can_be_billed(invoice: Invoice) -> None:
    period = BillingPeriod.objects.get()
    BillingPeriod.objects.create(
        subscription=period.subscription,
        first_day=period.end_day,
        end_day=date(2026, 3, 1),
        starts_at=period.ends_at,
        ends_at=at("2026-03-01"),
        rated_at=at("2026-03-01"),
    )


def test_a_day_is_on_one_plan(invoice: Invoice, small: Plan) -> None:
    with pytest.raises(IntegrityError, match="spans_do_not_overlap"), transaction.atomic():
        Span.objects.create(
            subscription=Subscription.objects.get(), plan=small, first_day=date(2026, 5, 1)
        )


def test_of_lines_written_together_none_may_be_an_issued_invoices(invoice: Invoice) -> None:
    draft = Invoice.objects.create(
        client=invoice.client,
        currency="EUR",
        first_day=date(2026, 2, 1),
        last_day=date(2026, 2, 28),
        drafted_at=at("2026-03-01"),
        issue_after=at("2026-03-02"),
    )
    both = [_another_line(invoice, each) for each in (draft, invoice)]
    with refused("never change: INSERT"):
        InvoiceLine.objects.bulk_create(both)
    assert not draft.lines.exists()


def _another_line(invoice: Invoice, of: Invoice) -> InvoiceLine:
    line = invoice.lines.get()
    line.pk, line.position, line.invoice = None, 2, of
    return line


def test_no_line_is_copied_to_an_issued_invoice(invoice: Invoice) -> None:
    line = _another_line(invoice, invoice)
    names = [each.attname for each in InvoiceLine._meta.concrete_fields if each.attname != "id"]
    values = [getattr(line, name) for name in names]
    with refused("never change: INSERT"):
        copying.write(InvoiceLine, names, [[_jsonb(each) for each in values]])
    assert invoice.lines.count() == 1


def _jsonb(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict) else value


def test_when_a_periods_usage_was_looked_at_may_be_noted(invoice: Invoice) -> None:
    assert BillingPeriod.objects.update(rated_at=at("2026-03-01")) == 1


def test_what_is_copied_is_refused_as_anything_else_is(invoice: Invoice) -> None:
    period = BillingPeriod.objects.get()
    period.pk = uuid.uuid4()
    with pytest.raises(IntegrityError, match="do_not_overlap"), transaction.atomic():
        copying.write_all([period])
    assert BillingPeriod.objects.count() == 1
