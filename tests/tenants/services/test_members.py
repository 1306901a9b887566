from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from tenants.errors import Refused
from tenants.models import AuditEvent, Client, DataKey, Member, Role, User
from tenants.services import members
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

ACTOR = Actor("7", "Alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob@acme.example", name="Bob")


@pytest.mark.django_db
def test_a_member_is_added_by_user_or_by_address(acme: Client, alice: User, bob: User) -> None:
    member = members.add(client=acme, user=" Bob@ACME.example ", role="billing", actor=ACTOR)
    assert (member.user, member.role) == (bob, Role.BILLING)
    event = AuditEvent.objects.filter(action="member.added")[0]
    assert event.after == {"email": "bob@acme.example", "role": "billing"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "role", "field", "sentence"),
    [
        ("nobody@acme.example", "viewer", "user", "No user has the address nobody@acme.example."),
        ("bob@acme.example", "king", "role", "“king” is not a role; choose one of owner,"),
        ("alice@acme.example", "viewer", "user", "alice@acme.example is a member of Acme already."),
    ],
)
def test_bad_input_is_refused(
    acme: Client, alice: User, bob: User, address: str, role: str, field: str, sentence: str
) -> None:
    events = AuditEvent.objects.count()
    with pytest.raises(Refused) as caught:
        members.add(client=acme, user=address, role=role, actor=ACTOR)
    assert caught.value.field == field
    assert caught.value.message.startswith(sentence)
    assert AuditEvent.objects.count() == events
    assert Member.objects.count() == 1


@pytest.mark.django_db
def test_a_role_changes_and_the_log_knows_both(acme: Client, alice: User, bob: User) -> None:
    member = members.add(client=acme, user=bob, role=Role.VIEWER, actor=ACTOR)
    assert members.change_role(member=member, role=Role.ADMIN, actor=ACTOR).role == Role.ADMIN
    members.change_role(member=member, role=Role.ADMIN, actor=ACTOR)
    event = AuditEvent.objects.get(action="member.role_changed")
    assert event.before == {"email": bob.email, "role": "viewer"}
    assert event.after == {"email": bob.email, "role": "admin"}


@pytest.mark.django_db
def test_the_last_owner_stays(acme: Client, alice: User, bob: User) -> None:
    owner = Member.objects.get(user=alice)
    members.add(client=acme, user=bob, role=Role.ADMIN, actor=ACTOR)
    sentence = "Alice is the only owner of Acme; make someone else owner first."
    with pytest.raises(Refused, match=sentence):
        members.change_role(member=owner, role=Role.ADMIN, actor=ACTOR)
    with pytest.raises(Refused, match=sentence):
        members.remove(member=owner, actor=ACTOR)
    assert Member.objects.get(user=alice).role == Role.OWNER


@pytest.mark.django_db
def test_one_of_two_owners_may_go(acme: Client, alice: User, bob: User) -> None:
    member = members.add(client=acme, user=bob, role=Role.OWNER, actor=ACTOR)
    members.remove(member=member, actor=ACTOR)
    assert not Member.objects.filter(user=bob).exists()
    event = AuditEvent.objects.get(action="member.removed")
    assert event.before == {"email": bob.email, "role": "owner"}
    assert event.object_id == str(member.pk)
    with pytest.raises(Refused, match="removed meanwhile"):
        members.change_role(member=member, role=Role.ADMIN, actor=ACTOR)


def both_go(acme: Client, go: Callable[[Member], None]) -> list[BaseException | None]:
    """Two owners, who each go at the same moment."""
    barrier = threading.Barrier(2)

    def work(member: Member) -> Callable[[], None]:
        def run() -> None:
            barrier.wait(10)
            go(member)

        return run

    owners = Member.objects.filter(client=acme).select_related("client", "user")
    return [each.exception() for each in at_once(*[work(each) for each in owners])]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("how", ["remove", "change_role"])
def test_of_two_owners_who_go_at_once_one_stays(
    acme: Client, alice: User, bob: User, how: str, attempt: int
) -> None:
    members.add(client=acme, user=bob, role=Role.OWNER, actor=ACTOR)

    def go(member: Member) -> None:
        if how == "remove":
            members.remove(member=member, actor=ACTOR)
        else:
            members.change_role(member=member, role=Role.VIEWER, actor=ACTOR)

    errors = both_go(acme, go)
    assert sorted(map(type, errors), key=str) == [type(None), Refused]
    assert Member.objects.filter(client=acme, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
def test_the_database_keeps_an_owner_whoever_deletes(
    acme: Client, alice: User, bob: User, attempt: int
) -> None:
    """As when two users are deleted in the admin, past the service."""
    members.add(client=acme, user=bob, role=Role.OWNER, actor=ACTOR)
    gone = threading.Barrier(2)

    def go(member: Member) -> None:
        with transaction.atomic():
            member.user.delete()
            gone.wait(10)

    errors = both_go(acme, go)
    assert sorted(map(type, errors), key=str) == [type(None), IntegrityError]
    assert Member.objects.filter(client=acme, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_client_can_go_with_its_owners(acme: Client, alice: User) -> None:
    with transaction.atomic():
        DataKey.objects.filter(client=acme).delete()
        acme.delete()
    assert not Member.objects.exists()
