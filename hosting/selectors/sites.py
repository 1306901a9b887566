"""What the edge has to show: every hostname with where it leads, in a few queries."""

from __future__ import annotations

import ipaddress
import logging
import uuid
from collections import defaultdict
from collections.abc import Collection

from django.conf import settings

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import Listen, Settings, Site, SiteState
from hosting.models import Hostname, Instance, Server, UsageHold
from hosting.selectors.measuring.usage_limits import usage_paths

logger = logging.getLogger(__name__)

_PAGES: dict[str, SiteState] = {
    Instance.State.STOPPED: "stopped",
    Instance.State.FAILED: "failed",
}


def edge_settings() -> Settings:
    """How the edge listens, and that it may dial nothing but instances."""
    supernets = Server.objects.order_by("supernet").values_list("supernet", flat=True).distinct()
    return Settings(
        directory=settings.BERTH_EDGE_DIR,
        listens=(Listen(settings.BERTH_EDGE_ADDRESS, settings.BERTH_EDGE_PORT),),
        upstream_networks=tuple(supernets) or (settings.BERTH_TENANT_SUPERNET,),
        trusted_proxies=tuple(settings.BERTH_TRUSTED_PROXIES),
        hold_seconds=settings.BERTH_EDGE_HOLD_SECONDS,
    )


def all_sites() -> list[Site]:
    """One site an instance that exists, with all its hostnames."""
    names: dict[Instance, list[str]] = defaultdict(list)
    related = Hostname.objects.select_related("instance__server", "instance__held_for")
    for hostname in related.order_by("name"):
        names[hostname.instance].append(hostname.name)
    holds = UsageHold.objects.filter(lifted_at=None, kind=UsageHold.Kind.BLOCK)
    blocked = set(holds.values_list("instance", flat=True))
    sites = (_site(instance, tuple(hostnames), blocked) for instance, hostnames in names.items())
    return [site for site in sites if site is not None]


def _site(
    instance: Instance, hostnames: tuple[str, ...], blocked: Collection[uuid.UUID]
) -> Site | None:
    """The instance's site; None, and an error in the log, where a row is wrong.

    One wrong row must not keep everybody else's changes from the edge.
    """
    try:
        return Site(
            instance=str(instance.pk),
            hostnames=hostnames,
            address=instance.web_address or _no_address(instance.server),
            port=instance.web_port or 1,
            state=_state(instance),
            closed=_closed(instance),
            used_up=usage_paths(instance) if instance.pk in blocked else (),
        )
    except GiveUp as wrong:
        logger.error("the edge leaves out instance %s: %s", instance.pk, wrong)
        return None


def _state(instance: Instance) -> SiteState:
    if instance.is_routed:
        return "serving"
    return "holding" if instance.is_held else _PAGES.get(instance.state, "starting")


def _closed(instance: Instance) -> str:
    """Where its web service tells Prometheus what it did: for Berth alone, which asks it itself."""
    berth = instance.definition["berth"]
    metrics, web = berth.get("metrics"), berth["web"]
    is_there = metrics and (metrics["service"], metrics["port"]) == (web["service"], web["port"])
    return str(metrics.get("path", "/metrics")) if is_there else ""


def _no_address(server: Server) -> str:
    """An address that is never dialled, for instances that have none yet."""
    return str(ipaddress.IPv4Network(server.supernet).network_address)
