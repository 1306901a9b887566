"""Asking for upgrades, and recording what they find."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from hosting import hooks
from hosting.catalog.errors import CatalogError
from hosting.models import Instance, Operation, Plan, Rehearsal, Upgrade
from hosting.selectors import moves as reading
from hosting.selectors.upgrading import upgrades
from hosting.selectors.upgrading.upgrades import Target
from hosting.services import moves, placement
from hosting.services.upgrading import rehearsals
from tenants.errors import Refused
from tenants.models import Client
from tenants.services.actors import Actor


def rehearse(*, instance: Instance, version: str, plan: str, actor: Actor) -> Rehearsal:
    """Try it on a copy made from the newest backup. Raises ``Refused``, with the field's name."""
    return rehearsals.request(
        instance=instance, target=_target(instance, version, plan), actor=actor
    )


@transaction.atomic
def request(*, instance: Instance, version: str, plan: str, actor: Actor) -> Upgrade:
    """Ask for another version, another plan, or both.

    A change of the app has to be rehearsed before; one of the plan alone need not. Raises
    ``Refused``, with the field's name, and then nothing is written.
    """
    # In this order everywhere: the client, the servers, the instance, the audit log.
    Client.objects.select_for_update(no_key=True).get(pk=instance.client_id)
    current = Instance.objects.select_related("plan", "client", "server").get(pk=instance.pk)
    target = _target(current, version, plan)
    changes_app = target.changes_app(current)
    if changes_app:
        _refuse_unrehearsed(current, target)
    if target.plan != current.plan:
        hooks.check_order(client=current.client, plan=target.plan)
        placement.refuse_growth(instance=current, plan=target.plan)
    told = {
        "version": f"{current.version} to {target.version}",
        "plan": f"{current.plan.slug} to {target.plan.slug}",
    }
    operation = moves.request(instance=current, kind=Operation.Kind.UPGRADE, actor=actor, told=told)
    return Upgrade.objects.create(
        operation=operation,
        requested_at=operation.requested_at,
        from_generation=current.generation,
        to_generation=reading.unused_generation(current) if changes_app else current.generation,
        from_version=current.version,
        to_version=target.version,
        from_definition=current.definition,
        to_definition=target.definition,
        from_images=current.image_pins,
        to_images={} if changes_app else current.image_pins,
        from_plan=current.plan,
        to_plan=target.plan,
    )


def record_images(*, upgrade: Upgrade, images: Mapping[str, str]) -> None:
    """What the new version's images are. The caller holds the operation's lease."""
    upgrade.to_images = dict(images)
    upgrade.save(update_fields=["to_images"])


def _target(instance: Instance, version: str, slug: str) -> Target:
    """What is wanted; ``Refused`` where it is nothing else, or nothing that can be had."""
    plan = _plan(instance, slug)
    try:
        target = upgrades.target_for(instance, version=version or instance.version, plan=plan)
    except CatalogError as error:
        raise Refused("The catalog can't be read just now; staff have to mend it.") from error
    except KeyError as error:
        raise Refused(
            f"{instance.name} can't be changed to the version “{version}”.", field="version"
        ) from error
    if not target.changes_app(instance) and plan == instance.plan:
        raise Refused(f"{instance.name} has that version and plan already.", field="version")
    return target


def _plan(instance: Instance, slug: str) -> Plan:
    if slug in ("", instance.plan.slug):
        return instance.plan
    offered = {each.plan.slug: each for each in upgrades.plans_for(instance)}.get(slug)
    if offered is None:
        raise Refused(f"There is no plan “{slug}” on offer.", field="plan")
    if offered.too_small:
        raise Refused(f"{offered.too_small}; {offered.plan} has less.", field="plan")
    return offered.plan


def _refuse_unrehearsed(instance: Instance, target: Target) -> None:
    rehearsal = upgrades.rehearsal_of(instance, target)
    if upgrades.is_rehearsed(rehearsal, now=timezone.now()):
        return
    if rehearsal is not None and rehearsal.passed is False:
        raise Refused(f"The rehearsal did not pass: {rehearsal.reason}", field="version")
    if rehearsal is not None and rehearsal.passed is None:
        raise Refused("The rehearsal has not ended yet: wait for its result.", field="version")
    raise Refused(
        f"Rehearse the change to {target.version} first: nothing happens to {instance.name}.",
        field="version",
    )
