"""From a notification to a real mail server and a real receiver of webhooks."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone
from pytest_django import Settings

from hosting.flows.telling import delivering
from hosting.models import Channel, Delivery, Notification, Severity, Topic
from hosting.services.telling import channels, notifications
from hosting.services.telling.channels import Wishes
from tenants.models import Client
from tenants.services.actors import Actor

pytestmark = pytest.mark.django_db


class _Mailbox:
    """Takes every mail but those to one address."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 No such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[_Mailbox]:
    box = _Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield box
    controller.stop()


class _Hook:
    def __init__(self) -> None:
        self.statuses = [200]
        self.heard: list[tuple[str, dict[str, Any]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.heard.append((self.headers["webhook-id"], body))
                self.send_response(hook.statuses.pop(0))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/T0PSECRET"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook(settings: Settings) -> Iterator[_Hook]:
    settings.BERTH_NOTIFY_PRIVATE = ["127.0.0.0/8"]
    made = _Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _add(client: Client, actor: Actor, kind: str, target: str) -> Channel:
    return channels.add(
        client=client,
        kind=kind,
        name=f"Our {kind}",
        target=target,
        wishes=Wishes(),
        actor=actor,
        now=timezone.now(),
    )


def _tell(client: Client, key: str) -> None:
    notifications.notify(
        topic=Topic.HEALTH,
        severity=Severity.CRITICAL,
        key=key,
        title=f"{key} can't be reached",
        text=f"{key} can't be reached since 12:00 UTC.",
        now=timezone.now() - timedelta(minutes=1),
        client=client,
        path="/c/acme/",
    )


def test_a_mail_says_all_that_happened(acme: Client, actor: Actor, mailbox: _Mailbox) -> None:
    _add(acme, actor, "mail", "ops@acme.example")
    assert delivering.deliver_due() == 1
    for key in ("book", "shop"):
        _tell(acme, key)
    Delivery.objects.filter(state="open").update(due_at=timezone.now())
    assert delivering.deliver_due() == 1
    (_, tested), (to, mail) = mailbox.mails
    assert "Test of the channel" in tested["Subject"]
    assert to == ["ops@acme.example"]
    assert mail["Subject"] == "book can't be reached, and 1 more"
    text = mail.get_content()
    assert "shop can't be reached since" in text
    assert "http://localhost:8000/c/acme/" in text
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_an_address_that_is_refused_is_not_tried_again(
    acme: Client, actor: Actor, mailbox: _Mailbox
) -> None:
    _add(acme, actor, "mail", "nobody@acme.example")
    delivering.deliver_due()
    found = Delivery.objects.get()
    assert (found.state, found.reason) == ("failed", "The mail server refuses the address.")


def test_a_webhook_is_tried_again_under_the_same_id(
    acme: Client, actor: Actor, hook: _Hook
) -> None:
    hook.statuses = [503, 200]
    _add(acme, actor, "webhook", hook.url)
    delivering.deliver_due()
    waiting = Delivery.objects.get()
    assert (waiting.state, waiting.reason) == ("sending", "it answered 503")
    assert "T0PSECRET" not in waiting.reason
    Delivery.objects.update(due_at=timezone.now())
    delivering.deliver_due()
    assert Delivery.objects.get().state == "sent"
    (first, body), (second, _) = hook.heard
    assert first == second == str(waiting.pk)
    assert body["data"]["notifications"][0]["topic"] == "test"


def test_one_that_is_gone_is_stopped_and_the_other_channels_hear_of_it(
    acme: Client, actor: Actor, hook: _Hook
) -> None:
    hook.statuses = [410]
    gone = _add(acme, actor, "webhook", hook.url)
    other = _add(acme, actor, "mail", "ops@acme.example")
    Delivery.objects.filter(channel=other).delete()
    delivering.deliver_due()
    gone.refresh_from_db()
    assert not gone.is_working
    told = Notification.objects.get(topic=Topic.CHANNELS)
    assert [each.channel for each in told.deliveries.all()] == [other]


def test_private_addresses_are_refused_when_it_is_sent_too(
    acme: Client, actor: Actor, hook: _Hook, settings: Settings
) -> None:
    """Allowed when it was added, and no longer; or a name that has turned."""
    _add(acme, actor, "webhook", hook.url)
    settings.BERTH_NOTIFY_PRIVATE = []
    delivering.deliver_due()
    found = Delivery.objects.get()
    assert found.state == "failed"
    assert "not a public address" in found.reason
    assert hook.heard == []
