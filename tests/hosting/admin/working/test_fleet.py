"""Whole servers: drained, reopened, and all their instances restarted, stopped or started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import FleetAction, Instance, Operation, Server
from hosting.services.working import breaker, fleet
from tenants.models import AuditEvent

Order = Callable[..., Instance]
Staff = Callable[[str], Browser]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def three(order: Order, memory_server: Server, work_off: WorkOff) -> list[Instance]:
    """Three running instances on the server."""
    found = [order(name) for name in ("one", "two", "three")]
    for each in found:
        work_off(each)
    return found


def test_a_drain_says_first_what_will_happen_and_then_shows_how_far_it_is(
    root: Browser, memory_server: Server, three: list[Instance], work_off: WorkOff
) -> None:
    drain = _page("drain", memory_server)
    assert "3 instances on it are stopped, in waves" in root.get(drain).content.decode()
    assert not FleetAction.objects.exists()
    response = root.post(drain, {"wave_size": "2"})
    action = FleetAction.objects.get()
    page = reverse("admin:hosting_fleetaction_change", args=[action.pk])
    assert response.headers["Location"] == page
    assert (action.kind, action.purpose, action.wave_size) == ("stop", "drain", 2)
    html = root.get(page).content.decode()
    assert "Drain memory" in html
    assert 'hx-trigger="every 2s"' in html
    assert html.count('class="b-wave"') == 2
    assert 'id="wave-1" open' in html
    assert 'id="wave-2" open' not in html
    assert b"Draining" in root.get(_page("change", memory_server)).content
    _work_off_all(action, work_off)
    html = root.get(reverse("admin:hosting_fleetaction_live", args=[action.pk])).content.decode()
    assert "3 of 3 instances ended" in html
    assert "hx-get" not in html
    assert b"Drained" in root.get(_page("change", memory_server)).content


def test_reopening_starts_what_the_drain_stopped_and_says_so(
    root: Browser, memory_server: Server, three: list[Instance], work_off: WorkOff
) -> None:
    root.post(_page("drain", memory_server), {"wave_size": "5"})
    reopen = reverse("admin:hosting_server_act", args=[memory_server.pk, "open"])
    assert "has not ended yet" in _said(root.post(reopen))[-1]
    _work_off_all(FleetAction.objects.get(), work_off)
    assert "what the drain had stopped starts again" in _said(root.post(reopen))[-1]
    assert FleetAction.objects.filter(purpose="reopen", state="running").exists()
    html = root.get(_page("change", memory_server)).content.decode()
    assert "Start again what a drain stopped on memory" in html


def test_a_server_where_nothing_runs_is_drained_at_once(
    root: Browser, memory_server: Server
) -> None:
    drain = _page("drain", memory_server)
    assert "nothing has to be stopped" in root.get(drain).content.decode()
    response = root.post(drain, {"wave_size": "5"})
    assert response.headers["Location"] == _page("change", memory_server)
    assert _said(response)[-1] == "memory is drained: nothing runs on it."
    assert _said(root.post(drain, {"wave_size": "5"}))[-1] == "Server memory is draining already."


@pytest.mark.parametrize(("kind", "count"), [("restart", 2), ("stop", 2), ("start", 1)])
def test_all_instances_are_asked_for_what_they_can_be_asked_for(
    root: Browser, memory_server: Server, three: list[Instance], kind: str, count: int
) -> None:
    Instance.objects.filter(pk=three[0].pk).update(state="stopped")
    page = reverse("admin:hosting_server_all", args=[memory_server.pk, kind])
    many = "instance" if count == 1 else "instances"
    assert f"This reaches {count} {many} now." in root.get(page).content.decode()
    assert root.post(page, {"wave_size": "5", "most_failures": "0"}).status_code == 302
    action = FleetAction.objects.get()
    assert (action.kind, action.items.count(), action.most_failures) == (kind, count, 0)
    event = AuditEvent.objects.get(action="fleet.begun")
    assert event.actor_label == "Root <root@berth.example>"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"wave_size": "0", "most_failures": "1"}, "A wave has at least one instance."),
        ({"wave_size": "", "most_failures": "1"}, "Type a number."),
        ({"wave_size": "two", "most_failures": "1"}, "Type a whole number."),
        ({"wave_size": "2", "most_failures": "-1"}, "greater than or equal to 0"),
        ({"wave_size": "99999999999", "most_failures": "1"}, "less than or equal to 1000"),
    ],
)
def test_bad_numbers_are_said_at_the_field_and_begin_nothing(
    root: Browser,
    memory_server: Server,
    three: list[Instance],
    form: dict[str, str],
    sentence: str,
) -> None:
    page = reverse("admin:hosting_server_all", args=[memory_server.pk, "restart"])
    response = root.post(page, form)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not FleetAction.objects.exists()


def test_what_is_refused_is_a_sentence_on_the_servers_page(
    root: Browser, memory_server: Server, three: list[Instance]
) -> None:
    page = reverse("admin:hosting_server_all", args=[memory_server.pk, "start"])
    response = root.post(page, {"wave_size": "5", "most_failures": "1"})
    assert response.headers["Location"] == _page("change", memory_server)
    assert _said(response) == ["No instance on server memory can be asked for that now."]
    restart = reverse("admin:hosting_server_all", args=[memory_server.pk, "restart"])
    for _ in range(2):
        response = root.post(restart, {"wave_size": "5", "most_failures": "1"})
    assert "has not ended yet; wait for it, or stop it." in _said(response)[-1]
    assert FleetAction.objects.count() == 1


@pytest.mark.parametrize("kind", ["delete", "provision", "nothing"])
def test_nothing_else_is_asked_of_a_whole_server(
    root: Browser, memory_server: Server, kind: str
) -> None:
    page = reverse("admin:hosting_server_all", args=[memory_server.pk, kind])
    assert root.post(page, {"wave_size": "5", "most_failures": "1"}).status_code == 404


def test_a_fleet_action_is_stopped_once(
    root: Browser, memory_server: Server, three: list[Instance], actor: Any
) -> None:
    action = fleet.begin_on_server(server=memory_server, kind="restart", actor=actor, wave_size=1)
    stop = reverse("admin:hosting_fleetaction_stop", args=[action.pk])
    assert root.get(stop).status_code == 405
    page = reverse("admin:hosting_fleetaction_change", args=[action.pk])
    assert stop in root.get(page).content.decode()
    root.post(stop)
    action.refresh_from_db()
    assert action.state == "stopped"
    html = root.get(page).content.decode()
    assert "Stopped by Root &lt;root@berth.example&gt;." in html
    assert "before its wave" in html
    assert stop not in html
    assert "hx-get" in html, "the wave that had begun goes on, and is still watched"
    assert _said(root.post(stop))[-1] == "It has ended already."


def test_failures_stand_with_their_reason_and_the_limit(
    root: Browser, memory_server: Server, three: list[Instance], actor: Any
) -> None:
    action = fleet.begin_on_server(
        server=memory_server, kind="restart", actor=actor, wave_size=3, most_failures=0
    )
    operation = action.items.order_by("pk")[0].operation
    assert operation is not None
    Operation.objects.filter(pk=operation.pk).update(
        state="failed", reason="<web> ended with exit code 1.", finished_at=timezone.now()
    )
    fleet.advance(action=action)
    html = root.get(reverse("admin:hosting_fleetaction_change", args=[action.pk])).content.decode()
    assert "Stopped by itself: 1 operation failed." in html
    assert "&lt;web&gt; ended with exit code 1." in html
    assert "it stops itself at 1" in html
    assert reverse("admin:hosting_operation_change", args=[operation.pk]) in html


def test_a_silent_server_says_since_when_and_when_it_is_asked_again(
    root: Browser, memory_server: Server, order: Order
) -> None:
    order()
    for _ in range(breaker.FAILURES_THAT_OPEN):
        breaker.record_silence(server=memory_server, error="no route")
    html = root.get(_page("change", memory_server)).content.decode()
    for words in ("Does not answer", "Silent since", "Asked again", "no route", "1 waiting"):
        assert words in html
    assert "admin/hosting/incident/" in html
    breaker.record_answer(server=memory_server)
    html = root.get(_page("change", memory_server)).content.decode()
    assert "Silent since" not in html
    assert "Answers" in html


def test_a_server_shows_its_disk_its_work_and_when_it_was_compared(
    root: Browser, memory_server: Server, order: Order, settings: Any
) -> None:
    settings.BERTH_DISK_RESERVE_GB = 10
    operation = order().operations.get()
    now = timezone.now()
    Operation.objects.filter(pk=operation.pk).update(
        state="running", lease_expires_at=now + timedelta(minutes=1)
    )
    Server.objects.update(
        disk_free_bytes=8 * 10**9, disk_total_bytes=100 * 10**9, reconciled_at=now
    )
    html = root.get(_page("change", memory_server)).content.decode()
    assert "8 GB free of 100 GB, 10 GB kept back" in html
    assert "b-fill-bad" in html
    assert "1 of 4 at work" in html
    assert "waiting" not in html[html.index("at work") : html.index("Last compared")]
    assert "Last compared" in html
    assert "8 GB free" in root.get(reverse("admin:hosting_server_changelist")).content.decode()


def test_how_many_operations_run_at_once_can_be_changed(
    root: Browser, memory_server: Server
) -> None:
    form = {
        "engine": "memory",
        "endpoint": memory_server.endpoint,
        "cpus": "16",
        "memory_mb": str(memory_server.memory_mb),
        "disk_gb": "500",
        "supernet": memory_server.supernet,
    }
    root.post(_page("change", memory_server), {**form, "parallel_operations": "9"})
    memory_server.refresh_from_db()
    assert memory_server.parallel_operations == 9
    response = root.post(_page("change", memory_server), {**form, "parallel_operations": "0"})
    assert "parallel_operations" in response.context["adminform"].form.errors
    memory_server.refresh_from_db()
    assert memory_server.parallel_operations == 9


@pytest.mark.parametrize("group", ["operations", "support", "finance"])
def test_only_operations_acts_on_whole_servers_and_removes_objects(
    staff: Staff, memory_server: Server, three: list[Instance], actor: Any, group: str
) -> None:
    browser = staff(group)
    allowed = group == "operations"
    form = {"wave_size": "1", "most_failures": "1"}
    restart = reverse("admin:hosting_server_all", args=[memory_server.pk, "restart"])
    assert browser.post(restart, form).status_code == (302 if allowed else 403)
    assert FleetAction.objects.exists() == allowed
    action = FleetAction.objects.first() or fleet.begin_on_server(
        server=memory_server, kind="restart", actor=actor
    )
    expected = 302 if allowed else 403
    live = browser.get(reverse("admin:hosting_fleetaction_live", args=[action.pk]))
    assert live.status_code == (200 if allowed else 403)
    stop = browser.post(reverse("admin:hosting_fleetaction_stop", args=[action.pk]))
    drain = browser.post(_page("drain", memory_server), {"wave_size": "1"})
    stray = memory_server.strays.create(kind="volume", reference="old", name="old")
    remove = browser.post(
        reverse("admin:hosting_stray_remove", args=[stray.pk]), {"confirmation": "old"}
    )
    assert (stop.status_code, drain.status_code, remove.status_code) == (expected,) * 3
    stray.refresh_from_db()
    memory_server.refresh_from_db()
    assert (stray.state == "removal_requested") == allowed
    assert (memory_server.availability == "draining") == allowed


def _page(name: str, server: Server) -> str:
    return reverse(f"admin:hosting_server_{name}", args=[server.pk])


def _work_off_all(action: FleetAction, work_off: WorkOff) -> None:
    """Wave by wave until it has ended."""
    for _ in range(action.items.count()):
        for item in action.items.filter(state="running"):
            work_off(item.instance)
        fleet.advance(action=action)


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]
