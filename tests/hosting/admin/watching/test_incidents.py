"""The page of an incident for staff, and the list of limit warnings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import Incident, Instance, LimitWarning, Probe
from hosting.services.watching import incidents
from tests.hosting.views.reading import plain

Staff = Callable[[str], Browser]
Fill = Callable[[int], None]


def test_an_incidents_page_has_its_timeline(staff: Staff, fill: Fill) -> None:
    fill(1)
    instance = Instance.objects.filter(state="running")[0]
    since = timezone.now() - timedelta(minutes=5)
    Probe.objects.create(
        instance=instance,
        at=since,
        seconds=15,
        is_up=False,
        is_answering=False,
        error="answered 503",
    )
    incident = incidents.open_for(
        kind=Incident.Kind.INSTANCE_DOWN, instance=instance, summary="It is away.", now=since
    )
    incidents.explain(incident=incident, cause="Its disk is full.", now=timezone.now())
    address = reverse("admin:hosting_incident_change", args=[incident.pk])
    page = plain(staff("support").get(address).content.decode())
    for words in (
        "A look failed: answered 503.",
        "It is away.",
        "Its disk is full.",
        "to operations: no channel is for it.",
        f"{since:%Y-%m-%d %H:%M:%S} UTC",
    ):
        assert words in page


def test_an_instances_page_leads_to_its_past_incidents(staff: Staff, fill: Fill) -> None:
    fill(1)
    instance = Instance.objects.filter(state="running")[0]
    address = reverse("admin:hosting_instance_change", args=[instance.pk])
    page = staff("support").get(address).content.decode()
    assert f"{reverse('admin:hosting_incident_changelist')}?q={instance.name}" in page
    finance = staff("finance").get(address).content.decode()
    assert "All incidents" not in finance


def test_limit_warnings_are_there_to_read(staff: Staff, fill: Fill) -> None:
    fill(1)
    now = timezone.now()
    LimitWarning.objects.create(
        instance=Instance.objects.filter(state="failed")[0],
        kind="memory",
        summary="Memory was nearly full.",
        opened_at=now,
        closed_at=now,
    )
    browser = staff("operations")
    address = reverse("admin:hosting_limitwarning_changelist")
    everything = browser.get(address).content.decode()
    assert everything.index("Full.") < everything.index("Memory was nearly full.")
    going_on = browser.get(f"{address}?is=open").content.decode()
    assert "Full." in going_on
    assert "Memory was nearly full." not in going_on
    warning = LimitWarning.objects.get(kind="disk")
    one = browser.get(reverse("admin:hosting_limitwarning_change", args=[warning.pk]))
    assert one.status_code == 200
    assert 'name="_save"' not in one.content.decode()
