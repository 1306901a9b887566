"""Reading incidents for pages."""

from __future__ import annotations

from django.db.models import QuerySet

from hosting.models import Incident, Instance, Server
from hosting.selectors.instances import large


def incidents() -> QuerySet[Incident]:
    """All of them with what they are about, in one query."""
    found = Incident.objects.select_related("server", "instance__client")
    return found.defer(*large("instance"))


def going_on() -> QuerySet[Incident]:
    """Those that are open, newest first."""
    return incidents().filter(closed_at=None).order_by("-opened_at")


def of_server(server: Server) -> QuerySet[Incident]:
    """The server's open ones."""
    return going_on().filter(server=server)


def of_instance(instance: Instance) -> QuerySet[Incident]:
    """The instance's open ones."""
    return going_on().filter(instance=instance)
