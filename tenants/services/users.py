"""Make users: accounts are opened by staff and by invitation only."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

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
