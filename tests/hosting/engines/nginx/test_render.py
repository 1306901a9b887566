"""What may become configuration, and what may not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import Listen, RateLimit, Settings, Site, generation_of, render
from hosting.engines.nginx.pages import PAGES

SETTINGS = Settings(directory=Path("/srv/berth/edge"), listens=(Listen("127.0.0.1", 8080),))


def make(**changes: object) -> Site:
    defaults: dict[str, object] = {
        "instance": "acme-n8n",
        "hostnames": ("n8n.acme.example",),
        "address": "10.64.0.18",
        "port": 5678,
        "state": "serving",
    }
    return Site(**(defaults | changes))  # type: ignore[arg-type]


INJECTIONS = (
    "a.example; return 200 x",
    "a.example;",
    "a.example\n",
    "a.example }",
    "a.example{",
    "$host.example",
    "a.example #",
    'a".example',
    "a'.example",
    "a\\.example",
    "~^.*$",
    "*.example",
    ".a.example",
    "a..example",
    "a.example.",
    "-a.example",
    "a-.example",
    "a_b.example",
    "A.example",
    "bücher.example",
    "١.example",
    "default",
    "localhost",
    "",
    "10.0.0.1",
    "a.b.1",
    "a" * 64 + ".example",
    ".".join(["a" * 49] * 5) + ".example",
)


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_host_name_that_is_none_is_refused(name):
    with pytest.raises(GiveUp, match="is not a host name"):
        make(hostnames=("fine.example", name))


@pytest.mark.parametrize("name", ["n8n.acme.example", "xn--bcher-kva.example", "1.a-b.c3", "a.b"])
def test_a_host_name_is_taken(name):
    assert make(hostnames=(name,)).hostnames == (name,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instance": "a; return 200"}, "is not an instance's name"),
        ({"instance": "a\n"}, "is not an instance's name"),
        ({"instance": ""}, "is not an instance's name"),
        ({"hostnames": ()}, "has no host name"),
        ({"closed": "/metrics; return 200"}, "is not a path that can be closed"),
        ({"closed": '/a" x'}, "is not a path that can be closed"),
        ({"closed": "metrics"}, "is not a path that can be closed"),
        ({"closed": "/metrics\n"}, "is not a path that can be closed"),
        ({"used_up": ("/fine", '/a" x')}, "is not a path that can be closed"),
        ({"address": "10.0.0.1; return 200"}, "is not an IPv4 address"),
        ({"address": "10.0.0.1\n"}, "is not an IPv4 address"),
        ({"address": "010.0.0.1"}, "is not an IPv4 address"),
        ({"address": "localhost"}, "is not an IPv4 address"),
        ({"address": "::1"}, "is not an IPv4 address"),
        ({"port": 0}, "a port must be a whole number"),
        ({"port": 65536}, "a port must be a whole number"),
        ({"port": "80; return 200"}, "a port must be a whole number"),
        ({"port": True}, "a port must be a whole number"),
        ({"state": "stopped.html; return 200"}, "is none of serving, holding, stopped"),
        ({"max_body_bytes": 0}, "the largest body"),
        ({"max_body_bytes": "1m; return 200"}, "the largest body"),
    ],
)
def test_a_wrong_site_is_refused(changes, words):
    with pytest.raises(GiveUp, match=words):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"directory": Path("edge")}, "must be an absolute path"),
        ({"directory": Path('/srv/"; include /etc/passwd; "')}, "must be an absolute path"),
        ({"directory": Path("/srv/$host")}, "must be an absolute path"),
        ({"directory": Path("/srv/a\nb")}, "must be an absolute path"),
        ({"directory": Path("/" + "a" * 100)}, "too long for a socket"),
        ({"listens": ()}, "at least one address and port"),
        ({"trusted_proxies": ("10.0.0.0/8; deny all",)}, "is not an IPv4 network"),
        ({"upstream_networks": ("10.0.0.1/8",)}, "is not an IPv4 network"),
        ({"workers": 2000}, "the number of workers"),
        ({"read_timeout": "1; deny all"}, "a timeout in seconds"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(GiveUp, match=words):
        Settings(**({"directory": Path("/srv/edge")} | changes))


def test_a_wrong_listen_or_rate_is_refused():
    with pytest.raises(GiveUp, match="is not an IPv4 address"):
        Listen("127.0.0.1:80 ssl")
    with pytest.raises(GiveUp, match="requests a second"):
        RateLimit(0, 1)


def test_the_same_sites_in_any_order_are_the_same_text():
    sites = [make(instance=f"i{n}", hostnames=(f"a.i{n}.example",)) for n in range(50)]
    shuffled = random.Random(7).sample(sites, len(sites))
    assert render(sites, SETTINGS) == render(shuffled, SETTINGS)


def test_every_difference_is_another_generation():
    texts = [
        render([make()], SETTINGS),
        render([make(port=5679)], SETTINGS),
        render([make(state="stopped")], SETTINGS),
        render([make(max_body_bytes=5)], SETTINGS),
        render([], SETTINGS),
    ]
    assert len({generation_of(text) for text in texts}) == len(texts)


def test_a_text_without_generation_is_refused():
    with pytest.raises(GiveUp, match="does not begin with its generation"):
        generation_of("events {}")


def test_two_instances_with_one_name_are_refused():
    with pytest.raises(GiveUp, match=r"example belongs to two instances: acme-n8n and bob"):
        render([make(), make(instance="bob")], SETTINGS)


def test_an_address_outside_the_tenants_networks_is_refused():
    settings = Settings(
        directory=SETTINGS.directory, upstream_networks=("10.64.0.0/12", "10.96.0.0/12")
    )
    assert "10.100.0.1:5678" in render([make(address="10.100.0.1")], settings)
    for address in ("127.0.0.1", "169.254.169.254", "10.80.0.1"):
        with pytest.raises(GiveUp, match=r"outside 10.64.0.0/12, 10.96.0.0/12"):
            render([make(address=address)], settings)


def test_one_server_block_serves_all_sites_of_one_body_limit():
    sites = [
        make(instance=f"i{n}", hostnames=(f"a.i{n}.example",), max_body_bytes=5 + n % 2)
        for n in range(100)
    ]
    # Two body limits, the one for unknown hosts, and the status socket.
    assert render(sites, SETTINGS).count("server {") == 4


def test_pages_stand_alone_and_the_states_have_one_each():
    assert {"stopped", "starting", "failed"} <= set(PAGES)
    for page in PAGES.values():
        assert not re.search(r"https?://|src=|href=|url\(|<script", page)
        assert "prefers-color-scheme: dark" in page
