"""What the next test finds after one that has committed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase

from tenants.models import AuditEvent, Client, User
from tests.emptying import Emptying

pytestmark = pytest.mark.django_db(transaction=True)
CASE = TransactionTestCase()
TRIGGER = "tenants_auditevent_append_only"


class Flushing:
    """Django's flush, counted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, case: TransactionTestCase) -> None:
        self.count += 1
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def flushing() -> Flushing:
    return Flushing()


@pytest.fixture
def emptying(flushing: Flushing) -> Emptying:
    """One that knows already what stays."""
    emptying = Emptying(flushing)
    emptying.after(CASE)
    return emptying


def _what_stays() -> dict[str, set[str]]:
    groups = Group.objects.prefetch_related("permissions")
    return {each.name: {may.codename for may in each.permissions.all()} for each in groups}


def test_rows_are_gone_and_what_migrations_made_stays_without_a_flush(
    emptying: Emptying, flushing: Flushing, alice: User
) -> None:
    stays = _what_stays()
    assert any(stays.values())
    emptying.after(CASE)
    left = [each.objects.count() for each in (Client, User, AuditEvent)]
    assert (left, _what_stays(), flushing.count) == ([0, 0, 0], stays, 1)


def test_what_stays_is_made_anew_where_it_was_changed(
    emptying: Emptying, flushing: Flushing
) -> None:
    stays = _what_stays()
    group = Group.objects.exclude(permissions=None)[0]
    group.permissions.clear()
    group.user_set.add(User.objects.create_user("a@example.com", name="A"))
    emptying.after(CASE)
    assert (User.objects.count(), _what_stays(), flushing.count) == (0, stays, 2)


def test_the_audit_log_is_guarded_again(emptying: Emptying, acme: Client) -> None:
    emptying.after(CASE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgenabled FROM pg_trigger WHERE tgname = %s", [TRIGGER])
        assert cursor.fetchall() == [("A",)]
