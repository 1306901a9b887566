"""What ``manage.py check`` says of hosting."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from hosting import checks
from hosting.engines.firewall import Firewall


def test_it_names_file_line_and_reason_of_a_wrong_catalog_file(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("services:\n  web:\n    image: x:1\n")
    settings.BERTH_CATALOG_DIRS = [tmp_path]
    (error,) = checks.check_catalog(None)
    assert error.msg == "wrong.yaml:1: x-berth: is missing"


def test_it_has_nothing_to_say_of_the_catalog_that_comes_with_berth() -> None:
    assert checks.check_catalog(None) == []


def test_it_names_all_firewall_rules_that_are_missing_in_one_warning(settings: Settings) -> None:
    """Looked at for real, in a range that nobody set rules for."""
    settings.BERTH_FIREWALL = True
    settings.BERTH_TENANT_SUPERNET = "10.199.0.0/16"
    (message,) = checks.check_firewall(None)
    if message.id == "hosting.W001":
        pytest.skip("the rules can't be read here")
    assert message.id == "hosting.W002"
    missing = Firewall(supernets=("10.199.0.0/16",)).missing()
    assert f"{len(missing)} firewall rules are missing" in message.msg
    assert "manage.py watch" in message.msg
    assert message.hint is not None
    assert all(str(rule) in message.hint for rule in missing)


def test_it_leaves_the_firewall_alone_where_it_is_somebody_elses(settings: Settings) -> None:
    settings.BERTH_FIREWALL = False
    assert checks.check_firewall(None) == []


@pytest.mark.parametrize(("days", "is_refused"), [(-1, True), (0, True), (1, True), (2, False)])
def test_readings_are_kept_for_two_days_at_least(
    settings: Settings, days: int, is_refused: bool
) -> None:
    settings.BERTH_SAMPLES_KEPT = timedelta(days=days)
    messages = checks.check_kept(None)
    assert [each.id for each in messages] == ["hosting.E002"] * is_refused
    assert all(
        f"BERTH_SAMPLES_KEPT_DAYS is {days}: use at least 2" in each.msg for each in messages
    )


def test_events_and_their_keys_are_kept_for_as_long_as_late_ones_are_taken(
    settings: Settings,
) -> None:
    assert checks.check_kept(None) == []
    settings.BERTH_USAGE_EVENTS_KEPT = timedelta(days=96)
    settings.BERTH_USAGE_KEYS_KEPT = timedelta(days=34)
    events, keys = checks.check_kept(None)
    assert events.id == keys.id == "hosting.E003"
    assert "BERTH_USAGE_EVENTS_KEPT_DAYS is 96: use at least 97, as a month is" in events.msg
    assert "BERTH_USAGE_KEYS_KEPT_DAYS is 34: use at least 35, as an event" in keys.msg


@pytest.mark.parametrize("wrong", ["10.1.0.1/16", "10.1.0.0/33", "office", ""])
def test_networks_that_notifications_may_go_to_are_networks(settings: Settings, wrong: str) -> None:
    settings.BERTH_NOTIFY_PRIVATE = ["10.1.0.0/16", wrong]
    (error,) = checks.check_notify_private(None)
    assert repr(wrong) in error.msg
    settings.BERTH_NOTIFY_PRIVATE = ["10.1.0.0/16", "fd00::/8"]
    assert checks.check_notify_private(None) == []


def test_the_tiers_of_credits_can_be_read(settings: Settings) -> None:
    settings.BERTH_SLA_TIERS = [[99.0, 10], [99.9, 25]]
    (error,) = checks.check_sla_tiers(None)
    assert error.msg.startswith("BERTH_SLA_TIERS: Begin with the highest share")
    settings.BERTH_SLA_TIERS = []
    assert checks.check_sla_tiers(None) == []
