"""Clients, servers and instances of the installation, and what is asked of them."""

from __future__ import annotations

import os
import random
import signal
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from berth_local.processes import die_with_parent
from hosting.flows.working import runner
from hosting.models import Backup, Instance, Operation, Plan, Restore, Server, Subnet
from hosting.selectors.saving.backups import newest_proven
from hosting.services import instances, moves, servers
from hosting.services.saving import backups, clones, restore_tests, restores
from hosting.services.upgrading import upgrades
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor
from tests.chaos.engine import LOCAL

ACTOR = Actor.system("chaos")
APP = "keeper"
OLD, NEW = "1", "2"  # its versions


@dataclass(frozen=True)
class Fleet:
    """One client with one plan on one server, and maybe a backup that others are made from."""

    client: Client
    plan: Plan
    server: Server
    source: Backup | None = None

    @classmethod
    def found(cls, endpoint: str = LOCAL) -> Fleet:
        """Write down a client, a plan and a server."""
        plan = Plan.objects.create(
            slug="tiny", name="Tiny", cpus=Decimal(1), memory_mb=128, disk_gb=1, processes=64
        )
        server = servers.create(
            name="local",
            actor=ACTOR,
            endpoint=endpoint,
            cpus=Decimal(512),
            memory_mb=512 * 1024,
            disk_gb=10_000,
            parallel_operations=64,  # a dead worker's one counts until its lease runs out
        )
        # Begin somewhere in the range: others use this machine's engine too, from its start on.
        start = random.randrange(1_000, server.subnet_count // 2)
        Subnet.objects.create(server=server, index=start, taken_by="other installations")
        client = clients.create(name="Acme", slug="acme", timezone="UTC", actor=ACTOR)
        return cls(client, plan, server)

    def order(self, name: str) -> Instance:
        """Order an instance; its provisioning is asked for with it.

        It is as if it had been ordered when the catalog had the older version only. No worker sees
        it before.
        """
        with transaction.atomic():
            made = instances.order(
                client=self.client, app=APP, plan=self.plan.slug, name=name, actor=ACTOR
            )
            made.version = OLD
            made.save(update_fields=["version"])
        return made

    def copy(self, name: str) -> Instance:
        """Order an instance with the data of the source."""
        assert self.source is not None, "there is no source"
        return clones.request(backup=self.source, name=name, plan=self.plan.slug, actor=ACTOR)

    def scratch(self) -> Instance:
        """Ask for a test of the source; where it is to be."""
        assert self.source is not None, "there is no source"
        test = restore_tests.request(instance=self.source.instance)
        assert test is not None
        return test.scratch


def ask(instance: Instance, kind: str) -> Operation:
    """Ask for an operation, the way that people do where there is one."""
    verbs = {
        Operation.Kind.START: instances.start,
        Operation.Kind.STOP: instances.stop,
        Operation.Kind.RESTART: instances.restart,
    }
    if kind == Operation.Kind.DELETE:
        return instances.delete(instance=instance, confirmation=instance.name, actor=ACTOR)
    if kind in verbs:
        return verbs[Operation.Kind(kind)](instance=instance, actor=ACTOR)
    if kind == Operation.Kind.BACKUP:
        return Operation.objects.get(backup=backups.request(instance=instance, actor=ACTOR))
    if kind == Operation.Kind.RESTORE:
        return _restore(instance).operation
    if kind in CHANGES:
        return CHANGES[Operation.Kind(kind)](instance)
    if kind == Operation.Kind.REVERT:
        moves.revert(instance=instance, actor=ACTOR)
        return newest(instance)
    with transaction.atomic():
        return operations.request(instance=instance, kind=kind, actor=ACTOR)


def _restore(instance: Instance) -> Restore:
    """Ask for the last backup that was made for its own sake."""
    backup = newest_proven(instance)
    if backup is None:
        raise Refused("There is no backup.")
    return restores.request(instance=instance, backup=backup, actor=ACTOR)


def _rehearse(instance: Instance) -> Operation:
    tried = upgrades.rehearse(instance=instance, version=NEW, plan="", actor=ACTOR)
    return newest(tried.scratch)


def _upgrade(instance: Instance) -> Operation:
    return upgrades.request(instance=instance, version=NEW, plan="", actor=ACTOR).operation


CHANGES = {Operation.Kind.REHEARSAL: _rehearse, Operation.Kind.UPGRADE: _upgrade}


def newest(instance: Instance) -> Operation:
    """The operation that was asked for last."""
    return instance.operations.order_by("-requested_at", "-pk")[0]


def reread(operation: Operation) -> Operation:
    operation.refresh_from_db()
    return operation


def let_lease_run_out(operation: Operation) -> None:
    """At once, where waiting would show nothing: its worker is dead or stands still.

    Other tests wait for it: those with real Celery workers.
    """
    Operation.objects.filter(pk=operation.pk, state=Operation.State.RUNNING).update(
        lease_expires_at=Now()
    )


def run_in_child(
    operation_id: uuid.UUID, *, die_at: str = "", prepare: Callable[[], None] | None = None
) -> int:
    """Fork a worker that works on the operation; return its process id.

    The child has everything loaded already, shares no connection, and calls ``prepare`` first.
    """
    connection.close()
    parent, child = os.getpid(), os.fork()
    if child:
        return child
    status = 1
    try:
        die_with_parent(parent, signal.SIGKILL)
        os.environ["BERTH_DIE_AT"] = die_at
        if prepare:
            prepare()
        runner.run(operation_id)
        status = 0
    except DatabaseError as error:  # the claim of one that was frozen
        print(f"a worker ended: {str(error).splitlines()[0]}")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
