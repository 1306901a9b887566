"""What a made-up fleet costs: a year of bills, as billing itself makes them."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.management import call_command
from django.db.models import F

from billing.models import (
    BankLine,
    BillingProfile,
    DunningStep,
    Invoice,
    ModelCost,
    Payment,
    PlanBudget,
    Rate,
    Seller,
    Settlement,
    Subscription,
)
from billing.services import profiles
from tenants.services.actors import Actor

FEW = {"clients": 2, "instances": 2, "days": 100, "quarters": 1, "hours": 1}


@pytest.mark.django_db
def test_each_client_gets_a_bill_a_month_and_some_do_not_pay() -> None:
    call_command("generate_fleet", **FEW, verbosity=0)
    assert Subscription.objects.count() == 4
    assert PlanBudget.objects.count() == 1
    assert Rate.objects.count() == 2
    assert not ModelCost.objects.filter(rate=None).exists()
    invoices = Invoice.objects.filter(state="issued")
    assert invoices.count() == Invoice.objects.count()
    assert 6 <= invoices.count() <= 8  # of three months, or four where one has just begun
    assert not invoices.filter(lines__kind="adjustment").exists()
    assert invoices.filter(lines__kind="usage").exists()
    first, second = BillingProfile.objects.order_by("client__slug")
    paid = Settlement.objects.filter(state="paid")
    assert paid.filter(invoice__client=second.client).exists()
    assert not Payment.objects.exclude(line__state="booked", line__amount=F("amount")).exists()
    assert BankLine.objects.filter(state="open", client=None).count() == 1
    owed = Settlement.objects.filter(state="open", invoice__client=first.client)
    assert owed.exists()
    assert DunningStep.objects.filter(invoice__client=first.client).exists()


@pytest.mark.django_db
def test_nothing_is_issued_in_a_real_sellers_name() -> None:
    profiles.set_seller(
        actor=Actor.system("test"),
        fields={
            "name": "Acme Hosting",
            "street": "Lane 1",
            "postcode": "10115",
            "city": "Berlin",
            "country": "DE",
            "iban": "DE02120300000000202051",
            "bills_from": date(2026, 1, 1),
        },
    )
    call_command("generate_fleet", **FEW, verbosity=0)
    assert Seller.objects.get().name == "Acme Hosting"
    assert not Invoice.objects.exists()
    assert not BillingProfile.objects.exists()
