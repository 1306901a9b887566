"""Acme's own n8n, from the order to its end, on the real parts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.engines.base import Engine
from hosting.flows.measuring import run_times, scraping
from hosting.flows.working import periodic
from hosting.models import Chore, Instance, Operation, Plan, UsageEvent
from hosting.services import instances
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.journeys import secret_search
from tests.journeys.inside import Inside
from tests.journeys.n8n import ALICE, assert_usable, automate, data, log_in
from tests.journeys.portal import Edge, wait_until, web

pytestmark = [pytest.mark.docker, pytest.mark.n8n, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def query(engine: Engine, instance: Instance, sql: str) -> str:
    """Ask the instance's own database, from inside its container."""
    command = ("psql", "-U", "n8n", "-d", "n8n", "-At", "-c", sql)
    result = engine.run(str(instance.pk), "db", command, timeout=timedelta(seconds=20))
    assert result.exit_code == 0, result.output
    return result.output.strip()


def assert_all_gone(edge: Edge, engine: Engine, instance: Instance, name: str) -> None:
    assert instance.state == Instance.State.DELETED
    assert engine.observe(str(instance.pk)).is_gone
    assert str(instance.pk) not in engine.observe_all(OWNER)
    assert edge.ask(name).status_code == 404


def test_it_serves_works_remembers_and_goes(
    edge: Edge,
    running: Order,
    work_off: WorkOff,
    docker_engine: Engine,
    actor: Actor,
    staff: Browser,
    member: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    plan = Plan.objects.create(
        slug="least", name="Least", cpus=Decimal(2), memory_mb=1536, disk_gb=5, processes=512
    )
    instance = running("n8n", app="n8n", plan=plan.slug)
    with web(edge.port, instance) as browser:
        assert_usable(browser)
        data(browser.post("/rest/owner/setup", json=ALICE))
        made = automate(browser, "sums")

    row = f"SELECT name FROM workflow_entity WHERE id = '{made}'"
    assert query(docker_engine, instance, row) == "Sums for sums"
    runs = f"SELECT count(*) FROM execution_entity WHERE \"workflowId\" = '{made}'"
    wait_until(
        lambda: query(docker_engine, instance, f"{runs} AND status = 'success'") == "1",
        seconds=10,
        what="the execution is recorded",
    )
    config = docker_engine.run(
        str(instance.pk), "web", ("cat", "/home/node/.n8n/config"), timeout=timedelta(seconds=10)
    )
    key = instance.secrets.get(name="encryption_key").reveal()
    assert json.loads(config.output)["encryptionKey"] == key

    for verb in (instances.stop, instances.start):
        verb(instance=instance, actor=actor)
        assert work_off(instance).state == Operation.State.SUCCEEDED
    with web(edge.port, instance) as browser:
        assert_usable(browser)
        log_in(browser)
        assert data(browser.get(f"/rest/workflows/{made}"))["active"]
        assert browser.get("/webhook/sums").json() == {"sum": 42}
    wait_until(lambda: executions(instance) == 1, seconds=20, what="the execution is counted")
    assert run_times.read_all() == 2  # the one before it was stopped as well
    assert run_times.read_all() == 0
    took = UsageEvent.objects.filter(instance=instance, meter="execution_seconds")
    assert [(each.label, 0 < each.amount < 30) for each in took] == [("success", True)] * 2
    assert_refuses_what_is_used_up(edge, instance)
    logs = {"here": caplog.text}
    places = secret_search.everything(instance, staff=staff, member=member, logs=logs)
    assert secret_search.leaks(instance, places) == {}
    memory = Inside(instance).memory("web")
    assert memory.used < 0.6 * memory.limit, f"too tight: {memory}"

    instances.delete(instance=instance, confirmation="n8n", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert_all_gone(edge, docker_engine, instance, "n8n.acme.localhost")


def assert_refuses_what_is_used_up(edge: Edge, instance: Instance) -> None:
    """Its webhooks, and nothing else, while its plan includes no more than it has used."""
    for included, status in ((1, 429), (100, 200)):
        Plan.objects.filter(pk=instance.plan_id).update(
            included_executions=included, at_limit=Plan.AtLimit.BLOCK
        )
        periodic.count_usage()
        Chore.objects.update(due_at=timezone.now())
        with web(edge.port, instance) as browser:
            assert browser.get("/webhook/sums").status_code == status
            assert_usable(browser)


def executions(instance: Instance) -> float:
    """How many executions Berth has read from n8n's own counter."""
    scraping.read_all()
    counted = instance.usage_counters.filter(series="n8n_workflow_success_total")
    return sum(each.value for each in counted)


@pytest.mark.slow
def test_in_queue_mode_its_worker_does_the_work(
    edge: Edge, running: Order, work_off: WorkOff, docker_engine: Engine, actor: Actor
) -> None:
    plan = Plan.objects.create(
        slug="least", name="Least", cpus=Decimal(2), memory_mb=2560, disk_gb=5, processes=512
    )
    instance = running("queue", app="n8n-queue", plan=plan.slug)
    here = Inside(instance)
    assert set(here.containers()) == {"web", "worker", "db", "redis"}
    with web(edge.port, instance) as browser:
        assert_usable(browser)
        data(browser.post("/rest/owner/setup", json=ALICE))
        made = automate(browser, "queued")
    # Says the worker, and not the web service.
    finished = "finished execution"
    wait_until(
        lambda: finished in docker_engine.logs(str(instance.pk), "worker"),
        seconds=10,
        what="the worker says that it finished",
    )
    runs = f"SELECT status FROM execution_entity WHERE \"workflowId\" = '{made}'"
    assert query(docker_engine, instance, runs) == "success"
    for service in ("web", "worker"):
        memory = here.memory(service)
        assert memory.used < 0.6 * memory.limit, f"{service} is too tight: {memory}"

    instances.delete(instance=instance, confirmation="queue", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert_all_gone(edge, docker_engine, instance, "queue.acme.localhost")
