"""What ``manage.py check`` says of hosting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ValidationError

from hosting.catalog.errors import CatalogError
from hosting.engines.firewall import Firewall, FirewallUnavailable
from hosting.models.sla import tiers_of
from hosting.selectors import catalog

FEWEST_DAYS_OF_SAMPLES = timedelta(days=2)
TWO_MONTHS = timedelta(days=62)


@register()
def check_catalog(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Every catalog file can be read."""
    try:
        catalog.apps()
    except CatalogError as error:
        return [Error(str(error), id="hosting.E001")]
    return []


@register()
def check_firewall(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """The way from tenants to this host is closed, as far as this process can see."""
    if not settings.BERTH_FIREWALL:
        return []
    try:
        missing = Firewall(supernets=(settings.BERTH_TENANT_SUPERNET,)).missing()
    except FirewallUnavailable as error:
        return [CheckWarning(f"The firewall can't be looked at: {error}", id="hosting.W001")]
    return [_missing(missing)] if missing else []


def _missing(rules: Sequence[str]) -> CheckMessage:
    """One warning, however many rules: they come and go together."""
    many = "1 firewall rule is" if len(rules) == 1 else f"{len(rules)} firewall rules are"
    return CheckWarning(
        f"Tenants can reach this host: {many} missing. “manage.py watch” sets them in every round,"
        " as soon as there is a server on this machine.",
        hint="Missing: " + "; ".join(str(each) for each in rules),
        id="hosting.W002",
    )


@register()
def check_kept(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Readings are kept for as long as something is still made of them."""
    return [*_samples_kept(), *_usage_kept()]


def _samples_kept() -> Sequence[CheckMessage]:
    if settings.BERTH_SAMPLES_KEPT >= FEWEST_DAYS_OF_SAMPLES:
        return []
    days, fewest = settings.BERTH_SAMPLES_KEPT.days, FEWEST_DAYS_OF_SAMPLES.days
    return [
        Error(
            f"BERTH_SAMPLES_KEPT_DAYS is {days}: use at least {fewest}, as what was used in a gap"
            " of up to a day is still shared out over it.",
            id="hosting.E002",
        )
    ]


def _usage_kept() -> Sequence[CheckMessage]:
    """An event that comes late finds the others of its month, and whether it was counted."""
    oldest = settings.BERTH_USAGE_OLDEST
    needed = {
        "BERTH_USAGE_EVENTS_KEPT": (
            oldest + TWO_MONTHS,
            "a month is summed up anew from its events when one of them comes late",
        ),
        "BERTH_USAGE_KEYS_KEPT": (
            oldest,
            "an event that is sent again would be counted once more",
        ),
    }
    return [
        Error(
            f"{name}_DAYS is {getattr(settings, name).days}: use at least {fewest.days}, as {why}.",
            id="hosting.E003",
        )
        for name, (fewest, why) in needed.items()
        if getattr(settings, name) < fewest
    ]


@register()
def check_notify_private(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What is no network would otherwise keep every notification from going out."""
    return [
        Error(
            f"BERTH_NOTIFY_PRIVATE has {each!r}, which is no network: write it as 10.1.0.0/16.",
            id="hosting.E004",
        )
        for each in settings.BERTH_NOTIFY_PRIVATE
        if not _is_network(each)
    ]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


@register()
def check_sla_tiers(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """The installation's tiers of credits can be read."""
    try:
        tiers_of(settings.BERTH_SLA_TIERS)
    except ValidationError as error:
        return [Error(f"BERTH_SLA_TIERS: {' '.join(error.messages)}", id="hosting.E005")]
    return []
