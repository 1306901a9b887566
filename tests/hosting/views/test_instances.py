"""The list and the page of an instance: what they say, what they offer, what they ask again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape
from pytest_django import Settings

from hosting.engines.memory import MemoryEngine
from hosting.models import Instance, Operation, Server
from tenants.models import Client

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
PAGE = "/c/acme/instances/book/"
PART = {"HX-Request": "true", "HX-Target": "live"}


def test_an_empty_list_names_the_one_thing_to_do(acme: Client, browser: Browser) -> None:
    page = browser.get("/c/acme/").content.decode()
    assert "No instances yet" in page
    assert page.count("button-accent") == 1
    assert 'href="/c/acme/instances/new"' in page


@pytest.mark.parametrize("path", ["/c/acme/", PAGE, f"{PAGE}backups/", "/c/acme/audit/"])
def test_the_number_of_queries_does_not_grow(
    path: str, order: Order, work_off: WorkOff, browser: Browser
) -> None:
    Server.objects.update(cpus=100)
    work_off(order())
    order("waiting")
    browser.get(path)  # the session remembers the client once
    one = _count(browser, path)
    for number in range(19):
        work_off(order(f"more-{number}")) if number % 2 else order(f"more-{number}")
    assert _count(browser, path) == one <= 25


def _count(browser: Browser, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)


def test_the_list_reads_of_each_only_what_it_says(order: Order, browser: Browser) -> None:
    order("one")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/c/acme/")
    (read,) = (each["sql"] for each in queries if "app_title" in each["sql"])
    for column in ("expected", "image_pins", "order_key"):
        assert f'"hosting_instance"."{column}"' not in read
    assert '"hosting_instance"."definition",' not in read


def test_the_list_says_name_app_status_and_address(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    work_off(order())
    order("second")
    page = browser.get("/c/acme/").content.decode()
    for words in ("book", "second", "Guestbook", "Running", "Setting up", "Waiting for a worker"):
        assert words in page
    assert 'href="http://book.acme.localhost:8080"' in page
    assert 'href="http://second.acme.localhost:8080"' not in page


@pytest.mark.parametrize("path", ["/c/acme/", PAGE])
def test_a_part_comes_alone_and_only_when_something_changed(
    path: str, order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    whole = browser.get(path)
    assert "<html" in whole.content.decode()
    again = f"{path}?seen={whole.context['fingerprint']}"
    assert browser.get(again, headers=PART).status_code == 204
    work_off(instance)
    part = browser.get(again, headers=PART)
    assert part.status_code == 200
    assert part.content.decode().lstrip().startswith('<div id="live"')
    assert "<html" not in part.content.decode()
    assert "Running" in part.content.decode()


def test_it_asks_quickly_only_while_something_goes_on(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    for path in ("/c/acme/", PAGE):
        assert 'hx-trigger="every 3s, berth:visible"' in browser.get(path).content.decode()
    work_off(instance)
    for path in ("/c/acme/", PAGE):
        assert 'hx-trigger="every 15s, berth:visible"' in browser.get(path).content.decode()


@pytest.mark.parametrize(
    ("state", "offered", "not_offered"),
    [
        ("running", {"stop", "restart"}, {"start", "retry"}),
        ("stopped", {"start"}, {"stop", "restart", "retry"}),
        ("degraded", {"stop", "restart", "retry"}, {"start"}),
        ("failed", {"stop", "restart", "retry"}, {"start"}),
    ],
)
def test_only_what_the_state_allows_is_offered(
    state: str,
    offered: set[str],
    not_offered: set[str],
    order: Order,
    work_off: WorkOff,
    browser: Browser,
) -> None:
    work_off(order())
    Instance.objects.update(state=state)
    page = browser.get(PAGE).content.decode()
    found = set(re.findall(r'action="/c/acme/instances/book/(\w+)"', page))
    assert offered <= found
    assert not not_offered & found


def test_buttons_wait_with_a_reason_while_something_goes_on(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    work_off(order())
    browser.post(f"{PAGE}stop")
    page = browser.get(PAGE).content.decode()
    assert page.count('disabled title="Not while it is stopping."') == 3
    assert 'disabled title="Not while something else is going on."' in page


def test_progress_shows_steps_their_output_and_the_usual_time(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    for name in ("first", "second", "third"):
        done = work_off(order(name))
        Operation.objects.filter(pk=done.pk).update(
            started_at=done.requested_at,
            finished_at=done.requested_at + timedelta(seconds=40),
        )
    operation = order().operations.get()
    now = timezone.now()
    Operation.objects.filter(pk=operation.pk).update(
        state="running", started_at=now, lease_expires_at=now + timedelta(hours=1)
    )
    lines = "".join(f"line {number}\n" for number in range(20))
    operation.steps.create(position=0, name="pull", title="Fetch the images", state="done")
    operation.steps.create(
        position=1,
        name="start",
        title="Start the services",
        state="running",
        started_at=now,
        output=lines,
    )
    operation.steps.create(position=2, name="ready", title="Wait until the app is ready")
    page = browser.get(PAGE).content.decode()
    assert "Step 2 of 3: Start the services" in page
    assert "usually takes 40 s" in page
    assert "line 19" in page
    assert "line 11\n" not in page
    assert 'aria-label="Setting up"' in page


def test_a_failure_says_why_and_what_can_be_done(
    order: Order,
    work_off: WorkOff,
    memory_engine: MemoryEngine,
    browser: Browser,
    settings: Settings,
) -> None:
    settings.BERTH_IMAGE_PREFIX = ""
    memory_engine.faults.missing_images.add("guestbook:2")
    instance = order()
    work_off(instance)
    page = browser.get(PAGE).content.decode()
    assert "the image guestbook:2 does not exist" in page
    assert "Try again" in page
    assert 'href="#danger"' in page
    memory_engine.faults.missing_images.clear()
    assert browser.post(f"{PAGE}retry").status_code == 302
    work_off(instance)
    assert instance.state == Instance.State.RUNNING


@pytest.mark.parametrize(("verb", "state"), [("stop", "stopped"), ("restart", "running")])
def test_a_change_works_without_a_script(
    verb: str, state: str, order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    response = browser.post(f"{PAGE}{verb}", follow=True)
    assert response.redirect_chain == [(PAGE, 302)]
    assert work_off(instance).kind == verb
    assert instance.state == state


def test_a_change_by_htmx_answers_with_the_live_part(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    work_off(order())
    response = browser.post(f"{PAGE}stop", headers=PART)
    text = response.content.decode()
    assert response.status_code == 200
    assert text.lstrip().startswith('<div id="live"')
    assert "Stopping" in text
    assert 'id="delete-button" hx-swap-oob="true"' in text


def test_a_second_click_is_refused_with_who_was_first(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    browser.post(f"{PAGE}stop")
    text = browser.post(f"{PAGE}stop", headers=PART).content.decode()
    assert "book is busy" in text
    assert "Alice" in text
    assert instance.operations.count() == 2


def test_deleting_asks_for_the_name(order: Order, work_off: WorkOff, browser: Browser) -> None:
    instance = order()
    work_off(instance)
    for typed in ("", "Book", "other"):
        response = browser.post(f"{PAGE}delete", {"confirmation": typed})
        assert response.status_code == 422
        assert "Type book to delete it." in response.content.decode()
        assert f'value="{typed}"' in response.content.decode()
    assert instance.operations.count() == 1


def test_a_deleted_instance_has_a_page_and_sends_watchers_to_the_list(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    assert browser.post(f"{PAGE}delete", {"confirmation": "book"})["Location"] == PAGE
    assert "Deleting" in browser.get(PAGE).content.decode()
    work_off(instance)
    gone = browser.get(PAGE)
    assert gone.status_code == 410
    assert "book is deleted" in gone.content.decode()
    watcher = browser.get(PAGE, headers=PART)
    assert watcher["HX-Redirect"] == "/c/acme/"
    assert "book is deleted, with everything it held." in browser.get("/c/acme/").content.decode()


def test_an_operation_keeps_everything_it_said(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    operation = work_off(order())
    page = browser.get(f"/c/acme/operations/{operation.pk}/").content.decode()
    said = [line for step in operation.steps.all() for line in step.output.splitlines()]
    assert said
    for text in (*said, *(step.title for step in operation.steps.all())):
        assert escape(text) in page
    assert "hx-trigger" not in page


def test_calling_off_is_asked_for_once(order: Order, browser: Browser) -> None:
    operation = order().operations.get()
    path = f"/c/acme/operations/{operation.pk}/cancel"
    assert "Calling off" in browser.post(path, headers=PART).content.decode()
    operation.refresh_from_db()
    asked_at = operation.cancel_requested_at
    assert asked_at is not None
    assert browser.post(path)["Location"] == PAGE
    operation.refresh_from_db()
    assert operation.cancel_requested_at == asked_at
    assert f'action="{path}"' not in browser.get(PAGE).content.decode()


def test_an_operation_that_ended_is_not_called_off(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    operation = work_off(order())
    page = browser.post(f"/c/acme/operations/{operation.pk}/cancel", follow=True)
    assert "It has ended already: succeeded." in page.content.decode()
