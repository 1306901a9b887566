"""Billing runs that a person asks for: one at a time, never lost, and explained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from billing import tasks
from billing.models import BillingRun, Invoice, Subscription
from billing.services import leases
from billing.services.invoicing import drafting, issuing, requested_runs
from hosting.models import Instance, Plan, Server
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tests.billing import money
from tests.billing.money import ACTOR, at

pytestmark = pytest.mark.django_db
NOW = at("2026-03-01 06:00")


@pytest.fixture
def due(
    order: Callable[..., Instance],
    memory_server: Server,
    acme: Client,
    other_client: Client,
    small: Plan,
) -> None:
    """Two months of Acme's; Globex can't be billed, as its currency has no price."""
    money.set_seller()
    money.set_details(acme)
    money.set_details(other_client, currency="JPY")
    money.set_price(small)
    money.run_since(order(), "2026-01-01")
    money.run_since(order("yen", client=other_client), "2026-01-01")


def request() -> BillingRun:
    return requested_runs.request(actor=ACTOR, now=NOW)[0]


def test_without_a_seller_there_is_none(db: None) -> None:
    with pytest.raises(Refused, match="Enter the seller first"):
        request()
    assert not BillingRun.objects.exists()


@pytest.mark.usefixtures("due")
def test_asked_for_twice_it_is_one(django_capture_on_commit_callbacks: object) -> None:
    run = request()
    again, is_new = requested_runs.request(actor=ACTOR, now=NOW)
    assert (again, is_new) == (run, False)
    assert run.is_waiting
    events = AuditEvent.objects.filter(action="billing_run.requested")
    assert [event.object_id for event in events] == [str(run.pk)]


@pytest.mark.usefixtures("due")
def test_it_says_what_it_came_to_and_who_could_not_be_billed() -> None:
    run = request()
    assert requested_runs.work(now=NOW) == run
    run.refresh_from_db()
    assert (run.drafted, run.issued, run.refused, run.remaining) == (2, 2, 1, 0)
    assert run.sums == {"EUR": {"drafted": "60.00", "issued": "71.40"}}
    (refusal,) = run.refusals
    assert refusal["name"] == "Globex"
    assert refusal["reason"] == "The plan Small has no price in JPY a month on 2026-01-01."
    assert run.ended_at == NOW
    assert requested_runs.work(now=NOW) is None
    later = request()
    assert later != run
    assert requested_runs.work(now=NOW) == later
    assert Invoice.objects.count() == 2


@pytest.mark.usefixtures("due")
def test_its_progress_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    run = request()
    seen = []
    keep = leases.Keep.__call__

    def watched(self: leases.Keep, *names: str) -> None:
        keep(self, *names)
        seen.append(BillingRun.objects.get(pk=run.pk))

    monkeypatch.setattr(leases.Keep, "__call__", watched)
    requested_runs.work(now=NOW)
    assert [(each.done, each.done + each.remaining) for each in seen] == [
        (0, 2),  # two clients are due
        (2, 4),  # a draft and a refusal; Acme is due again, and the draft is to be issued
        (3, 5),
        (5, 5),  # a batch issues both
        (5, 5),
    ]


@pytest.mark.usefixtures("due")
def test_what_a_dead_worker_left_another_takes_up() -> None:
    run = request()
    dead = leases.claim(BillingRun.objects.all())
    assert dead is not None
    assert requested_runs.work(now=NOW) is None
    BillingRun.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert requested_runs.work(now=NOW) == run
    run.refresh_from_db()
    assert (run.fence, run.drafted, run.issued) == (2, 2, 2)
    with pytest.raises(leases.Lost):
        leases.Keep(dead)("drafted")
    run.refresh_from_db()
    assert run.drafted == 2


@pytest.mark.usefixtures("due")
def test_who_lost_the_run_bills_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    run = request()
    draft = drafting.draft_some

    def overtaken(**more: object) -> drafting.Done:
        BillingRun.objects.filter(pk=run.pk).update(fence=7)
        return draft(**more)  # type: ignore[arg-type]

    monkeypatch.setattr(drafting, "draft_some", overtaken)
    assert requested_runs.work(now=NOW) == run
    assert not Invoice.objects.exists()
    assert Subscription.objects.filter(next_billing_at__lte=NOW).count() == 2


@pytest.mark.usefixtures("due")
def test_what_nobody_foresaw_ends_it_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = request()

    def broken(**_: object) -> issuing.Done:
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(issuing, "issue_some", broken)
    with pytest.raises(RuntimeError):
        requested_runs.work(now=NOW)
    run.refresh_from_db()
    assert run.problem == "RuntimeError: The disk is full."
    assert run.drafted == 2
    monkeypatch.undo()
    request()
    tasks.bill_requested()
    assert Invoice.objects.filter(state="issued").count() >= 2
