"""People of the staff, and rows to look at."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import (
    Backup,
    Chore,
    FleetAction,
    Hostname,
    Incident,
    Instance,
    LimitWarning,
    Operation,
    OperationStep,
    Plan,
    Rehearsal,
    Restore,
    RestoreTest,
    Rollout,
    Server,
    Stray,
    Subnet,
    Upgrade,
)
from tenants.crypto import create_data_key
from tenants.models import Client, User

Staff = Callable[[str], Browser]


@pytest.fixture
def staff(db: None) -> Staff:
    """A browser in which someone of that group is logged in; ``root`` may do everything."""

    def log_in(group: str) -> Browser:
        user = User.objects.create_user(
            f"{group}@berth.example",
            "correct horse battery",
            name=group.title(),
            is_staff=True,
            is_superuser=group == "root",
        )
        if group != "root":
            user.groups.add(Group.objects.get(name=group))
        browser = Browser()
        browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser

    return log_in


@pytest.fixture
def root(staff: Staff) -> Browser:
    """A superuser's browser."""
    return staff("root")


@pytest.fixture
def fill(db: None) -> Callable[[int], None]:
    """Make so many of everything that the lists show, written straight into the tables."""

    def make(count: int) -> None:
        for _ in range(count):
            _one_of_everything(uuid.uuid4().hex[:8])

    return make


def _one_of_everything(tag: str) -> None:
    client = Client.objects.create(name=f"Client {tag}", slug=f"c{tag}")
    create_data_key(client=client)
    user = User.objects.create_user(f"{tag}@example.com")
    client.members.create(user=user, role="owner")
    plan = Plan.objects.create(
        slug=f"p{tag}", name=f"Plan {tag}", cpus=Decimal(1), memory_mb=512, disk_gb=5
    )
    server = Server.objects.create(
        name=f"s{tag}", engine="memory", endpoint=f"memory:{tag}", memory_mb=4096, disk_gb=50
    )
    for state in ("running", "failed"):
        instance = Instance.objects.create(
            client=client,
            name=f"{state}-{tag}",
            app="guestbook",
            version="1",
            definition={},
            plan=plan,
            server=server,
            state=state,
            first_running_at=timezone.now(),
        )
        Hostname.objects.create(name=f"{state}-{tag}.localhost", instance=instance)
        Subnet.objects.create(
            server=server, index=Subnet.objects.filter(server=server).count(), instance=instance
        )
        _operation(instance, state, user)
    _reliability(tag, server, instance)


def _reliability(tag: str, server: Server, failed: Instance) -> None:
    """What goes wrong and is put right: ``failed`` is an instance on the server."""
    now = timezone.now()
    operation = failed.operations.get()
    action = FleetAction.objects.create(server=server, kind="restart", requested_by_label="x")
    running = server.instances.get(state="running")
    action.items.create(
        instance=running, wave=0, state="running", operation=running.operations.get()
    )
    Incident.objects.create(kind="disk_low", server=server, summary="Low.")
    Incident.objects.create(kind="instance_degraded", instance=failed, summary="Degraded.")
    LimitWarning.objects.create(kind="disk", instance=running, summary="Full.", plan=running.plan)
    failed.drifts.create(kind="stopped", subject="web", found="web", operation=operation)
    Stray.objects.create(server=server, kind="volume", reference=tag, name=tag)
    Backup.objects.create(instance=failed, operation=operation, trigger="nightly")
    proven = failed.backups.create(
        trigger="asked", taken_at=now, verified_at=now, manifest={"app": "guestbook"}
    )
    Restore.objects.create(
        operation=operation, backup=proven, from_generation=1, to_generation=2, trouble="It ended."
    )
    _tested(tag, proven)
    _upgraded(tag, server)
    Instance.objects.filter(pk=failed.pk).update(first_running_at=now - timedelta(days=3))
    Chore.objects.create(name=f"chore-{tag}", due_at=now, last_ended_at=now)


def _tested(tag: str, backup: Backup) -> None:
    """A restore test that passed, and one that failed."""
    now, source = timezone.now(), backup.instance
    for passed in (True, False):
        reason = "" if passed else "web does not run"
        scratch = Instance.objects.create(
            client=source.client,
            name=f"test-{tag}-{'good' if passed else 'bad'}",
            app="guestbook",
            version="1",
            definition={},
            plan=source.plan,
            server=source.server,
            purpose="restore_test",
            made_from=backup,
            state="deleted",
            deleted_at=now,
        )
        Operation.objects.create(
            instance=scratch,
            kind="restore_test",
            state="succeeded" if passed else "cancelled",
            reason=reason,
            requested_by_label="Berth (restore-tests)",
            finished_at=now,
        )
        RestoreTest.objects.create(
            backup=backup,
            scratch=scratch,
            passed=passed,
            seconds=41.2 if passed else None,
            reason=reason,
            ended_at=now,
        )


def _upgraded(tag: str, server: Server) -> None:
    """An instance that was upgraded, what was tried before, and the rollout that asked for it."""
    now, one = timezone.now(), server.instances.get(state="failed")
    common = {
        "client": one.client,
        "app": "guestbook",
        "version": "1",
        "definition": {},
        "plan": one.plan,
        "server": server,
    }
    instance = Instance.objects.create(name=f"upgraded-{tag}", state="running", **common)
    backup = instance.backups.create(
        trigger="asked", taken_at=now, verified_at=now, manifest={"app": "guestbook"}
    )
    scratch = Instance.objects.create(
        name=f"rehearsal-{tag}",
        purpose="rehearsal",
        made_from=backup,
        state="deleted",
        deleted_at=now,
        **common,
    )
    over = {"state": "succeeded", "requested_by_label": "x", "finished_at": now}
    Operation.objects.create(instance=scratch, kind="rehearsal", **over)
    rehearsal = Rehearsal.objects.create(
        backup=backup,
        scratch=scratch,
        to_version="2",
        to_definition={},
        to_plan=one.plan,
        passed=True,
        seconds=12.0,
        ended_at=now,
    )
    upgrade = Upgrade.objects.create(
        operation=Operation.objects.create(instance=instance, kind="upgrade", **over),
        from_generation=1,
        to_generation=2,
        from_version="1",
        to_version="2",
        from_definition={},
        to_definition={},
        from_plan=one.plan,
        to_plan=one.plan,
    )
    rollout = Rollout.objects.create(app=f"app-{tag}", version="2", requested_by_label="x")
    rollout.items.create(
        instance=instance,
        wave=1,
        rehearsal=rehearsal,
        operation=upgrade.operation,
        state="succeeded",
    )
    rollout.items.create(instance=one, wave=2)


def _operation(instance: Instance, state: str, user: User) -> None:
    failed = state == "failed"
    operation = Operation.objects.create(
        instance=instance,
        kind="provision",
        state="failed" if failed else "queued",
        reason="The image does not exist." if failed else "",
        requested_by=user,
        requested_by_label=user.email,
        started_at=timezone.now(),
        finished_at=timezone.now() if failed else None,
    )
    for position, name in enumerate(("pull", "start")):
        OperationStep.objects.create(
            operation=operation, position=position, name=name, title=name.title()
        )
