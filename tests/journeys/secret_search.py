"""Looking for secrets wherever something is written down about an instance."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from hosting.engines.labels import LABEL_OWNER
from hosting.models import Instance, OperationStep
from tenants.models import AuditEvent
from tests.journeys.inside import Inside, docker
from tests.journeys.portal import environment

Places = Mapping[str, bytes]
"""What was written, by where."""


def spellings(value: str) -> set[bytes]:
    """The value as text, in hexadecimal (as PostgreSQL dumps bytes), and inside of base64."""
    plain = value.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode()}
    for before in range(3):  # where it stands in a longer text shifts its bits
        encoded = base64.b64encode(b"\0" * before + plain)
        whole = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def places_with(value: str, places: Places) -> set[str]:
    """Where the value can be found."""
    wanted = spellings(value)
    return {name for name, text in places.items() if any(each in text for each in wanted)}


def leaks(instance: Instance, places: Places) -> dict[str, set[str]]:
    """Where each of the instance's generated secrets can be found, if anywhere."""
    values = {each.name: each.reveal() for each in instance.secrets.all()}
    assert values, "an instance without secrets would prove nothing"
    found = {name: places_with(value, places) for name, value in values.items()}
    return {name: where for name, where in found.items() if where}


def plant(instance: Instance) -> str:
    """Write a value where Berth and the app write, for the search to find; return it."""
    value = secrets.token_hex(20)
    logging.getLogger("hosting.planted").debug("planted %s", value)
    newest = instance.operations.order_by("-requested_at")[0]
    step = newest.steps.order_by("position")[0]
    OperationStep.objects.filter(pk=step.pk).update(output=f"planted {value}\n")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE planted AS SELECT %s::bytea AS value", [f"before {value}".encode()]
        )
    Inside(instance).run("web", "sh", "-c", f"echo planted {value} >/proc/1/fd/1")
    return value


def uproot() -> None:
    """Take away what would outlive the test."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS planted")


def everything(
    instance: Instance, *, staff: Browser, member: Browser, logs: Mapping[str, str]
) -> dict[str, bytes]:
    """All places; ``logs`` are Berth's own."""
    return {
        "database": _dump(),
        **{f"log {name}": text.encode() for name, text in logs.items()},
        **_of_containers(instance),
        **_of_the_edge(),
        **_output(instance),
        **_pages("admin", staff, _admin_pages(instance)),
        **_pages("dashboard", member, _dashboard_pages(instance)),
    }


def _dump() -> bytes:
    """Berth's whole database."""
    done = subprocess.run(
        ["pg_dump", "--dbname", environment()["DATABASE_URL"]],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return done.stdout


def _of_containers(instance: Instance) -> dict[str, bytes]:
    here = Inside(instance)
    engine, found = here.engine, {}
    for service, shown in here.containers().items():
        found[f"inspect {service}"] = json.dumps(shown).encode()
        lines = engine.logs(str(instance.pk), service, lines=100_000)
        found[f"container log {service}"] = lines.encode()
    everyone = docker("ps", "-aq", "--filter", f"label={LABEL_OWNER}={settings.BERTH_OWNER}")
    found["inspect everything"] = docker("inspect", *everyone.split()).encode()
    for kind in ("network", "volume"):
        listed = docker(kind, "ls", "-q", "--filter", f"label={LABEL_OWNER}={settings.BERTH_OWNER}")
        found[f"inspect {kind}s"] = docker(kind, "inspect", *listed.split()).encode()
    return found


def _of_the_edge() -> dict[str, bytes]:
    if not settings.BERTH_EDGE:
        return {}
    directory = Path(settings.BERTH_EDGE_DIR)
    files = [*directory.glob("releases/*"), *directory.glob("logs/*")]
    return {f"edge {file.name}": file.read_bytes() for file in files}


def _output(instance: Instance) -> dict[str, bytes]:
    said = [
        text
        for operation in instance.operations.all()
        for text in (operation.reason, *operation.steps.values_list("output", flat=True))
    ]
    return {"output of operations": "\n".join(said).encode()}


def _admin_pages(instance: Instance) -> Iterable[str]:
    for model in ("instance", "operation", "hostname", "subnet", "server", "plan"):
        yield reverse(f"admin:hosting_{model}_changelist")
    yield reverse("admin:index")
    yield reverse("admin:tenants_auditevent_changelist")
    yield reverse("admin:tenants_client_change", args=[instance.client_id])
    yield reverse("admin:hosting_server_change", args=[instance.server_id])
    yield reverse("admin:hosting_instance_change", args=[instance.pk])
    yield reverse("admin:hosting_instance_history", args=[instance.pk])
    for operation in instance.operations.all():
        yield reverse("admin:hosting_operation_change", args=[operation.pk])
        yield reverse("admin:hosting_operation_live", args=[operation.pk])
    for event in AuditEvent.objects.all():
        yield reverse("admin:tenants_auditevent_change", args=[event.pk])


def _dashboard_pages(instance: Instance) -> Iterable[str]:
    client = instance.client.slug
    yield reverse("instances", args=[client])
    yield reverse("instance", args=[client, instance.name])
    yield reverse("order", args=[client])
    yield reverse("audit", args=[client])
    for operation in instance.operations.all():
        yield reverse("operation", args=[client, operation.pk])


def _pages(kind: str, browser: Browser, addresses: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for address in addresses:
        page = browser.get(address, follow=True)
        assert page.status_code == 200, f"{address}: {page.status_code}"
        found[f"{kind} {address}"] = page.content
    return found
