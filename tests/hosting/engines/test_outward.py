"""Where a client can't have Berth connect to, however it is written."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from hosting.engines import apprise_urls, webhooks
from hosting.engines.outward import Policy, Refused, Unresolved

PUBLIC = Policy.of(never=("10.208.0.0/12", "203.0.113.0/24"), allowed=())
OFFICE = Policy.of(never=("10.208.0.0/12",), allowed=("10.0.0.0/8", "127.0.0.0/8"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "203.0.113.5",  # among those that are never allowed
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:7f00:1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:0:53aa:64c:0:0:0:1",
        "fe80::1",
        "fe80::1%eth0",
        "2a00:1450::1%eth0",
        "fc00::1",
        "fec0::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "not an address",
        "",
    ],
)
def test_it_is_refused(address: str) -> None:
    assert PUBLIC.refuses(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2a00:1450:4001::1", "172.32.0.1"]
)
def test_public_addresses_are_not(address: str) -> None:
    assert not PUBLIC.refuses(address)


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("127.0.0.1", False),
        ("10.208.0.2", True),  # an instance's, whatever is allowed
        ("::ffff:10.208.0.2", True),
        ("64:ff9b::a01:203", True),
        ("2002:a01:203::", True),
        ("192.168.1.1", True),
    ],
)
def test_what_is_allowed_never_reaches_instances(address: str, is_refused: bool) -> None:
    assert OFFICE.refuses(address) is is_refused


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "127.0.0.1"]
)
def test_short_forms_lead_where_they_lead(host: str) -> None:
    with pytest.raises(Refused):
        asyncio.run(PUBLIC.resolve(host, 80))


def test_a_name_with_one_bad_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(Refused, match="does not lead to a public address"):
        asyncio.run(PUBLIC.resolve("hooks.acme.example", 443))
    _resolve_to(monkeypatch, "8.8.8.8")
    assert asyncio.run(PUBLIC.resolve("hooks.acme.example", 443)) == "8.8.8.8"


def test_a_name_that_leads_nowhere_is_tried_again_later() -> None:
    with pytest.raises(Unresolved):
        asyncio.run(PUBLIC.resolve("nobody.invalid", 443))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.acme.example/",
        "file:///etc/passwd",
        "https://",
        "https://alice:secret@hooks.acme.example/",
        "https://hooks.acme.example@127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0/",
        "https://127.0.0.1:8000/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "https://localhost./",
        "https://db.internal/",
        "https://10.208.0.2/",
        "https://hooks.acme.example:99999/",
        "https://hooks.acme.example:0/",
        "https://hooks.acme.example/ a",
        "https://hooks.acme.example/\r\nHost: x",
        "https://hooks.acme.example/" + "x" * 2000,
        "hooks",
    ],
)
def test_such_webhooks_are_refused_at_the_form(url: str) -> None:
    assert webhooks.problem(url, PUBLIC).endswith(".")


def test_an_ordinary_webhook_is_not() -> None:
    assert webhooks.problem("https://hooks.acme.example:8443/berth?x=1", PUBLIC) == ""


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "dbus://",
        "syslog://",
        "rsyslog://10.0.0.1",
        "exec://ls",
        "windows://",
        "macosx://",
        "gnome://",
        "mailto://a:b@acme.example",
        "ssh://x",
        "mqtt://10.0.0.1/t",
        "apprise://10.0.0.1/token",
        "json://127.0.0.1/",
        "jsons://[::1]/",
        "xml://localhost/",
        "form://10.208.0.2:5678/",
        "JSON://127.0.0.1",
        "workflows://acme.example/a/b?template=/etc/passwd",
        "msteams://a/b/c/?template=/etc/passwd",
        "slack://a/b/c?+attach=/etc/passwd",
        "json://2130706433/",
        "json://acme.example/x,mailto://a:b@acme.example",
        "slack://a/b/c/;kodi://acme.example",
        "json://acme.example/x?y=1,JSON://127.0.0.1/?template=/etc/passwd",
        "slack",
        "://",
    ],
)
def test_such_services_are_refused_at_the_form(url: str) -> None:
    assert apprise_urls.problem(url, PUBLIC).endswith(".")


@pytest.mark.parametrize(
    "url", ["slack://a/b/c/#ops", "tgram://1:a/2", "jsons://acme.example/x", "ntfys://topic"]
)
def test_ordinary_services_are_not(url: str) -> None:
    assert apprise_urls.problem(url, PUBLIC) == ""


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("jsons://acme.example/token", "acme.example"),
        ("ntfys://acme.example/topic", "acme.example"),
        ("ntfys://topic", ""),  # whoever knows a topic reads it
        ("ntfys://topic/", ""),
        ("ntfys://topic/other?mode=cloud", ""),
        ("matrix://token?mode=t2bot", ""),
        ("rocket://hook@acme.example/room", ""),
        ("slack://token-a/token-b/token-c", ""),
    ],
)
def test_which_host_of_a_services_url_may_be_shown(url: str, host: str) -> None:
    assert apprise_urls.host(url) == host


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
