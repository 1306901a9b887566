"""Who belongs to a client. Whether the actor may is asked before: ``permissions.managing``."""

from __future__ import annotations

from django.db import transaction

from tenants.errors import Refused
from tenants.models import Client, Member, Role, User
from tenants.services import audit
from tenants.services.actors import Actor


def add(*, client: Client, user: User | str, role: Role | str, actor: Actor) -> Member:
    """A membership for a user, or for the user with that e-mail address."""
    person, known_role = _person(user), _known(role)
    with transaction.atomic():
        _lock(client)
        if Member.objects.filter(client=client, user=person).exists():
            raise Refused(f"{person.email} is a member of {client} already.", field="user")
        member = Member.objects.create(client=client, user=person, role=known_role)
        audit.record(
            action="member.added",
            actor=actor,
            client=client,
            obj=member,
            after={"email": person.email, "role": known_role.value},
        )
    return member


def change_role(*, member: Member, role: Role | str, actor: Actor) -> Member:
    """Another role; Refused for the last owner."""
    wanted = _known(role)
    with transaction.atomic():
        locked = _reload(member)
        if locked.role == wanted:
            return locked
        if locked.role == Role.OWNER:
            _keep_an_owner(locked)
        before, locked.role = locked.role, wanted
        locked.save(update_fields=["role"])
        audit.record(
            action="member.role_changed",
            actor=actor,
            client=locked.client,
            obj=locked,
            before={"email": locked.user.email, "role": before},
            after={"email": locked.user.email, "role": wanted.value},
        )
    return locked


def remove(*, member: Member, actor: Actor) -> None:
    """End a membership; Refused for the last owner."""
    with transaction.atomic():
        locked = _reload(member)
        if locked.role == Role.OWNER:
            _keep_an_owner(locked)
        audit.record(
            action="member.removed",
            actor=actor,
            client=locked.client,
            obj=locked,
            before={"email": locked.user.email, "role": locked.role},
        )
        locked.delete()


def _lock(client: Client) -> None:
    """One change of a client's members at a time; the trigger on the table does the same."""
    Client.objects.select_for_update(no_key=True).get(pk=client.pk)


def _reload(member: Member) -> Member:
    _lock(member.client)
    found = Member.objects.select_related("client", "user").filter(pk=member.pk).first()
    if found is None:
        raise Refused("This member was removed meanwhile.")
    return found


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.filter(client=member.client, role=Role.OWNER).exclude(pk=member.pk)
    if not others.exists():
        raise Refused(
            f"{member.user} is the only owner of {member.client}; make someone else owner first.",
            field="role",
        )


def _known(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        known = ", ".join(Role.values)
        raise Refused(f"“{role}” is not a role; choose one of {known}.", field="role") from None


def _person(user: User | str) -> User:
    if isinstance(user, User):
        return user
    found = User.objects.filter(email=user.strip().lower()).first()
    if found is None:
        raise Refused(f"No user has the address {user.strip()}.", field="user")
    return found
