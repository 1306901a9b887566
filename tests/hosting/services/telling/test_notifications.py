"""Who is told what: once, by the channels that are for it, and that it is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from hosting.models import Channel, Delivery, Notification, Severity, Topic
from hosting.services.telling import channels, deliveries, notifications
from hosting.services.telling.channels import Wishes
from tenants.errors import Refused
from tenants.models import AuditEvent, Client
from tenants.services.actors import Actor
from tests.tenants.threads import at_once

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Add = Callable[..., Channel]


@pytest.fixture
def add(acme: Client, actor: Actor) -> Add:
    """A channel of Acme's whose test is over."""

    def make(**wishes: Any) -> Channel:
        made = channels.add(
            client=acme,
            kind="mail",
            name="Ops",
            target="ops@acme.example",
            wishes=Wishes(**wishes),
            actor=actor,
            now=NOW - timedelta(days=1),
        )
        Delivery.objects.all().delete()
        return made

    return make


def _tell(client: Client | None, key: str = "k", **more: Any) -> Notification | None:
    return notifications.notify(
        **{
            "topic": Topic.BUDGET,
            "severity": Severity.WARNING,
            "key": key,
            "title": "80 % of the budget",
            "text": "80 % of this month's tokens are used.",
            "now": NOW,
            "client": client,
            **more,
        }
    )


def test_the_same_is_told_once(acme: Client, add: Add) -> None:
    add()
    assert _tell(acme) is not None
    assert _tell(acme) is None
    assert Delivery.objects.get().notifications.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_told_by_many_at_once_is_told_once(acme: Client, add: Add) -> None:
    add()
    told = [each.result() for each in at_once(*[lambda: _tell(acme)] * 4)]
    assert sum(each is not None for each in told) == 1


def test_that_it_is_over_is_told_to_those_who_heard_of_it(acme: Client, add: Add) -> None:
    add()
    assert _tell(acme, is_over=True) is None
    _tell(acme)
    assert _tell(acme, is_over=True) is not None


def test_that_it_is_over_is_told_to_those_who_heard_only_what_came_of_it(
    acme: Client, add: Add
) -> None:
    channel = add(least=Severity.CRITICAL)
    _tell(acme, "limit:1:100", severity=Severity.WARNING)
    _tell(acme, "limit:1:100:stop", severity=Severity.CRITICAL)
    _tell(acme, "limit:1:1000", severity=Severity.CRITICAL)
    for key in ("limit:1:100", "limit:1:10"):
        _tell(acme, key, is_over=True)
    told = Notification.objects.filter(deliveries__channel=channel)
    assert sorted(told.values_list("key", "is_over")) == [
        ("limit:1:100", True), ("limit:1:1000", False), ("limit:1:100:stop", False)
    ]  # fmt: skip


def test_what_happens_together_comes_together(acme: Client, add: Add) -> None:
    add()
    for number in range(50):
        _tell(acme, key=str(number))
    assert Delivery.objects.get().notifications.count() == 50


def test_nobody_elses_channel_hears_of_it(acme: Client, add: Add, actor: Actor) -> None:
    add()
    globex = Client.objects.create(name="Globex", slug="globex")
    _tell(globex)
    _tell(None, group="operations")
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("wishes", "is_told"),
    [
        ({}, True),
        ({"topics": ["health"]}, False),
        ({"least": Severity.CRITICAL}, False),
        ({"least": Severity.WARNING}, True),
    ],
)
def test_a_channel_hears_what_it_is_for(
    acme: Client, add: Add, wishes: dict[str, Any], is_told: bool
) -> None:
    add(**wishes)
    _tell(acme)
    assert Delivery.objects.exists() is is_told


def test_the_night_is_quiet_but_for_what_is_broken(acme: Client, add: Add) -> None:
    add(quiet_from=time(12), quiet_until=time(18))  # it is 13:00 in Berlin
    _tell(acme)
    assert Delivery.objects.get().due_at == datetime(2026, 3, 20, 17, 0, tzinfo=UTC)
    _tell(acme, key="broken", severity=Severity.CRITICAL)
    assert Delivery.objects.get().due_at < NOW + MINUTE


