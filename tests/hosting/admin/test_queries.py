"""Lists cost the same number of queries, however many rows they show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hosting.models import FleetAction, Instance, Rollout
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor

PAGES = (
    "index",
    "hosting_fleet",
    "hosting_instance_changelist",
    "hosting_operation_changelist",
    "hosting_backup_changelist",
    "hosting_restore_changelist",
    "hosting_restoretest_changelist",
    "hosting_upgrade_changelist",
    "hosting_rehearsal_changelist",
    "hosting_rollout_changelist",
    "hosting_server_changelist",
    "hosting_fleetaction_changelist",
    "hosting_incident_changelist",
    "hosting_limitwarning_changelist",
    "hosting_stray_changelist",
    "hosting_chore_changelist",
    "hosting_plan_changelist",
    "hosting_hostname_changelist",
    "hosting_subnet_changelist",
    "tenants_client_changelist",
    "tenants_member_changelist",
    "tenants_user_changelist",
    "tenants_auditevent_changelist",
    "auth_group_changelist",
)


@pytest.mark.parametrize("page", PAGES)
def test_a_list_costs_the_same_with_2_rows_and_with_30(
    root: Browser, fill: Callable[[int], None], actor: Actor, page: str
) -> None:
    fill(1)
    _write_events(actor, 2)
    few = _queries(root, page)
    fill(14)
    _write_events(actor, 28)
    assert _queries(root, page) == few


def test_an_instance_page_costs_the_same_with_many_operations(
    root: Browser, fill: Callable[[int], None]
) -> None:
    fill(1)
    instance = Client.objects.get().instances.get(state="failed")
    page = reverse("admin:hosting_instance_change", args=[instance.pk])
    root.get(page)  # content types are read once and kept
    few = _count(root, page)
    done = instance.operations.get()
    for number in range(6):
        instance.drifts.create(kind="stopped", subject=str(number), found="x", operation=done)
    for _ in range(6):
        done.pk = None
        done._state.adding = True
        done.save(force_insert=True)
    assert _count(root, page) == few


def test_a_fleet_actions_page_costs_the_same_with_many_waves(
    root: Browser, fill: Callable[[int], None]
) -> None:
    fill(12)
    small, large = FleetAction.objects.order_by("pk")[:2]
    failed = Instance.objects.exclude(operations__fleet_item__isnull=False)
    for wave, instance in enumerate(failed):
        large.items.create(
            instance=instance, wave=wave, state="failed", operation=instance.operations.get()
        )
    pages = [reverse("admin:hosting_fleetaction_change", args=[each.pk]) for each in (small, large)]
    root.get(pages[0])  # content types are read once and kept
    assert _count(root, pages[1]) == _count(root, pages[0])


def test_a_rollouts_page_costs_the_same_with_many_waves(
    root: Browser, fill: Callable[[int], None]
) -> None:
    fill(12)
    small, large = Rollout.objects.order_by("pk")[:2]
    others = Instance.objects.filter(name__startswith="running-")
    for wave, instance in enumerate(others, start=2):
        large.items.create(
            instance=instance, wave=wave, state="failed", operation=instance.operations.get()
        )
    pages = [reverse("admin:hosting_rollout_change", args=[each.pk]) for each in (small, large)]
    root.get(pages[0])  # content types are read once and kept
    assert _count(root, pages[1]) == _count(root, pages[0])


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("hosting_instance", "client__id__exact"),
        ("hosting_operation", "instance__client__id__exact"),
        ("hosting_backup", "instance__client__id__exact"),
        ("hosting_restoretest", "backup__instance__client__id__exact"),
        ("hosting_hostname", "instance__client__id__exact"),
        ("tenants_member", "client__id__exact"),
        ("tenants_auditevent", "client"),
    ],
)
def test_clients_are_searched_for_in_filters_and_not_listed(
    root: Browser, fill: Callable[[int], None], page: str, lookup: str
) -> None:
    fill(2)
    chosen, other = Client.objects.order_by("pk")
    query = {lookup: str(chosen.pk), "q": "nothing"}  # of the list itself, nothing is shown
    content = root.get(reverse(f"admin:{page}_changelist"), query).content.decode()
    assert "unfold-filter-autocomplete" in content
    assert chosen.name in content
    assert other.name not in content


def _queries(browser: Browser, page: str) -> int:
    return _count(browser, reverse(f"admin:{page}"))


def _count(browser: Browser, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(url).status_code == 200
    return len(captured)


def _write_events(actor: Actor, count: int) -> None:
    client = Client.objects.order_by("pk").first()
    assert client is not None
    for number in range(count):
        clients.update(client=client, name=f"Name {number} of {count}", actor=actor)
