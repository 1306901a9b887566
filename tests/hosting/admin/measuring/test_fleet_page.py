"""The fleet's page: servers with what is reserved and used, forecasts, the ten of most."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hosting import hooks
from hosting.hooks import Ranked, Ranking
from hosting.models import Incident, Instance, ResourceNow, Server, UsageSum
from hosting.selectors.measuring import fleet_use
from tenants.models import User

Staff = Callable[[str], Browser]
PAGE = "/admin/hosting/instance/fleet/"


def test_it_has_servers_forecasts_and_the_ten_of_most(
    staff: Staff, fill: Callable[[int], None]
) -> None:
    fill(2)
    instance = Instance.objects.filter(state="running")[0]
    ResourceNow.objects.create(
        instance=instance, at="2126-01-01T00:00Z", cpu_cores=0.25, memory_bytes=256 * 1024**2
    )
    page = staff("operations").get(PAGE).content.decode()
    assert re.search(r'state=running"><span class="b-tile-number">\d+</span>', page)
    for words in ("When the open servers are full", "Most: Memory", "0.25 cores", "50 %"):
        assert words in page
    assert reverse("admin:hosting_instance_change", args=[instance.pk]) in page
    assert Server.objects.all()[0].name in page


def test_it_adds_all_servers_up_without_a_query_more(
    staff: Staff, fill: Callable[[int], None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fill(2)
    Server.objects.update(cpus=4, memory_mb=8 * 1024, disk_gb=100)
    servers = Server.objects.count()
    assert servers > 1
    ResourceNow.objects.create(
        instance=Instance.objects.filter(state="running")[0],
        at="2126-01-01T00:00Z",
        cpu_cores=0.25,
        memory_bytes=256 * 1024**2,
    )
    found = fleet_use.fleet_use(now=timezone.now())
    with django_assert_num_queries(0):
        total = fleet_use.total(found.servers)
    assert (total.cpus, total.used_cpus) == (4.0 * servers, 0.25)
    assert total.memory_bytes == servers * 8 * 1024**3
    assert total.disk_bytes == servers * 100 * 1024**3
    assert total.measured == 1
    assert total.instances == sum(each.instances for each in found.servers) > 1
    assert total.reserved_memory_bytes == sum(each.reserved_memory_bytes for each in found.servers)
    page = staff("operations").get(PAGE).content.decode()
    assert f"<strong>All {servers} servers</strong>" in page
    assert f"of {4 * servers} cores" in page


def test_one_server_alone_is_its_own_total(staff: Staff, memory_server: Server) -> None:
    assert Server.objects.count() == 1
    assert "All 1 servers" not in staff("operations").get(PAGE).content.decode()


def test_what_was_not_measured_is_not_called_unused(
    staff: Staff, fill: Callable[[int], None]
) -> None:
    fill(2)
    page = staff("operations").get(PAGE).content.decode()
    assert "use not measured lately" in page
    assert " used<" not in page


def test_without_an_open_server_nothing_is_said_to_be_given_away(
    staff: Staff, fill: Callable[[int], None]
) -> None:
    fill(1)
    Server.objects.update(availability=Server.Availability.CORDONED)
    page = staff("operations").get(PAGE).content.decode()
    assert "No server is open" in page
    assert "Nothing is left" not in page


def test_failures_are_counted_and_have_no_share_of_a_plan(
    staff: Staff, fill: Callable[[int], None]
) -> None:
    fill(1)
    today = timezone.now()
    UsageSum.objects.create(
        instance=Instance.objects.all()[0],
        span="day",
        on=today.date(),
        meter="executions",
        label="failed",
        total=1234,
        count=1234,
        maximum=1,
        latest_at=today,
        computed_at=today,
    )
    page = staff("operations").get(PAGE).content.decode()
    table = page.partition("Failed executions since yesterday")[2].partition("</table>")[0]
    assert "1,234" in table
    assert ">Failed</th>" in table
    assert "Of its plan" not in table


def test_open_incidents_lead_to_their_pages(staff: Staff, fill: Callable[[int], None]) -> None:
    fill(8)
    Incident.objects.filter(kind="disk_low").update(closed_at=timezone.now())
    page = staff("operations").get(PAGE).content.decode()
    for incident in Incident.objects.filter(closed_at=None):
        assert reverse("admin:hosting_incident_change", args=[incident.pk]) in page
    assert "All open incidents" not in page
    Incident.objects.update(closed_at=None)
    assert "All open incidents" in staff("root").get(PAGE).content.decode()


def test_what_other_rooms_rank_is_shown_to_whoever_may_see_it(
    staff: Staff, fill: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(1)
    dear = Instance.objects.all()[0]
    rows = [Ranked(dear, "EUR 7.20", 0.5)]
    readings: list[tuple[str, hooks.FleetReading]] = []
    monkeypatch.setattr(hooks, "_fleet_readings", readings)
    hooks.register_fleet_rankings(
        lambda *, now: [Ranking("Cost", rows)], permission="billing.view_modelcost"
    )
    hooks.register_fleet_rankings(
        lambda *, now: [Ranking("Margin", rows)], permission="billing.view_rate"
    )
    page = staff("operations").get(PAGE).content.decode()
    assert "Most: Cost" in page
    assert "EUR 7.20" in page
    assert "50 %" in page
    assert "Most: Margin" not in page


def test_it_is_for_whoever_may_see_servers(db: None) -> None:
    browser = Browser()
    browser.force_login(User.objects.create_user("bob@berth.example", is_staff=True))
    assert browser.get(PAGE).status_code == 403
