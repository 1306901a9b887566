"""Making and ending the tokens that apps report their usage with."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from hosting.catalog.credentials import usage_token
from hosting.catalog.schema import App
from hosting.models import Instance, InstanceSecret, UsageToken
from tenants.errors import Refused
from tenants.services import audit
from tenants.services.actors import Actor

AT_MOST = 20
LONGEST_NAME = 60
USE_NOTED_EVERY = timedelta(minutes=1)
_HINT = 4


def make(*, instance: Instance, name: str, actor: Actor, now: datetime) -> str:
    """A new token for the instance: shown this once, as only its hash is kept.

    Raises ``Refused`` with the field's name.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise Refused(f"Give it a name of 1 to {LONGEST_NAME} characters.", field="name")
    with transaction.atomic():
        locked = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
        in_use = locked.usage_tokens.filter(revoked_at=None)
        if locked.is_deleted or locked.delete_requested_at:
            raise Refused(f"{locked.name} is being deleted.")
        if in_use.count() >= AT_MOST:
            raise Refused(f"{locked.name} has {AT_MOST} tokens already; revoke one first.")
        if in_use.filter(name=name).exists():
            raise Refused(f"There is a token “{name}” already.", field="name")
        value = usage_token()
        token = _keep(locked, name, value, actor, now)
        _record("usage_token.made", token, actor)
    return value


def revoke(*, token: UsageToken, actor: Actor, now: datetime) -> None:
    """End a token; from then on it opens nothing. Twice is as once."""
    with transaction.atomic():
        locked = UsageToken.objects.select_for_update().get(pk=token.pk)
        if locked.is_own:
            raise Refused("This one is the stack's own; it goes with the instance.")
        if locked.revoked_at is None:
            locked.revoked_at = now
            locked.save(update_fields=["revoked_at"])
            _record("usage_token.revoked", locked, actor)


def register_own(*, instance: Instance, app: App, now: datetime) -> None:
    """Let in the token that the catalog asks for as a secret of the stack, if it does.

    The caller is in a transaction. Nothing that only tries a backup may report anything.
    """
    names = [name for name, each in app.berth.secrets.items() if each.generate == "usage_token"]
    secret = InstanceSecret.objects.filter(instance=instance, name__in=names).first()
    if secret is None or instance.is_scratch:
        return
    value = secret.reveal()
    if not UsageToken.objects.filter(digest=UsageToken.digest_of(value)).exists():
        instance.usage_tokens.filter(is_own=True, revoked_at=None).update(revoked_at=now)
        _keep(instance, "The app's own", value, Actor.system("usage"), now, is_own=True)


def note_use(*, token: UsageToken, now: datetime) -> None:
    """Remember that it was used, to the minute."""
    if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
        UsageToken.objects.filter(pk=token.pk).update(last_used_at=now)


def _keep(
    instance: Instance,
    name: str,
    value: str,
    actor: Actor,
    now: datetime,
    *,
    is_own: bool = False,
) -> UsageToken:
    return UsageToken.objects.create(
        instance=instance,
        name=name,
        digest=UsageToken.digest_of(value),
        hint=value[-_HINT:],
        is_own=is_own,
        created_at=now,
        created_by_label=actor.label,
    )


def _record(action: str, token: UsageToken, actor: Actor) -> None:
    instance = token.instance
    audit.record(
        action=action,
        actor=actor,
        client=instance.audit_client,
        obj=instance,
        after={"name": token.name, "hint": token.hint},
    )
