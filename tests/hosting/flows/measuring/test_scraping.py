"""Reading all apps' counters: one that is dead or talks nonsense keeps no other back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosting.engines import prometheus
from hosting.engines.prometheus import Unreadable
from hosting.flows.measuring import scraping
from hosting.models import Instance, Server, UsageEvent

METRICS = {
    "service": "web",
    "port": 8000,
    "path": "/metrics",
    "counters": [
        {"series": "runs_total", "where": {}, "meter": "executions", "label": "success"},
        {"series": "runs_total", "where": {"ok": "no"}, "meter": "executions", "label": "failed"},
    ],
}
Running = Callable[..., Instance]


@pytest.fixture
def running(order: Running, memory_server: Server, work_off: Callable[..., object]) -> Running:
    """An instance that runs, and whose app counts."""

    def bring_up(name: str, metrics: object = METRICS) -> Instance:
        instance = order(name)
        work_off(instance)
        instance.definition["berth"]["metrics"] = metrics
        instance.web_address, instance.web_port, instance.is_routed = "10.0.0.2", 8000, True
        instance.save()
        return instance

    return bring_up


def test_one_that_fails_keeps_no_other_back(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("dead", "mad", "odd", "well")
    instances = {name: running(name) for name in names}
    instances["odd"].definition["berth"]["metrics"] = {"counters": [1]}
    instances["odd"].save()

    def fetch(url: str, *, host: str) -> str:
        assert url == "http://10.0.0.2:8000/metrics"
        if host.startswith("dead"):
            raise Unreadable("it did not answer")
        if host.startswith("mad"):
            raise ZeroDivisionError
        return 'runs_total{ok="yes"} 3\nruns_total{ok="no"} 1\n'

    monkeypatch.setattr(prometheus, "fetch", fetch)
    assert scraping.read_all() == 1
    found = UsageEvent.objects.order_by("label").values_list("instance", "label", "amount")
    well = instances["well"].pk
    assert list(found) == [(well, "failed", 1), (well, "success", 4)]
    assert "ZeroDivisionError" in caplog.text


def test_when_the_apps_process_began_is_read_beside_its_counters(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running("book", {**METRICS, "started": "began_seconds"})
    answers = iter((("5", "100.5"), ("7", "200.5")))
    text = "runs_total {}\nbegan_seconds {}\n"
    monkeypatch.setattr(prometheus, "fetch", lambda url, host: text.format(*next(answers)))
    assert scraping.read_all() == scraping.read_all() == 1
    amounts = UsageEvent.objects.filter(label="success").order_by("at")
    assert list(amounts.values_list("amount", flat=True)) == [5, 7]


def test_another_service_is_asked_at_its_own_address(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = running("book", {**METRICS, "service": "redis", "port": 9121})
    asked: list[str] = []

    def fetch(url: str, *, host: str) -> str:
        asked.append(url)
        return "runs_total 1\n"

    monkeypatch.setattr(prometheus, "fetch", fetch)
    assert scraping.read_all() == 1
    subnet = instance.subnet.cidr.rpartition(".")[0]
    assert asked[0].startswith(f"http://{subnet}.")
    assert asked[0].endswith(":9121/metrics")


def test_what_does_not_run_or_does_not_count_is_not_asked(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running("plain", {"service": "web", "port": 8000, "path": "/metrics"})
    stopped = running("stopped")
    Instance.objects.filter(pk=stopped.pk).update(is_routed=False)
    monkeypatch.setattr(prometheus, "fetch", lambda url, host: pytest.fail("it was asked"))
    assert scraping.read_all() == 0
