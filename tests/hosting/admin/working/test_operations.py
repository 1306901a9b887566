from __future__ import annotations

from collections.abc import Callable

from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Instance, Operation, Server
from hosting.services.working import leases, progress
from tenants.models import AuditEvent

Order = Callable[..., Instance]
STEPS = [("pull", "Fetch the images"), ("start", "Start the services")]


def test_the_steps_renew_themselves_until_the_operation_ends(
    root: Browser, order: Order, memory_server: Server, work_off: Callable[[Instance], Operation]
) -> None:
    instance = order()
    operation = instance.operations.get()
    live = reverse("admin:hosting_operation_live", args=[operation.pk])
    page = reverse("admin:hosting_operation_change", args=[operation.pk])
    assert f'hx-get="{live}"' in root.get(page).content.decode()
    assert "Waiting for a worker" in root.get(live).content.decode()
    work_off(instance)
    ended = root.get(live).content.decode()
    assert "hx-get" not in ended
    assert "Succeeded" in ended
    assert "Open the app through its address" in ended


def test_the_page_shows_what_a_running_step_says_and_how_far_it_is(
    root: Browser, order: Order, memory_server: Server
) -> None:
    operation = order().operations.get()
    lease = leases.claim(operation_id=operation.pk, worker="worker-1")
    assert lease is not None
    progress.plan(lease=lease, steps=STEPS)
    progress.begin(lease=lease, name="pull")
    progress.end(lease=lease, name="pull", done=True)
    progress.begin(lease=lease, name="start")
    progress.say(lease=lease, step="start", line="<b>postgres</b> is healthy")
    html = root.get(reverse("admin:hosting_operation_live", args=[operation.pk])).content.decode()
    assert "1 of 2 steps" in html
    assert "&lt;b&gt;postgres&lt;/b&gt; is healthy" in html
    assert 'id="step-1" open' in html
    assert 'id="step-0" open' not in html


def test_calling_off_is_audited_and_offered_once(
    root: Browser, order: Order, memory_server: Server
) -> None:
    operation = order().operations.get()
    cancel = reverse("admin:hosting_operation_cancel", args=[operation.pk])
    page = reverse("admin:hosting_operation_change", args=[operation.pk])
    assert root.get(cancel).status_code == 405
    root.post(cancel)
    operation.refresh_from_db()
    assert operation.cancel_requested_at is not None
    event = AuditEvent.objects.latest("sequence")
    assert event.action.startswith("operation.cancel")
    html = root.get(page).content.decode()
    assert "Being called off" in html
    assert cancel not in html


def test_an_operation_cannot_be_edited_or_deleted(
    root: Browser, order: Order, memory_server: Server
) -> None:
    operation = order().operations.get()
    for page in ("change", "delete"):
        url = reverse(f"admin:hosting_operation_{page}", args=[operation.pk])
        assert root.post(url, {"post": "yes", "state": "failed"}).status_code == 403


def test_the_first_page_shows_what_is_going_on_and_what_failed(
    root: Browser, fill: Callable[[int], None]
) -> None:
    fill(1)
    html = root.get(reverse("admin:index")).content.decode()
    instance = Instance.objects.get(state="failed")
    assert "The image does not exist." in html
    assert instance.server.name in html
    assert "<strong>3</strong> of 1" in html, "three instances of one CPU on a server of one"
    assert "b-fill-bad" in html
    assert "<strong>1.5</strong> of 4 GiB" in html, "three instances of 512 MiB on 4 GiB"
    assert f"{reverse('admin:hosting_instance_changelist')}?state=running" in html
