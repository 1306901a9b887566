"""The usage page: a place for each chart, and each chart by itself with the table behind it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hosting.charts import units
from hosting.charts.geometry import WIDTH, draw
from hosting.models import (
    HealthDay,
    HealthSlot,
    Instance,
    LimitWarning,
    Probe,
    ResourceDay,
    ResourceQuarter,
    UsageSum,
)
from hosting.models.health import RESPONSE_BUCKETS_MS
from hosting.views.usage_charts import CHARTS
from hosting.views.usage_windows import SPANS, Window, bar_of, bars
from tenants.models import Role, User
from tenants.services import clients
from tenants.services.actors import Actor
from tests.hosting.metered import record, steady

PAGE = "/c/acme/instances/book/usage/"
Login = Callable[[User | None], Browser]


def _chart(browser: Browser, slug: str, span: str = "day") -> str:
    answer = browser.get(f"{PAGE}{slug}?span={span}")
    assert answer.status_code == 200
    return answer.content.decode()


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def _rollup(book: Instance, at: datetime, **more: object) -> dict[str, object]:
    values: dict[str, object] = dict.fromkeys(
        (
            *("cpu_periods", "throttled_periods", "throttled_seconds"),
            *("network_received_bytes", "network_sent_bytes"),
            *("disk_read_bytes", "disk_written_bytes"),
        ),
        0,
    )
    values |= {"seconds": 900, "cpu_seconds": 225, "cpu_max": 0.5}
    values |= {"memory_bytes": 300 * 1024**2, "memory_max_bytes": 310 * 1024**2}
    return values | {"instance": book, "volume_bytes": 2 * 1024**3} | more


@pytest.fixture
def measured(book: Instance) -> Instance:
    """Measured in the last hours, with a hole of two quarters, and on ten days."""
    last = _quarter(timezone.now()) - timedelta(minutes=15)
    for back in range(12):
        at = last - timedelta(minutes=15 * back)
        if back not in (5, 6):
            ResourceQuarter.objects.create(**_rollup(book, at), at=at)
        buckets = [0] * (len(RESPONSE_BUCKETS_MS) + 1)
        buckets[2] = 60
        counts = {
            "checks": 60,
            "failures": 0,
            "known_seconds": 900,
            "down_seconds": 9 * (back == 3),
            "excused_seconds": 0,
            "responses": 60,
            "ms_sum": 60 * 40,
            "ms_max": 48,
            "buckets": buckets,
        }
        HealthSlot.objects.create(instance=book, start=at, **counts)
        for outcome, number in (("success", 8), ("failed", 2)):
            UsageSum.objects.create(
                instance=book,
                span="quarter",
                starts_at=at,
                meter="executions",
                label=outcome,
                total=Decimal(number),
                count=number,
                maximum=1,
                latest_at=at,
                computed_at=at,
            )
    today = timezone.now().date()
    for back in range(10):
        day = today - timedelta(days=back)
        ResourceDay.objects.create(**_rollup(book, last, seconds=86_400), date=day)
        HealthDay.objects.create(instance=book, day=day, zone="Europe/Berlin", **counts)
    return book


def test_charts_of_days_reach_to_the_one_that_runs_also_after_a_move(
    book: Instance, actor: Actor
) -> None:
    """It is the 1st of April in Berlin, and will be for a day; in New York it is March."""
    now = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    book.client = clients.update(
        client=book.client, timezone="America/New_York", actor=actor, now=now
    )
    for span in ("month", "year"):
        assert Window.until_now(book, SPANS[span], now).after == date(2026, 4, 2)
    assert Window.until_now(book, SPANS["day"], now).until == now


def test_the_page_has_a_place_for_each_chart(book: Instance, browser: Browser) -> None:
    page = browser.get(PAGE).content.decode()
    for slug, (title, _) in CHARTS.items():
        assert f'hx-get="{PAGE}{slug}?span=day"' in page
        assert f">{title}</h2>" in page
    assert re.search(r'href="\?span=day"\s+aria-current="true"', page)
    assert f'href="{PAGE}"' in browser.get("/c/acme/instances/book/").content.decode()


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("slug", CHARTS)
def test_every_chart_has_every_span(
    slug: str, span: str, measured: Instance, browser: Browser
) -> None:
    chart = _chart(browser, slug, span)
    assert "chart-drawing" in chart or "Nothing was measured" in chart


@pytest.mark.parametrize("slug", CHARTS)
def test_where_nothing_was_measured_it_says_so(slug: str, book: Instance, browser: Browser) -> None:
    chart = _chart(browser, slug)
    assert "Nothing was measured in this time." in chart
    assert "<svg" not in chart


def test_a_chart_has_units_the_plans_limit_and_a_table(
    measured: Instance, browser: Browser
) -> None:
    chart = _chart(browser, "memory")
    assert "Plan Small: 512 MB" in chart
    assert "<strong>300 MB</strong>" in chart
    assert chart.count('<tr data-x="') >= 10
    assert 'class="numeric">300 MB</td>' in chart
    assert "style=" not in chart  # the policy forbids it


def test_a_hole_breaks_the_line(measured: Instance, browser: Browser) -> None:
    (path,) = re.findall(r'class="chart-line chart-series-0" d="(M[^"]+)"', _chart(browser, "cpu"))[
        1:
    ]
    assert path.count("M") == 2


def test_bars_are_told_apart_and_say_what_they_are(measured: Instance, browser: Browser) -> None:
    chart = _chart(browser, "executions", "hour")
    assert "<title>Success: 8</title>" in chart
    assert "<title>Failed: 2</title>" in chart
    assert "Failed <strong>24</strong>" in _chart(browser, "executions")


def test_a_part_keeps_its_look_and_its_place_before_anything_fails(
    measured: Instance, browser: Browser
) -> None:
    both = _chart(browser, "executions")
    UsageSum.objects.filter(label="failed").delete()
    alone = _chart(browser, "executions")
    for chart in (both, alone):
        bars = re.findall(r'<rect class="chart-bar (\S+)"[^>]*><title>(\w+)', chart)
        assert set(bars) <= {("chart-series-0", "Success"), ("chart-series-bad", "Failed")}
        keys = re.findall(r"chart-bar (\S+)\" x=.*?</svg>\s+(\w+) <strong>", chart, re.DOTALL)
        assert keys[-2:] == [("chart-series-0", "Success"), ("chart-series-bad", "Failed")]
    assert "<title>Failed" in both
    assert "<title>Failed" not in alone
    assert "Failed <strong>0</strong>" in alone
    assert '<td class="numeric">0</td>' in alone  # it is known that none failed


@pytest.mark.parametrize("span", SPANS)
def test_the_bar_that_is_not_over_is_as_wide_as_the_others(
    span: str, book: Instance, browser: Browser
) -> None:
    """Ten seconds past midnight there is nearly nothing of the day, week and hour that run."""
    now = datetime(2026, 3, 15, 23, 0, 10, tzinfo=UTC)  # a Monday's first seconds in Berlin
    window = Window.until_now(book, SPANS[span], now)
    bar = SPANS[span].part
    day = window.until.astimezone(window.zone).date()
    last = bar_of(day if bar >= timedelta(days=1) else now, window, bar)
    chart = bars("x", "X", units.COUNT, window, {"X": {last - bar: 1.0, last: 1.0}}, step=bar)
    before, running = draw(chart).shapes[0].bars
    assert running.width == pytest.approx(before.width, abs=0.1)
    assert running.x + running.width <= WIDTH


def test_the_table_has_counts_to_the_last_one(measured: Instance, browser: Browser) -> None:
    UsageSum.objects.filter(label="success").update(total=Decimal(1_637_761))
    chart = _chart(browser, "executions", "hour")
    assert '<td class="numeric">1,637,761</td>' in chart
    answer = browser.get(f"{PAGE}executions.csv?span=hour").content.decode()
    assert ",1637761,2" in answer


def test_the_legend_has_the_uptime_of_all_that_is_shown(
    measured: Instance, browser: Browser
) -> None:
    """The last quarters were well; in all, 9 seconds of 12 quarters are missing."""
    chart = _chart(browser, "uptime")
    assert "Uptime <strong>99.916%</strong>" in chart
    assert 'aria-label="Uptime: Uptime 99.916%.' in chart


def test_the_table_can_be_scrolled_with_keys_and_found_again(
    measured: Instance, browser: Browser
) -> None:
    """What has an identifier keeps the focus when it is written anew."""
    chart = _chart(browser, "memory")
    for each in ("table-memory-title", "table-memory-rows", "table-memory-file"):
        assert f'id="{each}"' in chart
    (rows,) = re.findall(r'<div id="table-memory-rows"[^>]*>', chart)
    assert 'tabindex="0"' in rows
    assert 'aria-label="Values of Memory"' in rows


def test_uptime_is_never_rounded_up(measured: Instance, browser: Browser) -> None:
    assert "<title>Uptime: 99%</title>" in _chart(browser, "uptime")


def test_response_times_have_an_average_and_a_percentile(
    measured: Instance, browser: Browser
) -> None:
    chart = _chart(browser, "response")
    assert "Average <strong>40 ms</strong>" in chart
    assert "95th percentile" in chart


def test_the_file_has_the_tables_values(measured: Instance, browser: Browser) -> None:
    answer = browser.get(f"{PAGE}memory.csv?span=day")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="book-memory-day.csv"' in answer["Content-Disposition"]
    head, *rows = csv.reader(io.StringIO(answer.content.decode()))
    assert head == ["time", "Memory"]
    assert str(300 * 1024**2) in [value for _, value in rows]
    assert "" in [value for _, value in rows]  # the hole


def test_a_warning_is_above_the_charts(book: Instance, browser: Browser) -> None:
    LimitWarning.objects.create(
        instance=book, kind="disk", summary="The disk is full in 3 days.", plan=book.plan
    )
    page = browser.get(PAGE).content.decode()
    assert "The disk is full in 3 days." in page
    assert "Plan Small would be enough." in page


@pytest.mark.parametrize("span", ["day", "week", "month", "year"])
def test_what_has_just_begun_is_shown_by_its_readings(
    span: str, book: Instance, browser: Browser
) -> None:
    now = timezone.now()
    record(book, *steady(now - timedelta(minutes=2), now - timedelta(seconds=5), cores=0.5))
    for number in range(4):
        Probe.objects.create(
            instance=book,
            at=now - timedelta(seconds=15 * (number + 1)),
            seconds=15,
            is_up=True,
            is_answering=True,
            ms=40 + number,
        )
    chart = _chart(browser, "cpu", span)
    assert "<strong>0.5 cores</strong>" in chart
    assert "it is measured since then." in chart
    assert chart.count('<tr data-x="') == 7
    response = _chart(browser, "response", span)
    assert "Each look <strong>40 ms</strong>" in response
    assert response.count('<tr data-x="') == 4


def test_a_year_is_told_by_weeks(measured: Instance, browser: Browser) -> None:
    HealthDay.objects.filter(day=timezone.now().date()).update(down_seconds=900)
    chart = _chart(browser, "uptime", "year")
    assert "Week of " in chart
    assert 2 <= chart.count("<tr data-x=") <= 3


def test_values_stand_beside_the_plot(measured: Instance, browser: Browser) -> None:
    assert "chart-margin-short" in _chart(browser, "memory")
    assert "chart-margin-long" in _chart(browser, "cpu")
    assert 'class="chart-mark chart-value" x="-8"' in _chart(browser, "executions")


@pytest.mark.parametrize("path", ["", "cpu", "cpu.csv"])
def test_others_see_nothing_of_it(path: str, book: Instance, mallory: User, login: Login) -> None:
    assert login(mallory).get(PAGE + path).status_code == 404
    theirs = PAGE.replace("acme", "globex")
    assert login(mallory).get(theirs + path).status_code == 404


def test_a_viewer_may_look(book: Instance, member: Callable[[Role], User], login: Login) -> None:
    assert login(member(Role.VIEWER)).get(f"{PAGE}cpu").status_code == 200


@pytest.mark.parametrize("path", ["nothing", "nothing.csv", "cpu.xml"])
def test_there_is_no_other_chart(path: str, book: Instance, browser: Browser) -> None:
    assert browser.get(PAGE + path).status_code == 404


@pytest.mark.parametrize("span", ["", "decade", "../x", "<b>"])
def test_a_span_that_is_none_is_a_day(span: str, book: Instance, browser: Browser) -> None:
    answer = browser.get(PAGE, {"span": span})
    assert answer.context["span"].slug == "day"
    assert "<b>" not in answer.content.decode()


@pytest.mark.parametrize("slug", CHARTS)
def test_a_chart_takes_few_queries(slug: str, measured: Instance, browser: Browser) -> None:
    browser.get(PAGE)
    with CaptureQueriesContext(connection) as queries:
        browser.get(f"{PAGE}{slug}?span=year")
    assert len(queries) <= 12
