from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import Instance, Plan, Server
from tenants.models import AuditEvent

SERVER = {
    "name": "fra-1",
    "engine": "docker",
    "endpoint": "unix:///var/run/docker.sock",
    "cpus": "8",
    "memory_mb": "16384",
    "disk_gb": "200",
    "supernet": "10.208.0.0/16",
    "parallel_operations": "4",
}
PLAN = {
    "slug": "large",
    "name": "Large",
    "description": "",
    "cpus": "4",
    "memory_mb": "8192",
    "disk_gb": "80",
    "processes": "1024",
    "keep_daily": "7",
    "at_limit": "notify",
    "point_in_time_days": "0",
    "keep_weekly": "4",
    "keep_monthly": "3",
    "keep_yearly": "0",
    "is_active": "on",
    "position": "3",
}


def test_a_server_is_added_with_an_audit_event(root: Browser) -> None:
    root.post(reverse("admin:hosting_server_add"), SERVER)
    server = Server.objects.get()
    assert (server.name, server.cpus, server.availability) == ("fra-1", Decimal(8), "open")
    event = AuditEvent.objects.get()
    assert (event.action, event.after["memory_mb"]) == ("server.created", 16384)


def test_a_servers_change_is_audited_by_what_is_different(
    root: Browser, memory_server: Server
) -> None:
    form = {**SERVER, "engine": "memory", "endpoint": memory_server.endpoint, "cpus": "16"}
    form |= {"disk_gb": "500", "supernet": memory_server.supernet, "memory_mb": "4096"}
    root.post(reverse("admin:hosting_server_change", args=[memory_server.pk]), form)
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "server.updated",
        {"memory_mb": 16384},
        {"memory_mb": 4096},
    )


def test_the_addresses_of_a_server_in_use_stay(
    root: Browser, memory_server: Server, order: Callable[..., Instance]
) -> None:
    order()
    form = {**SERVER, "engine": "memory", "supernet": "10.220.0.0/16"}
    response = root.post(reverse("admin:hosting_server_change", args=[memory_server.pk]), form)
    assert response.context["adminform"].form.errors == {
        "supernet": ["Instances are on this server, so this can't be changed."]
    }
    memory_server.refresh_from_db()
    assert memory_server.supernet != "10.220.0.0/16"
    assert memory_server.memory_mb == 16 * 1024


def test_a_cordoned_server_takes_nothing_new_until_it_is_opened(
    root: Browser, memory_server: Server
) -> None:
    cordon = reverse("admin:hosting_server_act", args=[memory_server.pk, "cordon"])
    assert root.get(cordon).status_code == 405
    root.post(cordon)
    memory_server.refresh_from_db()
    assert memory_server.availability == "cordoned"
    assert _said(root.post(cordon))[-1] == "Server memory is cordoned already."
    root.post(reverse("admin:hosting_server_act", args=[memory_server.pk, "open"]))
    memory_server.refresh_from_db()
    assert memory_server.availability == "open"
    assert [each.action for each in AuditEvent.objects.order_by("sequence")] == [
        "server.cordoned",
        "server.opened",
    ]


def test_several_servers_are_cordoned_at_once(root: Browser, memory_server: Server) -> None:
    closed = Server.objects.create(
        name="closed", engine="memory", memory_mb=1024, disk_gb=10, availability="cordoned"
    )
    chosen = [str(memory_server.pk), str(closed.pk)]
    response = root.post(
        reverse("admin:hosting_server_changelist"),
        {"action": "cordon_selected", "_selected_action": chosen},
    )
    assert sorted(_said(response)) == [
        "1 cordoned.",
        "closed: Server closed is cordoned already.",
    ]


def test_a_server_shows_what_is_given_away_and_its_last_error(
    root: Browser, memory_server: Server, order: Callable[..., Instance]
) -> None:
    order()
    Server.objects.update(last_error="connect: timed out", failures=3, retry_at=timezone.now())
    html = root.get(reverse("admin:hosting_server_change", args=[memory_server.pk])).content
    assert b"<strong>0.5</strong> of 16 GiB" in html
    assert b"connect: timed out" in html
    assert b"Does not answer" in html


def test_a_plan_is_made_and_its_offer_changed(root: Browser) -> None:
    root.post(reverse("admin:hosting_plan_add"), PLAN)
    plan = Plan.objects.get()
    assert plan.memory_mb == 8192
    withdrawn = {key: value for key, value in PLAN.items() if key != "is_active"}
    root.post(reverse("admin:hosting_plan_change", args=[plan.pk]), withdrawn)
    plan.refresh_from_db()
    assert not plan.is_active
    last = AuditEvent.objects.latest("sequence")
    assert (last.action, last.after) == ("plan.updated", {"is_active": False})


def test_the_limits_of_a_plan_in_use_stay(
    root: Browser, small: Plan, memory_server: Server, order: Callable[..., Instance]
) -> None:
    order()
    form = {**PLAN, "name": "Small", "cpus": "1", "memory_mb": "1024", "disk_gb": "5"}
    response = root.post(
        reverse("admin:hosting_plan_change", args=[small.pk]), {**form, "processes": "256"}
    )
    [message] = response.context["adminform"].form.errors["memory_mb"]
    assert message.startswith("1 instance runs on this plan")
    small.refresh_from_db()
    assert small.memory_mb == 512


def test_neither_can_be_deleted(root: Browser, small: Plan, memory_server: Server) -> None:
    for name, pk in (("plan", small.pk), ("server", memory_server.pk)):
        url = reverse(f"admin:hosting_{name}_delete", args=[pk])
        assert root.post(url, {"post": "yes"}).status_code == 403


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
