"""The step that makes sure tenants can't reach the host of their server."""

from __future__ import annotations

import logging

from django.conf import settings

from hosting.engines.errors import EngineError
from hosting.engines.firewall import Firewall
from hosting.flows.base import Work
from hosting.models import Incident, Server
from hosting.services.watching import incidents

logger = logging.getLogger(__name__)


def protect(work: Work) -> None:
    """Set the rules where they are missing. Only for engines on the worker's own machine."""
    server = work.instance.server
    if not settings.BERTH_FIREWALL or not is_local(server):
        work.report("the server's own administration looks after its firewall")
        return
    changed = Firewall(supernets=_supernets()).ensure()
    work.report("rules were missing and are set" if changed else "the rules are in place")


def guard(server: Server) -> None:
    """Set the rules again where they have gone, as they do when the machine starts anew.

    Called with every round of the reconciler: containers come back by themselves after a restart of
    the machine, and must not find the way to the host open. What keeps the rules away is an
    incident.
    """
    if not settings.BERTH_FIREWALL or not is_local(server):
        return
    kind = Incident.Kind.FIREWALL_OPEN
    try:
        if Firewall(supernets=_supernets()).ensure():
            logger.warning("server %s: rules of the firewall were missing and are set", server)
    except EngineError as error:
        summary = f"Tenants on server {server} may reach the host: {error}."
        incidents.open_for(kind=kind, server=server, summary=summary)
    else:
        incidents.close(kind=kind, server=server)


def _supernets() -> tuple[str, ...]:
    """Of all servers on this machine together: they share one set of rules."""
    local = Server.objects.filter(
        engine=Server.EngineKind.DOCKER, endpoint__startswith="unix:"
    ).order_by("supernet")
    return tuple(local.values_list("supernet", flat=True).distinct())


def is_local(server: Server) -> bool:
    """Whether the engine runs on the machine that this worker runs on."""
    return server.engine == Server.EngineKind.DOCKER and server.endpoint.startswith("unix:")
