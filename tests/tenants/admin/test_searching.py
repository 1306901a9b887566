"""Searching in the admin's lists: by own words, and by those of what is referred to."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants.admin import searching
from tenants.admin.searching import search
from tenants.models import Client, Member, User

pytestmark = pytest.mark.django_db
OF_CLIENT = ("name", "slug", "members__user__email", "id")
OF_MEMBER = ("client__name", "user__email", "user__name")


@pytest.fixture
def acme() -> Client:
    acme = Client.objects.create(name="Acme Tools", slug="acme")
    other = Client.objects.create(name="Brightside", slug="brightside")
    for client in (acme, other):
        for name in ("alice", "bob"):
            user = User.objects.create_user(f"{name}@{client.slug}.example", name=name.title())
            client.members.create(user=user, role="owner")
    return acme


@pytest.mark.parametrize("few", [0, 200])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("acme", ["Acme Tools"]),
        ("TOOLS", ["Acme Tools"]),
        ("alice@acme", ["Acme Tools"]),
        ("example", ["Acme Tools", "Brightside"]),
        ("acme bob@", ["Acme Tools"]),
        ("acme brightside", []),
        ('"acme tools"', ["Acme Tools"]),
        ('"tools acme"', []),
        ("'", []),
        ("100%", []),
    ],
)
def test_clients_by_their_names_and_their_members(
    acme: Client, monkeypatch: pytest.MonkeyPatch, few: int, text: str, names: list[str]
) -> None:
    monkeypatch.setattr(searching, "FEW", few)
    found = search(Client.objects.order_by("name"), OF_CLIENT, text)
    assert [str(each) for each in found] == names


def test_what_few_rows_have_is_looked_for_once(acme: Client) -> None:
    found = search(Client.objects.all(), OF_CLIENT, "alice@acme")
    with CaptureQueriesContext(connection) as asked:
        assert (found.count(), found.get()) == (1, acme)
    assert not any("UPPER" in query["sql"] for query in asked)


def test_by_a_part_of_an_identifier(acme: Client) -> None:
    assert search(Client.objects.all(), OF_CLIENT, str(acme.pk)[:13].upper()).get() == acme


def test_not_by_what_stands_within_an_identifier(acme: Client) -> None:
    assert not search(Client.objects.all(), OF_CLIENT, str(acme.pk)[9:]).exists()


def test_members_by_what_they_refer_to(acme: Client) -> None:
    found = search(Member.objects.all(), OF_MEMBER, "bob acme")
    assert [str(each.user) for each in found.select_related("user")] == ["Bob"]


def test_nothing_is_found_by_a_word_that_is_no_identifier_where_that_is_all_there_is(
    acme: Client,
) -> None:
    assert not search(Client.objects.all(), ("id",), "xyz").exists()
