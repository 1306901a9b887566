from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from tenants.models import Client, Role, User
from tenants.permissions import LOOKING, ROLES, Permission, managing, may, require
from tenants.selectors import clients as selectors
from tenants.services import clients, members
from tenants.services.actors import Actor

# owner, admin, billing, viewer
TABLE = {
    Permission.VIEW_INSTANCES: "yes yes yes yes",
    Permission.ORDER_INSTANCE: "yes yes no  no",
    Permission.OPERATE_INSTANCE: "yes yes no  no",
    Permission.UPGRADE_INSTANCE: "yes yes no  no",
    Permission.DELETE_INSTANCE: "yes yes no  no",
    Permission.DOWNLOAD_BACKUP: "yes no  no  no",
    Permission.MAKE_BACKUP: "yes yes no  no",
    Permission.RESTORE_BACKUP: "yes yes no  no",
    Permission.MANAGE_USAGE_TOKENS: "yes yes no  no",
    Permission.MANAGE_CHANNELS: "yes yes no  no",
    Permission.VIEW_AUDIT: "yes yes no  no",
    Permission.VIEW_MEMBERS: "yes yes yes yes",
    Permission.MANAGE_MEMBERS: "yes yes no  no",
    Permission.MANAGE_OWNERS: "yes no  no  no",
    Permission.VIEW_BILLING: "yes yes yes no",
    Permission.MANAGE_BILLING: "yes yes yes no",
    Permission.MANAGE_CLIENT: "yes yes no  no",
}
ROWS = [
    (role, permission, word == "yes")
    for permission, words in TABLE.items()
    for role, word in zip(Role, words.split(), strict=True)
]
pytestmark = pytest.mark.django_db


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user("person@acme.example")


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(Permission)
    assert set(ROLES) == set(Role)


@pytest.mark.parametrize(("role", "permission", "expected"), ROWS)
def test_roles_allow_what_the_table_says(
    acme: Client, person: User, actor: Actor, role: Role, permission: Permission, expected: bool
) -> None:
    members.add(client=acme, user=person, role=role, actor=actor)
    assert may(person, acme, permission) is expected
    inactive = clients.update(client=acme, is_active=False, actor=actor)
    assert may(person, inactive, permission) is (expected and permission in LOOKING)


@pytest.mark.parametrize("permission", Permission)
def test_others_may_nothing(acme: Client, alice: User, permission: Permission) -> None:
    stranger = User.objects.create_user("bob@other.example")
    staff = User.objects.create_superuser("staff@berth.example")
    alice.is_active = False
    for user in (stranger, staff, AnonymousUser(), alice):
        assert not may(user, acme, permission)


def test_a_refusal_is_one_sentence(acme: Client, person: User, alice: User, actor: Actor) -> None:
    with pytest.raises(PermissionDenied, match="You are not a member of this client"):
        require(person, acme, Permission.VIEW_INSTANCES)
    members.add(client=acme, user=person, role=Role.VIEWER, actor=actor)
    require(person, acme, Permission.VIEW_INSTANCES)
    with pytest.raises(PermissionDenied, match="As viewer of Acme you may not delete"):
        require(person, acme, Permission.DELETE_INSTANCE)
    inactive = clients.update(client=acme, is_active=False, actor=actor)
    with pytest.raises(PermissionDenied, match="Acme is inactive, so you can look but not order"):
        require(alice, inactive, Permission.ORDER_INSTANCE)


@pytest.mark.parametrize(
    ("roles", "permission"),
    [
        ([Role.VIEWER], Permission.MANAGE_MEMBERS),
        ([Role.ADMIN, Role.BILLING], Permission.MANAGE_MEMBERS),
        ([Role.VIEWER, Role.OWNER], Permission.MANAGE_OWNERS),
        (["owner"], Permission.MANAGE_OWNERS),
    ],
)
def test_only_owners_make_and_unmake_owners(roles: list[Role], permission: Permission) -> None:
    assert managing(*roles) == permission


def test_a_user_finds_his_own_clients_only(acme: Client, alice: User, actor: Actor) -> None:
    clients.create(name="Other", slug="other", actor=actor)
    staff = User.objects.create_superuser("staff@berth.example")
    assert list(selectors.for_user(alice)) == [acme]
    assert selectors.get_for_user(alice, "acme") == acme
    for slug in ("other", "none"):
        with pytest.raises(Client.DoesNotExist):
            selectors.get_for_user(alice, slug)
    alice.is_active = False
    for user in (alice, staff, AnonymousUser()):
        assert not selectors.for_user(user).exists()
