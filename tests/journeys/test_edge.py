"""What clients' browsers see at the edge while instances come, stop, change and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from hosting import tasks
from hosting.engines.errors import GiveUp
from hosting.models import EdgeState, Hostname, Instance, Operation
from hosting.services import instances
from hosting.services.edge import want_publish
from tenants.models import Client
from tenants.services import clients
from tenants.services.actors import Actor
from tests.journeys.portal import Edge, web

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


@pytest.fixture
def bobs(db: None, actor: Actor) -> Client:
    """A second client."""
    return clients.create(name="Bobs Books", slug="bobs", timezone="UTC", actor=actor)


def test_an_instance_is_reached_by_its_name_for_as_long_as_it_runs(
    edge: Edge, order: Order, work_off: WorkOff, actor: Actor
) -> None:
    instance = order("book")
    tasks.publish_edge()
    assert edge.get(instance).status_code == 503
    assert "starting" in edge.get(instance).text.lower()

    assert work_off(instance).state == Operation.State.SUCCEEDED
    with web(edge.port, instance) as browser:
        assert "<h1>Guestbook</h1>" in browser.get("/").text
        assert browser.post("/entries", json={"text": "Hello"}).status_code == 201
        assert [each["text"] for each in browser.get("/entries").json()["entries"]] == ["Hello"]
        assert_redirects_stay_at_the_edge(browser)

    instances.stop(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    stopped = edge.get(instance)
    assert stopped.status_code == 503
    assert stopped.headers["Retry-After"]
    assert "stopped" in stopped.text.lower()

    instances.start(instance=instance, actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    entries = edge.get(instance, "/entries").json()["entries"]
    assert [each["text"] for each in entries] == ["Hello", "Hello again"]
    assert all(each["verified"] for each in entries)  # signed with a key that is still the same

    name = instance.hostnames.get().name
    instances.delete(instance=instance, confirmation="book", actor=actor)
    assert work_off(instance).state == Operation.State.SUCCEEDED
    assert edge.ask(name).status_code == 404


def assert_redirects_stay_at_the_edge(browser: httpx.Client) -> None:
    answer = browser.post("/entries", data={"text": "Hello again"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_one_clients_websocket_outlives_the_changes_of_another(
    edge: Edge,
    running: Order,
    work_off: WorkOff,
    bobs: Client,
    actor: Actor,
) -> None:
    acmes = running("book")
    with edge.websocket(acmes) as socket:
        said = [f"message {number}" for number in range(5)]
        assert echoed(socket, said[0])
        generations = {edge.nginx.live_generation()}
        other = running("book", client=bobs)
        generations.add(edge.nginx.live_generation())
        assert "Guestbook" in edge.get(other).text
        assert echoed(socket, said[1])
        for verb, text in ((instances.stop, said[2]), (instances.start, said[3])):
            verb(instance=other, actor=actor)
            assert work_off(other).state == Operation.State.SUCCEEDED
            generations.add(edge.nginx.live_generation())
            assert echoed(socket, text)
        # Else nothing was reloaded, and the test would prove nothing.
        assert len(generations) >= 3

        # Its own stop does end it: what the socket speaks to is the container itself.
        instances.stop(instance=acmes, actor=actor)
        assert work_off(acmes).state == Operation.State.SUCCEEDED
        with pytest.raises(Exception, match=r"closed|close frame"):
            echoed(socket, said[4])


def echoed(socket: Any, text: str) -> bool:
    socket.send(text)
    return bool(socket.recv(timeout=10) == text)


def test_a_configuration_that_nginx_refuses_leaves_the_old_one_serving(
    edge: Edge, running: Order, order: Order, settings: Settings
) -> None:
    instance = running("book")
    good = edge.nginx.live_generation()

    # nginx itself refuses this: it can't listen on an address that the machine does not have.
    settings.BERTH_EDGE_ADDRESS = "203.0.113.7"
    want_publish()
    with pytest.raises(GiveUp):
        tasks.publish_edge()
    state = EdgeState.objects.get()
    assert "203.0.113.7" in state.error
    assert state.live < state.wanted
    assert "Guestbook" in edge.get(instance).text
    assert edge.nginx.live_generation() == good

    settings.BERTH_EDGE_ADDRESS = "127.0.0.1"
    tasks.publish_edge()
    state.refresh_from_db()
    assert (state.error, state.live) == ("", state.wanted)
    assert "Guestbook" in edge.get(instance).text

    # This one would be a directive of the attacker's choice; it never gets as far as nginx, and
    # keeps nobody else from the edge.
    other = order("other")
    Hostname.objects.filter(instance=other).update(name="x; } include /etc/passwd; #")
    want_publish()
    tasks.publish_edge()
    state.refresh_from_db()
    assert (state.error, state.live) == ("", state.wanted)
    assert "/etc/passwd" not in (edge.nginx.directory / "current.conf").read_text()
    assert "Guestbook" in edge.ask("book.acme.localhost").text
