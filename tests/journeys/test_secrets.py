"""An instance's secrets are where they are needed, and written down nowhere."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client as Browser
from pytest_django import Settings

from hosting.flows import stacks
from hosting.models import Instance, Operation, OperationStep, Server
from hosting.services import instances
from tenants.services.actors import Actor
from tests.conftest import CATALOG
from tests.journeys import secret_search
from tests.journeys.inside import Inside
from tests.journeys.portal import Edge, Worker, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
IMAGE = "    image: guestbook:${BERTH_VERSION:-2}\n"
# As n8n gets its key: no file that the app reads, but a variable in the process alone.
BY_FILE = "      SECRET_KEY_FILE: /run/secrets/secret_key\n"
BY_SHELL = """    entrypoint:
      - sh
      - -c
      - export SECRET_KEY="$$(cat /run/secrets/secret_key)"; exec python3 /app/app.py
"""


@pytest.fixture
def keyed(settings: Settings, tmp_path: Path) -> str:
    """A guestbook that gets its key in its process's environment; the app's name."""
    text = (CATALOG / "guestbook.yaml").read_text()
    assert BY_FILE in text
    assert IMAGE in text
    text = text.replace(BY_FILE, "").replace(IMAGE, IMAGE + BY_SHELL)
    (tmp_path / "keyed.yaml").write_text(text)
    settings.BERTH_CATALOG_DIRS = [*settings.BERTH_CATALOG_DIRS, tmp_path]
    return "keyed"


@pytest.mark.parametrize("before", range(3))
def test_a_value_is_found_however_it_is_spelt(before: int) -> None:
    """The search itself: a search that finds nothing would pass for secrecy."""
    text = f"{'x' * before}swordfish-0815 and more".encode()
    for place in (text, text.hex().encode(), base64.b64encode(text)):
        assert secret_search.places_with("swordfish-0815", {"here": place}) == {"here"}
        assert not secret_search.places_with("swordfish-4711", {"here": place})


def test_no_secret_is_written_down_anywhere(
    keyed: str,
    edge: Edge,
    worker: Worker,
    order: Order,
    work_off: WorkOff,
    staff: Browser,
    member: Browser,
    actor: Actor,
    caplog: pytest.LogCaptureFixture,
    uprooted: None,
) -> None:
    caplog.set_level(logging.DEBUG)
    worker.start(level="DEBUG")
    instance = order("book", app=keyed)
    provisioning = instance.operations.get()
    wait_until(
        lambda: not Operation.objects.get(pk=provisioning.pk).is_active,
        seconds=90,
        what="the worker brings it up",
    )
    worker.stop()
    instances.restart(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert edge.get(instance, "/entries").status_code == 200

    planted = secret_search.plant(instance)
    places = secret_search.everything(
        instance,
        staff=staff,
        member=member,
        logs={"worker": worker.log.read_text(), "here": caplog.text},
    )
    found = secret_search.places_with(planted, places)
    assert {"database", "log here", "container log web", "output of operations"} <= found
    assert any(name.startswith("admin ") for name in found)
    assert any(name.startswith("dashboard ") for name in found)
    # These are what they say they are: each names the instance's stack.
    assert "DEBUG" in places["log worker"].decode()
    for name in ("log worker", "inspect db", "inspect everything", "inspect volumes"):
        assert str(instance.pk).encode() in places[name], name

    assert secret_search.leaks(instance, places) == {}


def test_each_container_has_the_secrets_that_it_needs_and_no_other(
    keyed: str, running: Order
) -> None:
    instance = running("book", app=keyed)
    here = Inside(instance)
    generated = {each.name: each.reveal() for each in instance.secrets.all()}
    assert set(generated) == {"postgres_password", "redis_password", "secret_key"}
    for service in stacks.build(instance).services:
        has = set(here.run(service.name, "ls", "/run/secrets").split())
        assert has == {each.name for each in service.secrets}
        for each in service.secrets:
            held = here.run(service.name, "cat", each.target)
            assert held == each.value
            assert generated.get(each.name, held) == held
        # Not in the environment of any process either, but where the app itself put it.
        script = "cat /proc/[0-9]*/environ 2>/dev/null; true"
        environments = here.run(service.name, "sh", "-c", script)
        assert "PATH=" in environments
        present = {name for name, value in generated.items() if value in environments}
        assert present == ({"secret_key"} if service.name == "web" else set())


def test_what_an_app_tells_as_it_dies_reaches_no_page(
    settings: Settings,
    tmp_path: Path,
    order: Order,
    work_off: WorkOff,
    docker_server: Server,
    staff: Browser,
    member: Browser,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason of a failure quotes the app's last words; this one's hold its key."""
    caplog.set_level(logging.DEBUG)
    text = (CATALOG / "guestbook.yaml").read_text()
    dying = """    entrypoint:
      - sh
      - -c
      - echo "the key $$(cat /run/secrets/secret_key) is no good"; exit 7
"""
    (tmp_path / "chatty.yaml").write_text(text.replace(IMAGE, IMAGE + dying))
    settings.BERTH_CATALOG_DIRS = [*settings.BERTH_CATALOG_DIRS, tmp_path]

    instance = order("book", app="chatty")
    operation = work_off(instance)
    assert operation.state == Operation.State.FAILED
    assert "the key [secret] is no good" in operation.reason
    assert operation.steps.get(state=OperationStep.State.FAILED).name == "ready"

    logs = {"here": caplog.text}
    places = secret_search.everything(instance, staff=staff, member=member, logs=logs)
    found = secret_search.leaks(instance, places)
    # Its own log is the app's own business, and is where the search shows that it works.
    assert found == {"secret_key": {"container log web"}}
