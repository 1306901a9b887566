"""A new instance: checked, placed, written down, its first operation asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hosting import hooks
from hosting.catalog.builder import availability
from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.schema import App
from hosting.models import Backup, Hostname, Instance, InstanceSecret, Operation, Plan, Server
from hosting.selectors import instances, offers
from hosting.services import edge, placement, subnets
from hosting.services.measuring import usage_tokens
from hosting.services.working import doorbell, operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. ``key`` is what the sender calls it, so that the same order comes once.

    ``images`` pins what the images' names mean, ``keys`` are secrets that the app brings along;
    all others are generated. ``made_from`` is the backup that its data is to come from,
    ``is_from_copy`` says whether from the second place. Without a ``server`` Berth chooses one.
    """

    client: Client
    app: App
    version: str
    plan: str
    name: str
    key: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    made_from: Backup | None = None
    is_from_copy: bool = False
    purpose: Instance.Purpose = Instance.Purpose.CLIENT
    server: Server | None = None

    @property
    def is_scratch(self) -> bool:
        """Whether it is Berth's own: no client sees it, uses it or pays for it."""
        return self.purpose != Instance.Purpose.CLIENT


def place(order: Order, *, actor: Actor) -> Instance:
    """Write the instance down and ask for the operation that brings it up.

    The same order under the same key gives the instance of the first time. The caller is in a
    transaction and has locked the client. Raises ``Refused`` with the field's name, and
    ``IntegrityError`` where the name was taken in the same moment.
    """
    earlier = _ordered_before(order)
    if earlier is not None:
        return earlier
    plan = _check(order)
    instance = Instance.objects.create(
        client=order.client,
        name=order.name,
        app=order.app.slug,
        version=order.version,
        definition=order.app.model_dump(mode="json"),
        image_pins=dict(order.images),
        made_from=order.made_from,
        is_made_from_copy=order.is_from_copy,
        purpose=order.purpose,
        plan=plan,
        server=placement.choose_server(plan=plan, wanted=order.server),
        order_key=_digest(order.key),
    )
    _give_what_is_its_own(instance, order)
    if not order.is_scratch:
        audit.record(
            action="instance.ordered",
            actor=actor,
            client=order.client,
            obj=instance,
            after=_told(order),
        )
    operations.request(instance=instance, kind=Operation.Kind.PROVISION, actor=actor)
    return instance


def _ordered_before(order: Order) -> Instance | None:
    if not order.key:
        return None
    known = Instance.objects.select_related("plan")
    earlier = known.filter(client=order.client, order_key=_digest(order.key)).first()
    if earlier is None:
        return None
    of_then = (earlier.app, earlier.plan.slug, earlier.name, earlier.made_from_id)
    made_from = order.made_from.pk if order.made_from else None
    if of_then != (order.app.slug, order.plan, order.name, made_from):
        raise Refused("This order was sent before with other contents; start a new one.")
    return earlier


def _digest(key: str) -> str:
    """Any key a caller likes, in a column of fixed width."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def _check(order: Order) -> Plan:
    """The plan; ``Refused`` for the first thing that is in the way."""
    if availability(order.app, settings.BERTH_APP_SETTINGS):  # which setting is for staff to know
        raise Refused(
            f"{order.app.title} can't be ordered yet: it has not been set up here.", field="app"
        )
    if order.is_scratch:
        return Plan.objects.get(slug=order.plan)  # also one that is on offer no more
    plan = _plan(order)
    if not order.client.is_active:
        raise Refused(f"{order.client} is inactive: nothing can be ordered.")
    _check_count(order.client)
    hooks.check_order(client=order.client, plan=plan)
    problem = offers.name_problem(order.client, order.name)
    if problem:
        raise Refused(problem, field="name")
    return plan


def _give_what_is_its_own(instance: Instance, order: Order) -> None:
    """A subnet, an address and secrets."""
    subnets.allocate(instance=instance)
    for name, spec in generated_secrets(order.app).items():
        value = order.keys.get(name) or generate(spec)
        InstanceSecret.objects.create(instance=instance, name=name, value=value)
    usage_tokens.register_own(instance=instance, app=order.app, now=timezone.now())
    if order.is_scratch:
        return
    domain = f"{order.client.slug}.{settings.BERTH_DOMAIN}"
    Hostname.objects.create(name=f"{order.name}.{domain}", instance=instance)
    edge.want_publish()  # from now on its name shows that it is starting; locked before the log is
    transaction.on_commit(doorbell.ring_edge)


def _told(order: Order) -> dict[str, str]:
    """For the audit log."""
    told = {
        "app": order.app.slug,
        "version": order.version,
        "plan": order.plan,
        "name": order.name,
    }
    if order.server is not None:
        told["server"] = order.server.name
    if order.made_from is None:
        return told
    source = order.made_from
    told |= {"backup": str(source.pk), "taken_at": str(source.taken_at)}
    return told | ({"read_from": "the second place"} if order.is_from_copy else {})


def _check_count(client: Client) -> None:
    """One client, or a stolen log-in of theirs, must not be able to fill every server."""
    most = settings.BERTH_INSTANCES_PER_CLIENT
    held = instances.of_client(client).count()
    if held >= most:
        raise Refused(f"{client} has {held} of the {most} instances that a client may have.")


def _plan(order: Order) -> Plan:
    plan = {each.slug: each for each in Plan.objects.filter(is_active=True)}.get(order.plan)
    if plan is None:
        raise Refused(f"There is no plan “{order.plan}” on offer.", field="plan")
    data_bytes = order.made_from.size_bytes if order.made_from else 0
    shortfall = offers.shortfall(plan, order.app, data_bytes=data_bytes)
    if shortfall:
        raise Refused(f"{shortfall}; {plan} has less.", field="plan")
    return plan
