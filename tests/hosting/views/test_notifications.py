"""A client's channels: added, tried, removed, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.models import Channel, Delivery, Instance
from hosting.services.telling import channels
from hosting.services.telling.channels import Wishes
from hosting.services.watching import maintenance_windows
from tenants.models import AuditEvent, Client, Role, User
from tenants.services.actors import Actor

Login = Callable[[User | None], Browser]
PAGE = "/c/acme/notifications/"
RIGHT = {
    "kind": "webhook",
    "name": "Our hook",
    "target": "https://hooks.acme.example/T0PSECRET",
    "topics": ["health", "budget"],
    "least": "warning",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
}


@pytest.fixture
def channel(acme: Client, actor: Actor) -> Channel:
    return channels.add(
        client=acme,
        kind="mail",
        name="Ops",
        target="ops@acme.example",
        wishes=Wishes(),
        actor=actor,
        now=timezone.now(),
    )


def test_a_channel_is_added_with_a_test_on_its_way(browser: Browser) -> None:
    response = browser.post(PAGE, RIGHT, follow=True)
    page = response.content.decode()
    assert "Our hook was added" in page
    assert "https://hooks.acme.example/…" in page
    assert "T0PSECRET" not in page
    made = Channel.objects.get()
    assert made.secret in page
    assert (made.topics, made.least, str(made.quiet_from)) == (
        ["health", "budget"],
        "warning",
        "22:00:00",
    )
    assert Delivery.objects.get().channel == made
    assert AuditEvent.objects.filter(action="channel.added").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"target": "http://169.254.169.254/latest"}, "not a public address"),
        ({"quiet_from": "25:00"}, "Type a time"),
        ({"topics": []}, "Choose what it is for"),
        ({"kind": "x" * 50}, "Choose mail"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    browser: Browser, wrong: dict[str, object], said: str
) -> None:
    response = browser.post(PAGE, {**RIGHT, **wrong})
    assert response.status_code == 422
    assert said in response.content.decode()
    assert "Our hook" in response.content.decode()
    assert not Channel.objects.exists()


def test_it_is_tried_and_removed(browser: Browser, channel: Channel) -> None:
    response = browser.post(f"{PAGE}{channel.pk}/test", follow=True)
    assert "A test is on its way to Ops" in response.content.decode()
    response = browser.post(f"{PAGE}{channel.pk}/remove", follow=True)
    assert "Nothing is sent to Ops any more" in response.content.decode()
    assert browser.post(f"{PAGE}{channel.pk}/remove").status_code == 404


@pytest.mark.parametrize("verb", ["test", "remove"])
def test_somebody_elses_channel_does_not_exist(
    channel: Channel, mallory: User, login: Login, verb: str
) -> None:
    stranger = login(mallory)
    assert stranger.post(f"/c/globex/notifications/{channel.pk}/{verb}").status_code == 404
    assert stranger.post(f"{PAGE}{channel.pk}/{verb}").status_code == 404
    assert "Ops" not in stranger.get("/c/globex/notifications/").content.decode()


@pytest.mark.parametrize("verb", ["test", "remove"])
def test_a_staff_channel_is_no_clients(browser: Browser, actor: Actor, verb: str) -> None:
    ours = channels.add(
        group="operations",
        kind="mail",
        name="Night shift",
        target="night@berth.example",
        wishes=Wishes(),
        actor=actor,
        now=timezone.now(),
    )
    assert browser.post(f"{PAGE}{ours.pk}/{verb}").status_code == 404
    assert "Night shift" not in browser.get(PAGE).content.decode()


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_choose_nothing(
    channel: Channel, member: Callable[[Role], User], login: Login, role: Role
) -> None:
    looker = login(member(role))
    for path in (PAGE, f"{PAGE}{channel.pk}/test", f"{PAGE}{channel.pk}/remove"):
        assert looker.post(path, RIGHT).status_code == 403
    assert Channel.objects.filter(removed_at=None).count() == 1


def test_the_page_asks_no_more_with_more_channels(
    browser: Browser, acme: Client, actor: Actor, channel: Channel
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)
        return len(queries)

    browser.get(PAGE)
    before = asked()
    for number in range(5):
        channels.add(
            client=acme,
            kind="mail",
            name=f"n{number}",
            target="ops@acme.example",
            wishes=Wishes(),
            actor=actor,
            now=timezone.now(),
        )
    assert asked() == before


def test_planned_maintenance_stands_on_every_page_of_those_concerned(
    browser: Browser, mallory: User, login: Login, order: Callable[..., Instance], actor: Actor
) -> None:
    book, now = order("book"), timezone.now()
    maintenance_windows.plan(
        instance=book,
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        what="The disks are replaced.",
        actor=actor,
        now=now,
    )
    assert "The disks are replaced." in browser.get("/c/acme/").content.decode()
    assert "The disks are replaced." not in login(mallory).get("/c/globex/").content.decode()
