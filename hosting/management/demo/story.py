"""What the demonstration makes: staff, a plan, a server, the client Acme, and its n8n."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Q

from hosting.engines.observed import ContainerState
from hosting.flows import stacks
from hosting.flows.engines import engine_for
from hosting.management.demo.surroundings import Surroundings
from hosting.models import Instance, Operation, Plan, Server
from hosting.services import instances
from tenants.models import Client, Role, User
from tenants.services import clients, members
from tenants.services.actors import Actor

STAFF = "staff@berth.example"
MEMBER = "alice@acme.example"
NAME = "n8n"
_ACTOR = Actor.system("demo")
_GIB = 1024**3


def staff(here: Surroundings) -> User:
    """Someone who may do everything in the admin."""
    user = User.objects.filter(email=STAFF).first()
    if user is None:
        return User.objects.create_superuser(STAFF, here.staff_password, name="Bob")
    return _with_password(user, here.staff_password)


def _with_password(user: User, password: str) -> User:
    """What is shown at the end has to open the door, whatever happened to the file meanwhile."""
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def plans() -> Plan:
    """Three plans, and the one that the demonstration orders."""
    offers = (
        ("starter", "Starter", "For trying things out.", "1", 1536, 10),
        ("standard", "Standard", "For a team's daily work.", "2", 3072, 25),
        ("large", "Large", "For many workflows at once.", "4", 8192, 100),
    )
    for position, (slug, name, description, cpus, memory_mb, disk_gb) in enumerate(offers):
        Plan.objects.get_or_create(
            slug=slug,
            defaults={
                "name": name,
                "description": description,
                "cpus": Decimal(cpus),
                "memory_mb": memory_mb,
                "disk_gb": disk_gb,
                "position": position,
            },
        )
    return Plan.objects.get(slug="standard")


def server(endpoint: str) -> Server:
    """This machine, with the capacity that its engine reports."""
    known = Server.objects.filter(endpoint=endpoint).first()
    if known is not None:
        return known
    fresh = Server(name="local", endpoint=endpoint)
    capacity = engine_for(fresh).capacity()
    fresh.cpus = capacity.cpus
    fresh.memory_mb = capacity.memory_bytes // 1024**2
    fresh.disk_gb = max((capacity.disk_free_bytes or 100 * _GIB) // _GIB, 1)
    fresh.save()
    return fresh


def acme(here: Surroundings) -> Client:
    """The client, with Alice as its owner."""
    client = Client.objects.filter(slug="acme").first() or clients.create(
        name="Acme", slug="acme", timezone="Europe/Berlin", actor=_ACTOR
    )
    alice = User.objects.filter(email=MEMBER).first()
    if alice is None:
        alice = User.objects.create_user(MEMBER, here.member_password, name="Alice")
    _with_password(alice, here.member_password)
    if not client.members.filter(user=alice).exists():
        members.add(client=client, user=alice, role=Role.OWNER, actor=_ACTOR)
    return client


def bring_up(client: Client, plan: Plan) -> tuple[Instance, Operation | None]:
    """Acme's n8n: ordered, started, retried or left alone, and the operation that does it."""
    alice = Actor.of(User.objects.get(email=MEMBER))
    existing = Instance.objects.filter(client=client, name=NAME).exclude(
        state=Instance.State.DELETED
    )
    instance = existing.first()
    if instance is None:
        instance = instances.order(client=client, app="n8n", plan=plan.slug, name=NAME, actor=alice)
    active = instance.operations.filter(
        Q(state=Operation.State.QUEUED) | Q(state=Operation.State.RUNNING)
    ).first()
    if active is not None:
        return instance, active
    if instance.state == Instance.State.STOPPED:
        return instance, instances.start(instance=instance, actor=alice)
    if instance.state == Instance.State.RUNNING:
        runs = _runs(instance)
        return instance, None if runs else instances.restart(instance=instance, actor=alice)
    return instance, instances.retry(instance=instance, actor=alice)


def _runs(instance: Instance) -> bool:
    """Whether its containers really are there and run; an engine may have been restarted."""
    observed = engine_for(instance.server).observe(str(instance.pk))
    services = stacks.definition(instance).services
    found = [observed.service(name) for name in services]
    return all(each is not None and each.state == ContainerState.RUNNING for each in found)


def clean() -> list[str]:
    """Ask for the deletion of every instance; the ids of the operations to be worked off."""
    wanted = []
    for instance in Instance.objects.exclude(state=Instance.State.DELETED):
        active = instance.operations.filter(
            state__in=(Operation.State.QUEUED, Operation.State.RUNNING)
        ).first()
        operation = active or instances.delete(
            instance=instance, confirmation=instance.name, actor=_ACTOR
        )
        wanted.append(str(operation.pk))
    return wanted
