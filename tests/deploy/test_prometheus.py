"""What deploy/ has for Prometheus and Grafana, read by what reads it: names that are there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from django.test import Client as Browser
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from hosting.models import Chore, Health, Instance, Journal, Operation, ResourceNow, Server
from hosting.selectors.exposing import metrics, metrics_instances

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
TOKEN = "token-of-the-tests"
NAME = re.compile(r"\bberth_[a-z_]+\b")


def _promtool(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


@pytest.fixture
def _everything(
    order: Callable[..., Instance],
    work_off: Callable[[Instance], Operation],
    memory_server: Server,
) -> None:
    """A little of all that there are metrics of."""
    book = order()
    work_off(book)
    now = timezone.now()
    Server.objects.update(
        disk_free_bytes=1, last_answered_at=now, reconciled_at=now, events_until=now, sampled_at=now
    )
    Health.objects.create(instance=book, at=now, is_up=True, is_answering=True, ms=5)
    ResourceNow.objects.create(
        instance=book,
        at=now,
        cpu_cores=0.5,
        memory_bytes=1,
        volume_bytes=1,
        network_received_per_second=1,
        network_sent_per_second=1,
    )
    Chore.objects.create(name="sweep", due_at=now, last_ended_at=now)
    Journal.objects.create(instance=book, service="db", generation=1, archived_until=now)


def test_promtool_reads_the_rules() -> None:
    done = _promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_where_they_should_and_are_silent_where_not() -> None:
    done = _promtool("test", "rules", RULES.with_name("alerts.test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_would_be_seen(tmp_path: Path) -> None:
    """The test of the rules can fail."""
    broken = RULES.read_text().replace("berth_backups_overdue > 0", "berth_backups_overdue > 5")
    (tmp_path / "alerts.yml").write_text(broken)
    cases = tmp_path / "alerts.test.yml"
    cases.write_text(RULES.with_name("alerts.test.yml").read_text())
    done = _promtool("test", "rules", cases)
    assert done.returncode != 0
    assert "BerthBackupsOverdue" in done.stdout + done.stderr


def test_promtool_reads_the_sample_of_a_configuration(tmp_path: Path) -> None:
    """With the files that it names in their places."""
    (tmp_path / "alerts.yml").write_text(RULES.read_text())
    (tmp_path / "berth-token").write_text(TOKEN)
    sample = (RULES.with_name("scrape.yml")).read_text()
    sample = sample.replace("/etc/prometheus/berth-token", str(tmp_path / "berth-token"))
    (tmp_path / "prometheus.yml").write_text(sample)
    done = _promtool("check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", ["/metrics", "/metrics/instances"])
@pytest.mark.usefixtures("_everything")
def test_promtool_reads_what_berth_says(path: str, settings: Settings) -> None:
    settings.BERTH_METRICS_TOKEN = TOKEN
    answer = Browser().get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    done = _promtool("check", "metrics", text=answer.content.decode())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("_everything")
def test_whatever_rules_and_dashboards_name_is_there() -> None:
    there = _there()
    named = _named_by_rules() | _named_by_dashboards()
    assert len(named) > 20
    assert named <= there


@pytest.mark.usefixtures("_everything")
def test_every_metric_is_in_the_documentation_and_no_other() -> None:
    told = set(re.findall(r"^\| `(berth_[a-z_]+)` \|", _documentation(), re.MULTILINE))
    assert told == _there()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_has_panels_that_do_not_overlap(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_prometheus_understands_every_query_of_a_dashboard(path: Path, tmp_path: Path) -> None:
    """As recording rules, which promtool parses."""
    queries = [query.replace("$client", "acme") for query in _queries(path)]
    assert queries
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries)]
    written = tmp_path / "rules.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = _promtool("check", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def _there() -> set[str]:
    instances = text_string_to_metric_families(
        "".join(metrics_instances.of_instances(now=timezone.now()))
    )
    families = [*metrics.of_berth(now=timezone.now()), *instances]
    assert all(family.documentation for family in families)
    without = [family.name for family in families if not family.samples]
    assert set(without) <= {
        "berth_instance_backup_timestamp_seconds",  # of one that was never saved
        "berth_instance_restore_test_timestamp_seconds",
    }
    return {family.name for family in families}


def _named_by_rules() -> set[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {
        name for group in groups for rule in group["rules"] for name in NAME.findall(rule["expr"])
    }


def _named_by_dashboards() -> set[str]:
    return {name for path in DASHBOARDS for query in _queries(path) for name in NAME.findall(query)}


def _queries(path: Path) -> list[str]:
    board = json.loads(path.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def _documentation() -> str:
    return (DEPLOY.parent / "docs" / "metrics.md").read_text()