def test_what_is_tried_again_or_sent_late_waits_for_the_end_of_the_night(
    acme: Client, add: Add
) -> None:
    add(quiet_from=time(13, 1), quiet_until=time(18))  # it is 13:00 in Berlin
    morning = datetime(2026, 3, 20, 17, 0, tzinfo=UTC)
    _tell(acme)
    (claimed,) = deliveries.claim(now=NOW + MINUTE / 2, at_most=10)
    deliveries.record_failure(delivery=claimed, reason="away", now=NOW + MINUTE / 2)
    _tell(acme, key="while the worker was away")
    assert deliveries.claim(now=NOW + 2 * MINUTE, at_most=10) == []
    assert {each.due_at for each in Delivery.objects.all()} == {morning}
    assert sorted(Delivery.objects.values_list("attempt", flat=True)) == [0, 1]
    _tell(acme, key="broken", severity=Severity.CRITICAL, now=NOW + 3 * MINUTE)
    (loud,) = deliveries.claim(now=NOW + 4 * MINUTE, at_most=10)
    assert loud.notifications.count() == 2  # what was being collected goes with it
    deliveries.record_sent(delivery=loud, now=NOW + 4 * MINUTE)
    assert len(deliveries.claim(now=morning, at_most=10)) == 1


def test_what_began_and_ended_in_the_night_is_one_message(acme: Client, add: Add) -> None:
    add(quiet_from=time(12), quiet_until=time(18), is_urgent_through=False)
    _tell(acme, severity=Severity.CRITICAL)
    _tell(acme, severity=Severity.CRITICAL, is_over=True, now=NOW + 5 * MINUTE)
    assert deliveries.claim(now=NOW + 10 * MINUTE, at_most=10) == []
    (message,) = deliveries.claim(now=NOW + timedelta(hours=5), at_most=10)
    told = message.notifications.order_by("created_at")
    assert [each.is_over for each in told] == [False, True]


def test_a_channel_that_never_heard_of_it_does_not_hear_that_it_is_over(
    acme: Client, add: Add, actor: Actor
) -> None:
    heard = add()
    _tell(acme)
    later = channels.add(
        client=acme,
        kind="mail",
        name="Later",
        target="bob@acme.example",
        wishes=Wishes(),
        actor=actor,
        now=NOW,
    )
    channels.change(channel=heard, name="Ops", wishes=Wishes(least=Severity.CRITICAL), actor=actor)
    _tell(acme, is_over=True, now=NOW + MINUTE)
    over = Delivery.objects.filter(notifications__is_over=True)
    assert [each.channel for each in over] == [heard]
    assert not later.deliveries.filter(notifications__key="k").exists()


def test_a_storm_is_one_message_when_the_hour_is_over(
    acme: Client, add: Add, settings: Settings
) -> None:
    settings.BERTH_NOTIFY_PER_HOUR = 2
    add()
    for number in range(6):
        now = NOW + number * MINUTE
        _tell(acme, key=str(number), now=now)
        for each in deliveries.claim(now=now + MINUTE / 2, at_most=10):
            deliveries.record_sent(delivery=each, now=now + MINUTE / 2)
    assert Delivery.objects.filter(state="sent").count() == 2
    waiting = Delivery.objects.get(state="open")
    assert waiting.notifications.count() == 4
    assert waiting.due_at == NOW + MINUTE / 2 + timedelta(hours=1)


def test_a_message_whose_worker_died_is_due_again(acme: Client, add: Add) -> None:
    add()
    _tell(acme)
    (first,) = deliveries.claim(now=NOW + MINUTE, at_most=10)
    assert deliveries.claim(now=NOW + 2 * MINUTE, at_most=10) == []
    (second,) = deliveries.claim(now=NOW + 10 * MINUTE, at_most=10)
    assert (second.pk, second.attempt) == (first.pk, 2)
    deliveries.record_failure(delivery=first, reason="late", now=NOW + 11 * MINUTE)
    assert Delivery.objects.get().reason == ""  # the one that came back late has no say


def test_a_channel_that_takes_nothing_for_days_is_stopped(acme: Client, add: Add) -> None:
    add()
    for day in range(5):
        now = NOW + timedelta(days=day)
        _tell(acme, key=str(day), now=now)
        for each in deliveries.claim(now=now + MINUTE, at_most=10):
            deliveries.record_failure(delivery=each, reason="away", now=now, is_final=True)
    channel = Channel.objects.get()
    assert channel.stopped_why == "away"
    assert Delivery.objects.count() == 4


