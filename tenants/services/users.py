"""Make and change users: accounts are opened by staff and by invitation only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from tenants.errors import Refused
from tenants.models import User
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid, refused


def create(
    *,
    email: str,
    name: str = "",
    password: str | None = None,
    is_staff: bool = False,
    is_superuser: bool = False,
    groups: Collection[str] = (),
    actor: Actor,
) -> User:
    """A user, who without a password can't log in until one is set.

    Refused where the address is bad or taken, the password is weak, or a group is unknown.
    """
    address = email.strip().lower()
    user = User(email=address, name=name.strip(), is_staff=is_staff, is_superuser=is_superuser)
    _set_password(user, password)
    if User.objects.filter(email=address).exists():
        raise _taken(address)
    refuse_invalid(user)
    found = _groups(groups)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            user.groups.set(found)
            after = {
                "email": address,
                "is_staff": is_staff,
                "is_superuser": is_superuser,
                "groups": sorted(groups),
            }
            audit.record(action="user.created", actor=actor, obj=user, after=after)
    except IntegrityError:
        if User.objects.filter(email=address).exists():  # someone else was quicker
            raise _taken(address) from None
        raise
    return user


def update(
    *,
    user: User,
    email: str | None = None,
    name: str | None = None,
    is_active: bool | None = None,
    is_staff: bool | None = None,
    is_superuser: bool | None = None,
    groups: Collection[str] | None = None,
    actor: Actor,
) -> User:
    """Change what is given, and tell the audit log only of what is different.

    Refused where the address is bad or taken, a group is unknown, or nobody would be left who may
    do everything in the admin.
    """
    wanted = {
        "email": None if email is None else email.strip().lower(),
        "name": None if name is None else name.strip(),
        "is_active": is_active,
        "is_staff": is_staff,
        "is_superuser": is_superuser,
        "groups": None if groups is None else sorted(groups),
    }
    with transaction.atomic():
        locked = _lock_all_superusers_and(user)
        now = {**{key: getattr(locked, key) for key in wanted if key != "groups"}}
        now["groups"] = sorted(locked.groups.values_list("name", flat=True))
        after = {
            key: value for key, value in wanted.items() if value is not None and value != now[key]
        }
        if not after:
            return locked
        _apply(locked, after)
        before = {key: now[key] for key in after}
        audit.record(action="user.updated", actor=actor, obj=locked, before=before, after=after)
    return locked


def set_password(*, user: User, password: str, actor: Actor) -> None:
    """Give the user another password, which ends the user's sessions. Refused where it is weak."""
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _set_password(locked, password)
        locked.save(update_fields=["password"])
        audit.record(action="user.password_set", actor=actor, obj=locked)


def _lock_all_superusers_and(user: User) -> User:
    """The user's row, and the rows of all who may do everything: two of them who give that up at
    the same time queue here, and the second one finds that nobody would be left.
    """
    rows = User.objects.filter(Q(pk=user.pk) | Q(is_superuser=True)).order_by("pk")
    return {each.pk: each for each in rows.select_for_update(no_key=True)}[user.pk]


def _apply(user: User, after: Mapping[str, Any]) -> None:
    columns = {key: value for key, value in after.items() if key != "groups"}
    for key, value in columns.items():
        setattr(user, key, value)
    if "email" in after and User.objects.filter(email=user.email).exclude(pk=user.pk).exists():
        raise _taken(user.email)
    refuse_invalid(user)
    if columns:
        user.save(update_fields=list(columns))
    if "groups" in after:
        user.groups.set(_groups(after["groups"]))
    if not User.objects.filter(is_superuser=True, is_staff=True, is_active=True).exists():
        raise Refused("Nobody would be left who may do everything; make someone else superuser.")


def _set_password(user: User, password: str | None) -> None:
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise refused(error, field="password") from None
    user.set_password(password)


def _groups(names: Collection[str]) -> list[Group]:
    found = {each.name: each for each in Group.objects.filter(name__in=names)}
    for name in names:
        if name not in found:
            raise Refused(f"There is no group “{name}”.", field="groups")
    return list(found.values())


def _taken(address: str) -> Refused:
    return Refused(f"There is a user with the address {address} already.", field="email")
