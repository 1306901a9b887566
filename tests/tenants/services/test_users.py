from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from tenants.errors import Refused
from tenants.models import AuditEvent, User
from tenants.services import users
from tenants.services.actors import Actor
from tenants.services.groups import FINANCE, OPERATIONS, SUPPORT, sync_groups

ACTOR = Actor.system("test")
PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.django_db


def test_it_makes_a_user() -> None:
    user = users.create(email=" Alice@ACME.example", name=" Alice ", password=PASSWORD, actor=ACTOR)
    user.refresh_from_db()
    assert (user.email, user.name) == ("alice@acme.example", "Alice")
    assert user.check_password(PASSWORD)
    assert not user.is_staff
    assert PASSWORD not in str(AuditEvent.objects.values())


def test_staff_get_their_groups() -> None:
    user = users.create(email="bob@berth.example", is_staff=True, groups=[SUPPORT], actor=ACTOR)
    assert user.has_perm("tenants.change_member")
    assert not user.has_perm("tenants.delete_member")
    assert not user.has_usable_password()
    event = AuditEvent.objects.get(action="user.created")
    assert event.after["groups"] == ["support"]


@pytest.mark.parametrize(
    ("values", "field", "sentence"),
    [
        ({"email": "alice"}, "email", "Enter a valid email address."),
        ({"email": ""}, "email", "This field cannot be blank."),
        ({"email": "TAKEN@acme.example"}, "email", "There is a user with the address taken@acme"),
        ({"password": "short"}, "password", "This password is too short."),
        ({"groups": ["kings"]}, "groups", "There is no group “kings”."),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    values: dict[str, object], field: str, sentence: str
) -> None:
    users.create(email="taken@acme.example", actor=ACTOR)
    good: dict[str, object] = {"email": "alice@acme.example", "password": PASSWORD}
    with pytest.raises(Refused) as caught:
        users.create(**{**good, **values}, actor=ACTOR)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert caught.value.message.startswith(sentence)
    assert User.objects.count() == AuditEvent.objects.count() == 1


def permissions(group: str) -> set[str]:
    held = Group.objects.get(name=group).permissions.filter(content_type__app_label="tenants")
    return set(held.values_list("codename", flat=True))


def test_groups_have_the_least() -> None:
    assert permissions(OPERATIONS) == {"view_client", "view_member", "view_auditevent"}
    assert permissions(SUPPORT) == {
        *("view_client", "view_user", "view_member", "change_member", "view_auditevent"),
    }
    assert permissions(FINANCE) == {"view_client"}


def test_groups_are_put_right_for_one_app_and_left_alone_for_others() -> None:
    finance = Group.objects.get(name=FINANCE)
    before = set(finance.permissions.exclude(content_type__app_label="tenants"))
    sync_groups(app_label="tenants", mapping={FINANCE: ["view_member"], "new": ["view_client"]})
    assert permissions(FINANCE) == {"view_member"}
    assert permissions("new") == {"view_client"}
    assert set(finance.permissions.exclude(content_type__app_label="tenants")) == before


def test_an_unknown_permission_is_an_error() -> None:
    with pytest.raises(LookupError, match="tenants has no permission view_clinet"):
        sync_groups(app_label="tenants", mapping={FINANCE: ["view_clinet"]})