def test_a_first_failure_long_after_another_stops_nothing(acme: Client, add: Add) -> None:
    add()
    _tell(acme)
    (claimed,) = deliveries.claim(now=NOW + MINUTE, at_most=10)
    deliveries.record_failure(delivery=claimed, reason="away", now=NOW + MINUTE, is_final=True)
    later = NOW + timedelta(days=30)
    _tell(acme, key="later", now=later)
    (claimed,) = deliveries.claim(now=later + MINUTE, at_most=10)
    assert not deliveries.record_failure(delivery=claimed, reason="busy", now=later + MINUTE)
    assert Channel.objects.get().is_working
    assert Delivery.objects.filter(state="sending").count() == 1


def test_adding_and_removing_sends_no_tests_without_end(acme: Client, actor: Actor) -> None:
    def add(now: datetime) -> Channel:
        return channels.add(
            client=acme,
            kind="mail",
            name="Ops",
            target="bob@globex.example",
            wishes=Wishes(),
            actor=actor,
            now=now,
        )

    for _ in range(channels.MOST_CHANNELS):
        channels.remove(channel=add(NOW), actor=actor, now=NOW)
    with pytest.raises(Refused, match="within an hour"):
        add(NOW + 59 * MINUTE)
    assert add(NOW + 61 * MINUTE).is_working


def test_one_that_is_gone_is_stopped_at_once_and_a_test_starts_it_again(
    acme: Client, add: Add, actor: Actor
) -> None:
    channel = add()
    _tell(acme)
    (claimed,) = deliveries.claim(now=NOW + MINUTE, at_most=10)
    assert deliveries.record_failure(delivery=claimed, reason="410", now=NOW, is_gone=True)
    channel.refresh_from_db()
    assert not channel.is_working
    channels.test(channel=channel, actor=actor, now=NOW + MINUTE)
    channel.refresh_from_db()
    assert channel.is_working


def test_a_removed_channel_gets_nothing_and_its_target_is_forgotten(
    acme: Client, add: Add, actor: Actor
) -> None:
    channel = add()
    _tell(acme)
    channels.remove(channel=channel, actor=actor, now=NOW)
    channel = Channel.objects.get(pk=channel.pk)
    assert channel.target == ""
    assert Delivery.objects.get().state == Delivery.State.DROPPED
    _tell(acme, key="later")
    assert Delivery.objects.count() == 1
    with pytest.raises(Refused, match="was removed"):
        channels.test(channel=channel, actor=actor, now=NOW)


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"target": "ops"}, "target"),
        ({"target": "ops@acme.example\nBcc: all@acme.example"}, "target"),
        ({"kind": "webhook", "target": "http://127.0.0.1/"}, "target"),
        ({"kind": "webhook", "target": "http://10.208.0.2/"}, "target"),
        ({"kind": "apprise", "target": "file:///etc/passwd"}, "target"),
        ({"kind": "pigeon"}, "kind"),
        ({"name": ""}, "name"),
        ({"wishes": Wishes(topics=())}, "topics"),
        ({"wishes": Wishes(topics=("test",))}, "topics"),
        ({"wishes": Wishes(least="huge")}, "least"),
        ({"wishes": Wishes(quiet_from=time(1))}, "quiet_from"),
        ({"wishes": Wishes(quiet_from=time(1), quiet_until=time(1))}, "quiet_until"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    acme: Client, actor: Actor, fields: dict[str, Any], at: str
) -> None:
    right = {"kind": "mail", "name": "Ops", "target": "ops@acme.example", "wishes": Wishes()}
    with pytest.raises(Refused) as refused:
        channels.add(**{**right, **fields}, client=acme, actor=actor, now=NOW)
    assert refused.value.field == at
    assert not Channel.objects.exists()


def test_targets_and_secrets_are_sealed_and_in_no_audit_event(acme: Client, actor: Actor) -> None:
    url = "https://hooks.acme.example/T0PSECRET"
    for audience in ({"client": acme}, {"group": "operations"}):
        made = channels.add(
            **audience,
            kind="webhook",
            name="Hook",
            target=url,
            wishes=Wishes(),
            actor=actor,
            now=NOW,
        )
        found = Channel.objects.get(pk=made.pk)
        assert found.target == url
        assert found.secret.startswith("whsec_")
        assert "T0PSECRET" not in found.shown
    with connection.cursor() as cursor:
        cursor.execute("SELECT target, secret FROM hosting_channel")
        stored = b"".join(bytes(each) for row in cursor.fetchall() for each in row)
    assert b"T0PSECRET" not in stored
    assert b"whsec_" not in stored
    said = "".join(f"{each.before}{each.after}" for each in AuditEvent.objects.all())
    assert "T0PSECRET" not in said
    assert "whsec_" not in said
