"""Availability by month as bars: what is drawn, with what is promised, and the file behind it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from hosting.charts.geometry import Chart, draw
from hosting.models import HealthDay, Instance, Server
from hosting.selectors.watching import availability
from hosting.views import availability_chart
from tenants.models import User

PAGE = "/c/acme/instances/book/incidents/"
DAY = 86400


@pytest.fixture
def book(order: Callable[..., Instance], memory_server: Server) -> Instance:
    return order("book")


def day(instance: Instance, on: date, *, down: int = 0) -> None:
    """A day that was looked at all through."""
    HealthDay.objects.create(
        instance=instance,
        day=on,
        zone=instance.client.timezone,
        checks=5760,
        failures=down // 15,
        known_seconds=DAY,
        down_seconds=down,
        excused_seconds=0,
        responses=0,
        ms_sum=0,
        buckets=[0] * 10,
    )


def _chart(instance: Instance, today: date) -> Chart | None:
    return availability_chart.chart(instance, availability.months_of(instance, today=today))


@pytest.fixture
def browser(alice: User) -> Browser:
    browser = Browser()
    browser.force_login(alice)
    return browser


def test_a_bar_a_month_oldest_first_and_what_is_promised(book: Instance) -> None:
    day(book, date(2026, 1, 5))
    day(book, date(2026, 2, 5), down=DAY // 200)
    day(book, date(2026, 4, 5))  # of March nothing is known
    chart = _chart(book, date(2026, 4, 9))
    assert chart is not None
    local = [each.at.astimezone(chart.zone) for each in chart.lines[0].points]
    assert [(each.month, each.day, each.hour) for each in local] == [
        (1, 1, 0),
        (2, 1, 0),
        (4, 1, 0),
    ]
    assert [each.value for each in chart.lines[0].points] == [100.0, 99.5, 100.0]
    assert (chart.limit, chart.limit_label, chart.unit.word) == (99.9, "Promised", "%")
    drawn = draw(chart)
    bars = drawn.shapes[0].bars
    assert bars[1].height < bars[0].height == bars[2].height
    assert drawn.limit is not None
    assert drawn.limit.text == "Promised: 99.9%"


@pytest.mark.parametrize(
    ("down", "begins"), [(0, 99.0), (DAY // 100, 98.0), (DAY // 20, 90.0), (DAY, 0.0)]
)
def test_the_axis_begins_below_every_bar_and_says_so(
    book: Instance, down: int, begins: float
) -> None:
    day(book, date(2026, 1, 5), down=down)
    chart = _chart(book, date(2026, 1, 9))
    assert chart is not None
    assert chart.least == begins
    assert (f"begins at {begins:g} %" in chart.note) == (begins > 0)


def test_where_nothing_is_ever_given_back_nothing_is_promised(
    book: Instance, settings: Settings
) -> None:
    settings.BERTH_SLA_TIERS = []
    day(book, date(2026, 1, 5))
    chart = _chart(book, date(2026, 1, 9))
    assert chart is not None
    assert chart.limit is None


def test_it_asks_for_nothing_that_the_table_has_not_read(
    book: Instance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    day(book, date(2026, 1, 5))
    found = availability.months_of(book, today=date(2026, 1, 9))
    with django_assert_num_queries(0):
        assert availability_chart.chart(book, found) is not None


def test_the_page_has_it_with_its_table_and_file(book: Instance, browser: Browser) -> None:
    assert b"chart-availability" not in browser.get(PAGE).content
    assert browser.get(f"{PAGE}availability.csv").status_code == 404
    today = timezone.localdate(timezone=ZoneInfo(book.client.timezone))
    before = today.replace(day=1) - timedelta(days=1)
    day(book, before, down=DAY // 200)
    day(book, today)
    page = browser.get(PAGE).content.decode()
    assert 'id="chart-availability"' in page
    assert "Promised <strong>99.9%</strong>" in page
    assert "chart-limit-mark" not in page  # bars would lie under the words
    assert "Available 100%, Promised 99.9%. The arrow keys" in page
    assert 'href="/c/acme/instances/book/incidents/availability.csv"' in page
    assert f'<th scope="row">{before:%b %Y}</th>' in page
    written = browser.get(f"{PAGE}availability.csv")
    lines = written.content.decode().splitlines()
    assert lines[0] == "time,Available"
    assert [each.split(",")[1] for each in lines[1:]] == ["99.5", "100"]
    assert lines[1].startswith(f"{before:%Y-%m}-01T00:00:00+")


def test_another_clients_file_is_not_there(book: Instance) -> None:
    browser = Browser()
    browser.force_login(User.objects.create_user("bob@globex.example"))
    assert browser.get(f"{PAGE}availability.csv").status_code == 404
