"""Acme's n8n is destroyed, comes back from its backup, and goes on in a copy."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from hosting.models import Instance, Operation, Plan
from hosting.services.saving import clones, restores
from tenants.services.actors import Actor
from tests.journeys.guestbook import back_up, done
from tests.journeys.inside import docker
from tests.journeys.n8n import ALICE, data, guarded, listen, log_in
from tests.journeys.portal import Edge, web

pytestmark = [
    pytest.mark.docker,
    pytest.mark.n8n,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
USER, PASSWORD = "bob", "an-open-sesame-of-bobs"


def _destroy(instance: Instance) -> None:
    """As where somebody tidied up the wrong server: no container and no data is left."""
    named = ("--filter", f"name=^{instance.project}-", "--quiet")
    docker("rm", "--force", *docker("ps", "--all", *named).split())
    docker("volume", "rm", *docker("volume", "ls", *named).split())


def _assert_it_is_all_there(browser: httpx.Client) -> None:
    """The owner, the workflow, and the password that only n8n's own key opens."""
    log_in(browser)
    assert [each["name"] for each in data(browser.get("/rest/workflows"))] == ["Sums for sums"]
    assert browser.get("/webhook/sums").status_code == 401
    assert browser.get("/webhook/sums", auth=(USER, "a guess")).status_code == 403
    answer = browser.get("/webhook/sums", auth=(USER, PASSWORD))
    assert (answer.status_code, answer.json()) == (200, {"sum": 42})


def test_destroyed_it_comes_back_with_what_its_key_opens_and_can_be_cloned(
    edge: Edge, running: Order, work_off: WorkOff, backup_target: Path, actor: Actor
) -> None:
    plan = Plan.objects.create(
        slug="least", name="Least", cpus=Decimal(2), memory_mb=1536, disk_gb=5, processes=512
    )
    instance = running("n8n", app="n8n", plan=plan.slug)
    with web(edge.port, instance) as browser:
        data(browser.post("/rest/owner/setup", json=ALICE))
        listen(browser, guarded(browser, "sums", user=USER, password=PASSWORD))
        _assert_it_is_all_there(browser)
    backup = back_up(instance, work_off, actor)

    _destroy(instance)
    with web(edge.port, instance) as browser:
        assert browser.get("/").status_code >= 500
    restore = restores.request(instance=instance, backup=backup, actor=actor)
    assert done(work_off(instance)) == Operation.State.SUCCEEDED
    restore.refresh_from_db()
    assert {name: each["said"] for name, each in restore.checks.items()} == {
        "workflows": "1",
        "credentials": "1",
        "users": "1",
    }
    with web(edge.port, instance) as browser:
        _assert_it_is_all_there(browser)

    clone = clones.request(backup=backup, name="copy", plan=plan.slug, actor=actor)
    assert done(work_off(clone)) == Operation.State.SUCCEEDED
    with web(edge.port, clone) as browser:
        _assert_it_is_all_there(browser)
    keys = [each.secrets.get(name="encryption_key").reveal() for each in (instance, clone)]
    assert keys[0] == keys[1]
    passwords = [each.secrets.get(name="postgres_password").reveal() for each in (instance, clone)]
    assert passwords[0] != passwords[1]
