"""What Prometheus gets: whoever has the token, and what the numbers are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from hosting.models import (
    Backup,
    Chore,
    ContainerHealth,
    Incident,
    Instance,
    Operation,
    ResourceNow,
    Server,
)
from tenants.models import Client

Order = Callable[..., Instance]
TOKEN = "token-of-the-tests"
PATHS = ("/metrics", "/metrics/instances")


@pytest.fixture(autouse=True)
def _with_token(settings: Settings) -> None:
    settings.BERTH_METRICS_TOKEN = TOKEN
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


def _read(path: str = "/metrics") -> dict[tuple[str, ...], float]:
    """By name, and the values of its labels, which the exposition has in alphabetical order."""
    answer = Browser().get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name.removeprefix("berth_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    ["", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer tökén", "x" * 9],
)
def test_who_has_no_token_gets_nothing(path: str, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = Browser().get(path, headers=headers)
    assert answer.status_code == 401
    assert b"berth_" not in answer.content
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", ["Bearer ", "Bearer x"])
def test_without_a_token_set_there_is_nothing(path: str, header: str, settings: Settings) -> None:
    settings.BERTH_METRICS_TOKEN = ""
    assert Browser().get(path, headers={"Authorization": header}).status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_being_logged_in_opens_nothing(path: str, browser: Browser) -> None:
    assert browser.get(path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_sent_there(path: str) -> None:
    answer = Browser().post(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 405


def test_operations_are_counted_by_kind_and_state(
    order: Order, work_off: Callable[[Instance], Operation]
) -> None:
    work_off(order())
    order("waits")
    found = _read()
    assert found["operations_active", "provision", "queued"] == 1
    assert found["operations_active", "stop", "running"] == 0
    assert found["operations_ended_lately", "provision", "succeeded"] == 1
    assert found["operations_due",] == 1
    assert found["instances", "running"] == 1


def test_an_operation_that_nobody_works_on_grows_old(order: Order) -> None:
    order()
    Operation.objects.update(
        run_after=timezone.now() - timedelta(minutes=5),
        requested_at=timezone.now() - timedelta(minutes=9),
    )
    found = _read()
    assert found["operations_oldest_due_seconds",] == pytest.approx(300, abs=20)
    assert found["operations_oldest_queued_seconds",] == pytest.approx(540, abs=20)


def test_one_that_waits_for_its_time_is_not_due(order: Order) -> None:
    order()
    Operation.objects.update(run_after=timezone.now() + timedelta(minutes=5))
    found = _read()
    assert found["operations_due",] == 0
    assert found["operations_oldest_due_seconds",] == 0


def test_servers_say_what_they_have_and_what_is_reserved(
    order: Order, memory_server: Server
) -> None:
    order()
    Server.objects.update(retry_at=timezone.now(), failures=3, disk_free_bytes=5)
    found = _read()
    assert found["server_memory_bytes", "memory"] == 16 * 1024**3
    assert found["server_reserved_memory_bytes", "memory"] == 512 * 1024**2
    assert found["server_reserved_cpus", "memory"] == 1
    assert found["server_breaker_open", "memory"] == 1
    assert found["server_disk_free_bytes", "memory"] == 5
    assert found["server_availability", "open", "memory"] == 1
    assert found["server_availability", "cordoned", "memory"] == 0
    assert ("server_answered_timestamp_seconds", "memory") not in found  # it never did


def test_incidents_and_chores_are_there(memory_server: Server) -> None:
    hour = timezone.now() - timedelta(hours=1)
    Incident.objects.create(kind="disk_low", server=memory_server, summary="Full.", opened_at=hour)
    Chore.objects.create(name="prune-backups", due_at=hour, last_error="It broke.")
    found = _read()
    assert found["incidents_open", "disk_low"] == 1
    assert found["incidents_oldest_seconds", "disk_low"] == pytest.approx(3600, abs=20)
    assert found["incidents_open", "server_unreachable"] == 0
    assert found["chore_late_seconds", "prune-backups"] == pytest.approx(3600, abs=20)
    assert found["chore_failing", "prune-backups"] == 1


def test_containers_are_counted_by_state(order: Order, acme: Client) -> None:
    now = timezone.now()
    seen: tuple[tuple[dict[str, object], datetime], ...] = (
        ({"running": 2, "states": {"exited": 1, "unhealthy": 1}}, now),
        ({"running": 3, "is_well": True}, now),
        ({"running": 0, "states": {"missing": 3}}, now - timedelta(minutes=11)),  # unknown by now
        ({"running": 0, "states": {"exited": 3}}, now),  # it is stopped, and is not to run
    )
    for number, (values, at) in enumerate(seen):
        instance = order(f"book-{number}")
        ContainerHealth.objects.create(
            **{"instance": instance, "at": at, "is_well": False, "total": 3, **values}
        )
    Instance.objects.update(
        state="running", first_running_at=now, web_address="10.0.0.2", web_port=80
    )
    Instance.objects.filter(name="book-3").update(state="stopped")
    found = _read()
    wanted = {"running": 4, "exited": 1, "unhealthy": 1}
    for state in ("running", "unhealthy", "exited", "restarting", "paused", "missing", "created"):
        assert found["containers", state] == wanted.get(state, 0)


def test_an_instance_says_how_it_is_and_when_it_was_saved(book: Instance) -> None:
    taken = timezone.now() - timedelta(hours=3)
    for verified, at in ((timezone.now(), taken), (None, timezone.now())):
        Backup.objects.create(
            instance=book, trigger="nightly", taken_at=at, verified_at=verified, manifest={"a": 1}
        )
    found = _read("/metrics/instances")
    assert found["instance_info", "guestbook", "acme", "book", "small", "memory", book.version] == 1
    assert found["instance_running", "acme", "book"] == 1
    assert found["instance_plan_memory_bytes", "acme", "book"] == 512 * 1024**2
    saved = found["instance_backup_timestamp_seconds", "acme", "book"]
    assert saved == pytest.approx(taken.timestamp(), abs=1)
    assert ("instance_restore_test_timestamp_seconds", "acme", "book") not in found


def test_what_was_read_long_ago_is_not_used_now(book: Instance) -> None:
    used = {"cpu_cores": 0.5, "memory_bytes": 1000, "volume_bytes": 2000}
    names = ("used_cpus", "used_memory_bytes", "used_disk_bytes")
    for age, shown in ((1, [0.5, 1000, 2000]), (11, [None, None, 2000])):
        at = timezone.now() - timedelta(minutes=age)
        ResourceNow.objects.update_or_create(instance=book, defaults={**used, "at": at})
        found = _read("/metrics/instances")
        assert [found.get((f"instance_{name}", "acme", "book")) for name in names] == shown


def test_deleted_instances_are_gone_from_it(book: Instance) -> None:
    Instance.objects.update(state="deleted", deleted_at=timezone.now(), is_routed=False)
    assert set(_read("/metrics/instances")) == {("instances_read_timestamp_seconds",)}
    assert ("instances", "deleted") not in _read()


@pytest.mark.parametrize("path", PATHS)
def test_it_costs_the_same_with_many(path: str, order: Order, acme: Client) -> None:
    Server.objects.update(cpus=100)
    order()
    _read(path)
    few = _count(path)
    for number in range(12):
        order(f"more-{number}")
    assert _count(path) == few <= 20


def _count(path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        _read(path)
    return len(queries)
