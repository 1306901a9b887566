"""A client's way through the dashboard, in a real browser, on an engine that runs nothing."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection
from django.test import override_settings
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from hosting.flows.working import runner
from hosting.models import Instance, Plan, Server
from hosting.services.working import turns
from tenants.models import User
from tests.hosting.metered import record, steady

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct horse battery"
CHROMIUM = "/usr/bin/chromium"
PATIENCE = 30_000  # milliseconds: other tests keep the machine busy
# Chromium breaks off a request when the machine gets a network, as by the instance of another test;
# the page asks again.
MOVED = "net::ERR_NETWORK_CHANGED"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session", autouse=True)
def _uncollected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody collected the static files; the live server finds them where they are."""
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static")):
        yield


@pytest.fixture(autouse=True)
def _room(memory_server: Server) -> None:
    """A server that runs nothing has room for every order."""


@pytest.fixture
def worker() -> Iterator[Callable[[], None]]:
    """A worker in a thread of the test; calling the fixture's value starts it."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.1):
                for operation_id in turns.due().values_list("pk", flat=True):
                    runner.run(operation_id)
                close_old_connections()
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="worker", daemon=True)
    yield thread.start
    over.set()
    if thread.is_alive():
        thread.join(timeout=30)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Django takes the event loop of Playwright's thread for asynchronous code; it is none.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def problems() -> list[str]:
    """What the browser complained about: blocked scripts, missing files, errors in scripts."""
    return []


@pytest.fixture
def phone(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, problems: list[str]) -> Iterator[Page]:
    context = chromium.new_context(base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)

    def listen(said: ConsoleMessage) -> None:
        if said.type == "error" and MOVED not in said.text:
            problems.append(said.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()


def log_in(page: Page, user: User) -> None:
    page.goto("/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_from_log_in_to_deletion(
    page: Page, alice: User, small: Plan, worker: Callable[[], None], problems: list[str]
) -> None:
    log_in(page, alice)
    expect(page.get_by_role("heading", name="No instances yet")).to_be_visible()

    page.get_by_role("link", name="Order an instance").click()
    page.get_by_text("Guestbook", exact=True).click()
    page.get_by_label("Name").press_sequentially("Book")
    expect(page.get_by_text("lower-case letters, digits and hyphens")).to_be_visible()
    page.get_by_label("Name").fill("book")
    expect(page.get_by_text("It will be at book.acme.localhost")).to_be_visible()
    page.get_by_role("button", name="Order instance").click()

    expect(page).to_have_url(re.compile(r"/c/acme/instances/book/$"))
    expect(page.locator("#progress-title")).to_have_text(re.compile("Setting up"))
    expect(page.get_by_role("link", name="Open Guestbook")).to_have_count(0)
    worker()
    opening = page.get_by_role("link", name="Open Guestbook")
    expect(opening).to_have_attribute("href", "http://book.acme.localhost:8080")
    expect(page.locator(".page-head .badge")).to_have_text("Running")

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".page-head .badge")).to_have_text("Stopped")
    expect(opening).to_have_count(0)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".page-head .badge")).to_have_text("Running")

    page.get_by_label("Type book to confirm").fill("boo")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("Type book to delete it.")).to_be_visible()
    assert Instance.objects.get().state == Instance.State.RUNNING
    problems.clear()  # the browser logs the refusal's status
    page.get_by_label("Type book to confirm").fill("book")
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("book is deleted, with everything it held.")).to_be_visible()
    expect(page.get_by_role("heading", name="No instances yet")).to_be_visible()

    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("row").filter(has_text="deleted acme/book")).to_be_visible()
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert problems == []


def test_what_is_typed_and_folded_out_survives_the_refresh(
    page: Page, alice: User, order: Callable[..., Instance], problems: list[str]
) -> None:
    instance = order()
    operation = instance.operations.get()
    operation.steps.create(
        position=0, name="pull", title="Fetch the images", state="done", output="fetched\n"
    )
    log_in(page, alice)
    page.get_by_role("link", name="book", exact=True).click()
    page.get_by_text("Fetch the images").click()
    expect(page.get_by_text("fetched", exact=True)).to_be_visible()
    page.get_by_label("Type book to confirm").fill("bo")
    operation.steps.create(position=1, name="start", title="Start the services", state="running")
    expect(page.locator(".step-title", has_text="Start the services")).to_be_visible()
    expect(page.get_by_text("fetched", exact=True)).to_be_visible()
    expect(page.get_by_label("Type book to confirm")).to_have_value("bo")
    expect(page.get_by_label("Type book to confirm")).to_be_focused()
    assert problems == []


def test_a_hidden_tab_asks_nothing(
    page: Page, alice: User, order: Callable[..., Instance], problems: list[str]
) -> None:
    order()
    log_in(page, alice)
    expect(page.get_by_role("link", name="book", exact=True)).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away !== false})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4_000)
    assert asked == []
    with page.expect_request(re.compile("seen=")):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    assert problems == []


def test_the_theme_is_remembered_and_does_not_flash(page: Page, alice: User) -> None:
    log_in(page, alice)
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Dark").click()
    page.reload(wait_until="commit")
    page.wait_for_selector("body", state="attached")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(14, 16, 19)"


def test_it_works_by_keyboard_alone(
    page: Page, alice: User, small: Plan, problems: list[str]
) -> None:
    log_in(page, alice)
    expect(page.get_by_role("heading", name="Instances", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Order an instance")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name=re.compile("^Guestbook")).focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name=re.compile("^Small"))).to_be_checked()
    page.get_by_label("Name").focus()
    page.keyboard.type("book")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/c/acme/instances/book/$"))
    assert problems == []


def test_a_chart_is_read_with_keys_keeps_its_place_and_fails_alone(
    page: Page, alice: User, order: Callable[..., Instance], problems: list[str]
) -> None:
    now = timezone.now()
    record(order(), *steady(now - timedelta(minutes=5), now, cores=0.5), now=now)
    log_in(page, alice)
    expect(page.get_by_role("link", name="book", exact=True)).to_be_visible()
    page.goto("/c/acme/instances/book/usage/")
    figure = page.locator("#chart-cpu [data-chart]")
    tip = figure.locator(".chart-tip")
    figure.focus()
    page.keyboard.press("End")
    expect(tip).to_have_text(re.compile(r"CPU: 0\.5 cores"))
    expect(page.locator("#said")).to_have_text(re.compile(r"CPU: 0\.5 cores"))
    page.keyboard.press("Home")
    first = tip.inner_text()
    with page.expect_response("**/usage/cpu?*"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tip).to_have_text(first, use_inner_text=True)
    expect(figure).to_be_focused()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    figure.hover()
    expect(tip).to_be_visible()
    assert problems == []

    page.route("**/usage/cpu?*", lambda route: route.fulfill(status=500))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#chart-cpu .part-stale")).to_contain_text("CPU: Berth could not read this")
    expect(figure).to_be_visible()
    page.reload()
    said = "CPU: Berth could not read this (error 500). It is tried again by itself."
    expect(page.locator("#chart-cpu")).to_have_text(said)
    expect(page.locator("#chart-memory [data-chart]")).to_be_visible()
    expect(page.locator("#offline")).to_be_hidden()


def test_a_tables_place_and_focus_outlive_the_refresh_and_escape_hides_what_is_said(
    page: Page, alice: User, order: Callable[..., Instance], problems: list[str]
) -> None:
    now = timezone.now()
    record(order(), *steady(now - timedelta(minutes=30), now, cores=0.5), now=now)
    log_in(page, alice)
    expect(page.get_by_role("link", name="book", exact=True)).to_be_visible()
    page.goto("/c/acme/instances/book/usage/?span=hour")
    page.locator("#table-cpu summary").click()
    rows = page.locator("#table-cpu-rows")
    rows.evaluate("each => { each.scrollTop = 200; }")
    page.locator("#table-cpu-file").focus()
    top = page.evaluate("scrollY")
    first = rows.evaluate(_FIRST_ROW)
    with page.expect_response("**/usage/cpu?*"):
        rows.evaluate("each => { each.dataset.old = ''; }")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#table-cpu-rows:not([data-old])")).to_be_visible()  # it is drawn anew
    expect(page.locator("#table-cpu-file")).to_be_focused()
    assert rows.evaluate(_FIRST_ROW) == first
    assert page.evaluate("scrollY") == top

    page.locator("#chart-cpu [data-chart]").hover()
    tip = page.locator("#chart-cpu .chart-tip")
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    assert problems == []


def test_a_tap_says_a_value_and_nothing_moves_as_charts_come(
    phone: Page, alice: User, order: Callable[..., Instance]
) -> None:
    now = timezone.now()
    book = order()
    record(book, *steady(now - timedelta(minutes=5), now, cores=0.5), now=now)
    log_in(phone, alice)
    expect(phone.get_by_role("link", name="book", exact=True)).to_be_visible()
    phone.add_init_script(_WATCH_MOVES)
    phone.goto("/c/acme/instances/book/usage/?span=hour")
    expect(phone.locator("#chart-cpu [data-chart]")).to_be_visible()
    expect(phone.get_by_text("Loading.")).to_have_count(0)
    assert phone.evaluate("moves") == []
    phone.locator("#chart-cpu [data-chart]").tap()
    expect(phone.locator("#chart-cpu .chart-tip")).to_have_text(re.compile(r"CPU: 0\.5 cores"))
    phone.get_by_role("heading", name="Usage of book").tap()
    expect(phone.locator("#chart-cpu .chart-tip")).to_be_hidden()

    phone.set_viewport_size({"width": 320, "height": 844})  # as wide as anything has to fit in
    assert phone.evaluate("document.documentElement.scrollWidth") == 320


# The time of the first row that is seen whole, and how far below the edge it is.
_FIRST_ROW = """each => {
  const rows = [...each.querySelectorAll("tbody tr")];
  const row = rows.find((one) => one.offsetTop >= each.scrollTop);
  return [row.cells[0].textContent, row.offsetTop - each.scrollTop];
}"""
_WATCH_MOVES = """window.moves = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) moves.push(each.sources.map((one) => one.node?.className));
}).observe({type: "layout-shift", buffered: true});"""
