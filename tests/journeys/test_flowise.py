"""Acme's own Flowise, from the order to its end, on the real parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from hosting.engines.base import Engine
from hosting.flows.measuring import scraping
from hosting.models import Instance, Operation, Plan
from hosting.services import instances
from tenants.services.actors import Actor
from tests.conftest import OWNER
from tests.journeys.inside import Inside
from tests.journeys.portal import Edge, web

pytestmark = [pytest.mark.docker, pytest.mark.flowise, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
ALICE = {"email": "alice@acme.example", "password": "Correct-horse-8"}
API_KEY = "sk-acme-0815-not-a-real-one"


def answer(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.status_code}: {response.text[:500]}"
    return response.json()


def query(engine: Engine, instance: Instance, sql: str) -> str:
    """Ask the instance's own database, from inside its container."""
    command = ("psql", "-U", "flowise", "-d", "flowise", "-At", "-c", sql)
    result = engine.run(str(instance.pk), "db", command, timeout=timedelta(seconds=20))
    assert result.exit_code == 0, result.output
    return result.output.strip()


def assert_usable(browser: httpx.Client) -> None:
    """Asked once: the page is there, and the API speaks, with and without its database."""
    page = browser.get("/")
    assert page.status_code == 200
    assert "Flowise" in page.text
    assert browser.get("/api/v1/ping").text == "pong"
    assert browser.get("/api/v1/chatflows").status_code == 401
    answer(browser.get("/api/v1/loginmethod/default"))


def log_in(browser: httpx.Client) -> None:
    browser.headers["x-request-from"] = "internal"  # as Flowise's own page says
    assert answer(browser.post("/api/v1/auth/login", json=ALICE))["email"] == ALICE["email"]


def test_it_serves_works_remembers_and_goes(
    edge: Edge, running: Order, work_off: WorkOff, docker_engine: Engine, actor: Actor
) -> None:
    plan = Plan.objects.create(
        slug="least", name="Least", cpus=Decimal(2), memory_mb=1536, disk_gb=5, processes=512
    )
    instance = running("flows", app="flowise", plan=plan.slug)
    with web(edge.port, instance) as browser:
        assert_usable(browser)
        user = {"name": "Alice", "email": ALICE["email"], "credential": ALICE["password"]}
        answer(browser.post("/api/v1/account/register", json={"user": user}))
        log_in(browser)
        flow = answer(
            browser.post(
                "/api/v1/chatflows",
                json={
                    "name": "Acme's flow",
                    "flowData": json.dumps({"nodes": [], "edges": []}),
                    "type": "CHATFLOW",
                },
            )
        )
        credential = answer(
            browser.post(
                "/api/v1/credentials",
                json={
                    "name": "Acme's key",
                    "credentialName": "openAIApi",
                    "plainDataObj": {"openAIApiKey": API_KEY},
                },
            )
        )
    row = f"SELECT name FROM chat_flow WHERE id = '{flow['id']}'"
    assert query(docker_engine, instance, row) == "Acme's flow"
    kept = f"SELECT \"encryptedData\" FROM credential WHERE id = '{credential['id']}'"
    assert API_KEY not in query(docker_engine, instance, kept)

    for verb in (instances.stop, instances.start):
        verb(instance=instance, actor=actor)
        assert work_off(instance).state == Operation.State.SUCCEEDED
    with web(edge.port, instance) as browser:
        assert_usable(browser)
        log_in(browser)
        assert answer(browser.get(f"/api/v1/chatflows/{flow['id']}"))["name"] == "Acme's flow"
        # The key came back with the instance: what it encrypted can be read.
        read = answer(browser.get(f"/api/v1/credentials/{credential['id']}"))
        assert read["plainDataObj"]["openAIApiKey"]
        # A flow without nodes predicts nothing, and that is counted.
        failed = browser.post(
            f"/api/v1/internal-prediction/{flow['id']}", json={"question": "Why?"}
        )
        assert failed.is_error, failed.text
    scraping.read_all()
    counted = instance.usage_counters.filter(series__startswith="chatflow_prediction_")
    assert {each.series.partition("{")[2]: each.value for each in counted} == {
        'status="failure"}': 1.0
    }
    memory = Inside(instance).memory("web")
    assert memory.used < 0.6 * memory.limit, f"too tight: {memory}"

    instances.delete(instance=instance, confirmation="flows", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert docker_engine.observe(str(instance.pk)).is_gone
    assert str(instance.pk) not in docker_engine.observe_all(OWNER)
    assert edge.ask("flows.acme.localhost").status_code == 404
