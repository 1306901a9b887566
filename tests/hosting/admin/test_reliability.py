"""Incidents, objects of no instance, chores, and what an instance's page says of repairs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.admin.watching.incidents import ADVICE
from hosting.models import Chore, Drift, Incident, Instance, Operation, Server, Stray
from hosting.services.watching import incidents
from hosting.services.working import breaker
from tenants.models import AuditEvent

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]


def test_the_first_page_is_calm_without_incidents(root: Browser) -> None:
    assert "No open incident" in root.get(reverse("admin:index")).content.decode()


def test_the_first_page_begins_with_what_is_wrong(root: Browser, memory_server: Server) -> None:
    incident = _unreachable(memory_server)
    html = root.get(reverse("admin:index")).content.decode()
    page = reverse("admin:hosting_incident_change", args=[incident.pk])
    assert html.index(page) < html.index("Instances by state")
    assert "does not answer: no route" in html


def test_open_incidents_come_first_and_can_be_told_apart(
    root: Browser, memory_server: Server
) -> None:
    _unreachable(memory_server)
    incidents.open_for(kind=Incident.Kind.AUDIT_LOG_BROKEN, summary="Event 3 was altered.")
    Incident.objects.filter(server=memory_server).update(
        closed_at=timezone.now() + timedelta(minutes=5)
    )
    page = reverse("admin:hosting_incident_changelist")
    html = root.get(page).content.decode()
    assert html.index("Event 3 was altered.") < html.index("does not answer: no route")
    over = root.get(page, {"is": "over"}).content.decode()
    assert "does not answer: no route" in over
    assert "Event 3 was altered." not in over
    kind = root.get(page, {"kind__exact": "audit_log_broken"}).content.decode()
    assert "Event 3 was altered." in kind
    assert "does not answer: no route" not in kind


def test_an_incident_says_what_berth_does_about_it_and_only_while_it_goes_on(
    root: Browser, memory_server: Server
) -> None:
    incident = _unreachable(memory_server)
    page = reverse("admin:hosting_incident_change", args=[incident.pk])
    assert "Berth asks the server again" in root.get(page).content.decode()
    incidents.close(kind=Incident.Kind.SERVER_UNREACHABLE, server=memory_server)
    assert "Berth asks the server again" not in root.get(page).content.decode()
    assert root.post(page, {"summary": "Nothing."}).status_code == 403


@pytest.mark.parametrize("kind", list(Incident.Kind))
def test_every_kind_of_incident_has_a_page(root: Browser, db: None, kind: Incident.Kind) -> None:
    incident = incidents.open_for(kind=kind, summary="Something is wrong.")
    page = root.get(reverse("admin:hosting_incident_change", args=[incident.pk]))
    assert "Something is wrong." in page.content.decode()


def test_an_instance_shows_what_was_found_what_was_done_and_what_comes_next(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    instance = _degraded(order, work_off)
    html = root.get(reverse("admin:hosting_instance_change", args=[instance.pk])).content.decode()
    operation = instance.operations.get(kind="repair")
    assert "Web does not run" in html
    assert "Put right." in html
    assert reverse("admin:hosting_operation_change", args=[operation.pk]) in html
    assert "<pre" in html
    assert "heap out of memory\n" in html
    incident = Incident.objects.get(instance=instance)
    assert reverse("admin:hosting_incident_change", args=[incident.pk]) in html
    assert f"tries again by itself at {instance.repair_after:%H:%M} UTC" in html
    assert "1 network" in html or "2 networks" in html


def test_finance_reads_of_no_trouble_on_an_instance(
    staff: Staff, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    instance = _degraded(order, work_off)
    page = reverse("admin:hosting_instance_change", args=[instance.pk])
    html = staff("finance").get(page).content.decode()
    assert "What Berth found" not in html
    assert "admin/hosting/incident/" not in html


def test_support_is_led_to_no_server_by_an_incident(staff: Staff, memory_server: Server) -> None:
    incident = _unreachable(memory_server)
    browser = staff("support")
    server = reverse("admin:hosting_server_change", args=[memory_server.pk])
    for page in (
        reverse("admin:index"),
        reverse("admin:hosting_incident_change", args=[incident.pk]),
    ):
        html = browser.get(page).content.decode()
        assert memory_server.name in html
        assert server not in html


def test_an_object_is_removed_only_by_its_name(root: Browser, memory_server: Server) -> None:
    stray = _stray(memory_server)
    remove = reverse("admin:hosting_stray_remove", args=[stray.pk])
    assert "the data in it is gone for good" in root.get(remove).content.decode()
    refused = root.post(remove, {"confirmation": "old"})
    assert refused.status_code == 422
    assert "Type old-data to remove it." in refused.content.decode()
    assert 'value="old"' in refused.content.decode()
    stray.refresh_from_db()
    assert stray.state == "found"
    assert not AuditEvent.objects.exists()
    assert root.post(remove, {"confirmation": "old-data"}).status_code == 302
    stray.refresh_from_db()
    assert stray.state == "removal_requested"
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label) == (
        "stray.removal_requested",
        "Root <root@berth.example>",
    )


def test_what_is_asked_for_or_gone_is_refused_in_a_sentence(
    root: Browser, memory_server: Server
) -> None:
    stray = _stray(memory_server)
    remove = reverse("admin:hosting_stray_remove", args=[stray.pk])
    root.post(remove, {"confirmation": "old-data"})
    assert _said(root.post(remove, {"confirmation": "old-data"}))[-1] == (
        "Volume old-data is being removed already."
    )
    page = reverse("admin:hosting_stray_change", args=[stray.pk])
    assert remove not in root.get(page).content.decode()
    Stray.objects.update(state="gone", ended_at=timezone.now())
    assert _said(root.post(remove, {"confirmation": "old-data"}))[-1] == (
        "Volume old-data is gone already."
    )


def test_no_kind_of_incident_is_without_advice() -> None:
    assert set(ADVICE) == set(Incident.Kind)


@pytest.mark.parametrize("kind", list(Stray.Kind))
def test_every_kind_of_object_says_what_it_is_and_why_it_is_kept(
    root: Browser, memory_server: Server, kind: Stray.Kind
) -> None:
    stray = _stray(memory_server, kind=kind)
    html = root.get(reverse("admin:hosting_stray_change", args=[stray.pk])).content.decode()
    assert f"A {kind.label.lower()} that carries Berth&#x27;s label" in html
    assert "keeps" in html
    assert "01234567-89ab" in html


def test_a_chore_shows_its_last_error_and_can_only_be_read(root: Browser, db: None) -> None:
    Chore.objects.create(
        name="verify-audit-log", due_at=timezone.now(), last_error="OperationalError: closed"
    )
    html = root.get(reverse("admin:hosting_chore_changelist")).content.decode()
    assert "OperationalError: closed" in html
    assert "Failed" in html
    page = reverse("admin:hosting_chore_change", args=["verify-audit-log"])
    assert root.get(page).status_code == 200
    assert root.post(page, {"last_error": ""}).status_code == 403


def _unreachable(server: Server) -> Incident:
    for _ in range(breaker.FAILURES_THAT_OPEN):
        breaker.record_silence(server=server, error="no route")
    return Incident.objects.get(server=server)


def _stray(server: Server, kind: Stray.Kind = Stray.Kind.VOLUME) -> Stray:
    return Stray.objects.create(
        server=server,
        kind=kind,
        reference="old-data",
        name="old-data",
        instance_label="01234567-89ab-cdef-0123-456789abcdef",
    )


def _degraded(order: Order, work_off: WorkOff) -> Instance:
    instance = order()
    work_off(instance)
    now = timezone.now()
    repair = Operation.objects.create(
        instance=instance,
        kind="repair",
        state="succeeded",
        requested_by_label="Berth (reconciler)",
        finished_at=now,
    )
    Drift.objects.create(
        instance=instance,
        kind="stopped",
        subject="web",
        found="web does not run",
        done="Put right.",
        operation=repair,
        settled_at=now,
    )
    instance.state = Instance.State.DEGRADED
    instance.state_reason = (
        "Web does not run: it ran out of memory. Its last words: ready / heap out of memory"
    )
    instance.repairs, instance.repair_after = 4, now + timedelta(minutes=20)
    instance.save()
    incidents.open_for(
        kind=Incident.Kind.INSTANCE_DEGRADED, instance=instance, summary="book: does not run."
    )
    return instance


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
