"""A made-up fleet: what its pages are measured with is what real ones would have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client as Browser

from hosting.models import (
    Backup,
    ContainerHealth,
    Delivery,
    FleetAction,
    HealthDay,
    HealthSlot,
    Incident,
    Instance,
    Notification,
    Operation,
    Probe,
    Rehearsal,
    ResourceDay,
    ResourceNow,
    ResourceQuarter,
    Restore,
    RestoreTest,
    RolloutItem,
    Sample,
    Server,
    Upgrade,
    UsageSum,
)
from hosting.views.usage_charts import CHARTS
from tenants.models import Client, User
from tenants.selectors import audit_chain

SMALL = {"clients": 2, "instances": 3, "largest": 4, "days": 20, "quarters": 1, "hours": 1}


@pytest.mark.django_db
def test_it_makes_what_it_was_asked_for_and_every_page_of_it_opens() -> None:
    call_command("generate_fleet", **SMALL, verbosity=0)
    theirs = Instance.objects.filter(purpose="client")
    assert Client.objects.get(slug="client-0000").instances.filter(purpose="client").count() == 4
    assert (Client.objects.count(), theirs.count()) == (2, 6)
    assert ResourceDay.objects.count() == HealthDay.objects.count() == 6 * 21
    assert ResourceQuarter.objects.count() == HealthSlot.objects.count() == 6 * 96
    assert ResourceNow.objects.count() == 6
    assert {each.shown for each in ContainerHealth.objects.all()} == {"3 of 3 running"}
    assert Sample.objects.count() == 3 * Probe.objects.count() == 3 * 6 * 240
    nightly = Operation.objects.filter(kind="backup")
    assert nightly.count() >= 6 * 13  # of the fourteenth night there is none before its hour
    proven = Backup.objects.filter(verified_at__isnull=False)
    assert proven.count() == nightly.filter(state="succeeded").count()
    assert RestoreTest.objects.count() == Instance.objects.filter(purpose="restore_test").count()
    assert UsageSum.objects.filter(span="day", meter="executions").count() == 6 * 21 * 2
    assert Incident.objects.filter(closed_at__isnull=False).count() == 6
    over = Notification.objects.filter(client__isnull=False, is_over=True)
    assert Delivery.objects.filter(notifications__in=over).count() == 6
    assert RolloutItem.objects.filter(rollout__state="succeeded", state="succeeded").count() == 6
    assert FleetAction.objects.get().items.count() == 6
    assert audit_chain.verify().problem is None
    assert not Server.objects.exclude(availability="cordoned").exists()
    browser = Browser()
    browser.force_login(
        User.objects.get(email="owner-0001@generated.example"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    assert browser.get("/c/client-0001/").status_code == 200
    page = "/c/client-0001/instances/flows-1/"
    assert browser.get(page).status_code == 200
    # Which instances use language models hangs on their ids, which are never the same.
    mine = UsageSum.objects.filter(instance__client__slug="client-0001", instance__name="flows-1")
    uses_models = mine.filter(meter="llm_input").exists()
    for slug in CHARTS:
        page_of_chart = browser.get(f"{page}usage/{slug}?span=month").content.decode()
        drawn = "chart-drawing" in page_of_chart
        assert drawn == (slug != "tokens" or uses_models), slug


@pytest.mark.django_db
def test_what_is_used_is_within_the_plan() -> None:
    call_command("generate_fleet", **SMALL, verbosity=0)
    for day in ResourceDay.objects.select_related("instance__plan"):
        plan = day.instance.plan
        assert 0 < day.cpu_seconds <= 86_400 * float(plan.cpus)
        assert day.memory_max_bytes is not None
        assert day.memory_max_bytes <= plan.memory_bytes


@pytest.mark.django_db
def test_single_readings_go_on_as_the_hour_changes() -> None:
    """Two hours have an hour's change in them, whenever it is."""
    call_command("generate_fleet", **{**SMALL, "clients": 1, "hours": 2}, verbosity=0)
    readings = Sample.objects.filter(service="n8n").order_by("instance_id", "at")
    rows = readings.values_list("instance", "at", "cpu_microseconds", "instance__plan__cpus")
    steps = 0
    for (instance, before, begun, cpus), (other, at, ended, _) in pairwise(rows):
        if instance == other:
            steps += 1
            assert 0 < ended - begun <= (at - before).total_seconds() * 1e6 * float(cpus)
    assert steps > 400


@pytest.mark.usefixtures("memory_server")
def test_it_refuses_a_database_that_somebody_uses(order: Callable[..., Instance]) -> None:
    order()
    with pytest.raises(CommandError, match="use an empty database, or say --among-real"):
        call_command("generate_fleet")
    assert Client.objects.count() == 1


@pytest.mark.usefixtures("memory_server")
def test_it_does_it_all_the_same_when_told(order: Callable[..., Instance]) -> None:
    book = order()
    call_command("generate_fleet", **SMALL, among_real=True, verbosity=0)
    assert Instance.objects.filter(purpose="client").count() == 7
    assert not ResourceDay.objects.filter(instance=book).exists()
    assert not book.backups.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", SMALL)
def test_none_of_nothing(name: str) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("generate_fleet", **{**SMALL, name: 0})


@pytest.mark.django_db
def test_what_was_done_to_it_can_be_looked_at() -> None:
    """Which instances and backups that was of hangs on their ids, which are never the same."""
    call_command("generate_fleet", **{**SMALL, "instances": 30}, verbosity=0)
    for move in (*Restore.objects.all(), *Upgrade.objects.all()):
        assert move.operation.state == "succeeded"
        assert move.operation.instance.purpose == "client"
    assert Restore.objects.filter(backup__instance=F("operation__instance")).exists()
    assert Upgrade.objects.exists()
    assert Rehearsal.objects.filter(scratch__purpose="rehearsal", passed=True).exists()
