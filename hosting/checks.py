"""What ``manage.py check`` says of hosting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from hosting.catalog.errors import CatalogError
from hosting.engines.firewall import Firewall, FirewallUnavailable
from hosting.selectors import catalog


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
    return [
        CheckWarning(f"Tenants can reach this host: the rule is missing: {rule}", id="hosting.W002")
        for rule in missing
    ]
