"""What can be done to instances. Everything here only writes down what is wanted; workers do it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, transaction

from hosting.catalog.schema import App
from hosting.models import Instance, Operation
from hosting.selectors import catalog, offers
from hosting.selectors.measuring import usage_limits
from hosting.services import edge, ordering, subnets
from hosting.services.working import operations
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor

# What can still be asked for at an inactive client; by staff, as its members may only look.
WHEN_INACTIVE = (Operation.Kind.STOP, Operation.Kind.DELETE)


def order(
    *, client: Client, app: str, plan: str, name: str, actor: Actor, order_key: str | None = None
) -> Instance:
    """Order an instance: checked, placed, its name and room reserved, its provisioning asked for.

    The same ``order_key`` twice returns the instance of the first time. Raises ``Refused`` with
    the field's name, and then nothing is written.
    """
    chosen_app = _app(app)
    try:
        with transaction.atomic():
            client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
            wanted = ordering.Order(
                client=client,
                app=chosen_app,
                version=chosen_app.newest_version,
                plan=plan,
                name=name,
                key=order_key or "",
            )
            return ordering.place(wanted, actor=actor)
    except IntegrityError as error:
        raise Refused(offers.taken(name), field="name") from error


def start(*, instance: Instance, actor: Actor) -> Operation:
    """Start a stopped instance. Raises ``Refused``, as all the verbs below do.

    One that is stopped for a limit of its plan waits until that is over, whoever asks.
    """
    hold = usage_limits.stopping(instance)
    if hold is not None:
        raise Refused(usage_limits.sentence(hold))
    return _request(instance, Operation.Kind.START, actor)


def stop(*, instance: Instance, actor: Actor) -> Operation:
    """Stop an instance; its data stays."""
    return _request(instance, Operation.Kind.STOP, actor)


def restart(*, instance: Instance, actor: Actor) -> Operation:
    """Stop and start an instance."""
    return _request(instance, Operation.Kind.RESTART, actor)


def retry(*, instance: Instance, actor: Actor) -> Operation:
    """Try again to bring up an instance whose provisioning failed, from where it stands."""
    return _request(instance, Operation.Kind.PROVISION, actor)


def delete(*, instance: Instance, confirmation: str, actor: Actor) -> Operation:
    """Delete an instance with all its data; ``confirmation`` has to be its name."""
    if confirmation != instance.name:
        raise Refused(f"Type {instance.name} to delete it.", field="confirmation")
    return _request(instance, Operation.Kind.DELETE, actor)


def pin_images(*, instance: Instance, pins: Mapping[str, str]) -> None:
    """Remember exactly which images the instance runs on: name -> reference by content."""
    instance.image_pins = dict(pins)
    instance.save(update_fields=["image_pins"])


def record_expected(*, instance: Instance, expected: Mapping[str, object]) -> None:
    """Remember what the server should show of it from now on; see ``engines.drift``."""
    instance.expected = dict(expected)
    instance.save(update_fields=["expected"])


def set_route(*, instance: Instance, upstream: tuple[str, int] | None) -> int:
    """Let the edge forward to that address and port, or (``None``) show the instance's state.

    Either ends a hold. Returns the revision of the edge that has to be live for it. The caller is
    in a transaction.
    """
    if upstream is not None:
        instance.web_address, instance.web_port = upstream
    instance.is_routed = upstream is not None
    instance.held_for = None
    instance.save(update_fields=["web_address", "web_port", "is_routed", "held_for"])
    return edge.want_publish()


def hold(*, instance: Instance, operation_id: uuid.UUID) -> int:
    """Let the edge keep requests for a routed instance waiting while that operation changes it.

    Returns the revision of the edge that has to be live for it. The caller is in a transaction.
    """
    instance.held_for_id = operation_id
    instance.is_routed = False
    instance.save(update_fields=["held_for", "is_routed"])
    return edge.want_publish()


def release(*, instance: Instance) -> None:
    """Give back the name, the subnet and the secrets of an instance that is gone.

    Without its secrets nothing that was encrypted with them can be read again. The caller is in a
    transaction.
    """
    instance.hostnames.all().delete()
    instance.secrets.all().delete()
    subnets.release(instance=instance)


def _request(instance: Instance, kind: Operation.Kind, actor: Actor) -> Operation:
    with transaction.atomic():
        client = Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
        if not client.is_active and kind not in WHEN_INACTIVE:
            raise Refused(f"{client} is inactive: its instances can only be stopped or deleted.")
        return operations.request(instance=instance, kind=kind, actor=actor)


def _app(slug: str) -> App:
    app = catalog.apps().get(slug)
    if app is None:
        raise Refused(f"There is no app “{slug}” in the catalog.", field="app")
    return app
