"""Reading instances for pages: scoped to a client where a client asks."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.db.models.fields.json import KT

from hosting.models import ACTIVE_STATES, Hostname, Instance, Operation
from hosting.selectors import maintenance
from tenants.models import Client

LARGE = ("definition", "expected", "image_pins")  # and on no list


def large(path: str) -> tuple[str, ...]:
    """What of the instances that rows refer to is not read with them: to be deferred."""
    return tuple(f"{path}__{field}" for field in LARGE)


_UNSHOWN = (  # large or secret, and on no page
    *(f"made_from__{field}" for field in ("manifest", "stored", "secrets")),
    *large("made_from__instance"),
)


def of_client(client: Client) -> QuerySet[Instance]:
    """The client's instances that exist, ready to be listed: a fixed number of queries."""
    theirs = Instance.objects.filter(client=client, purpose=Instance.Purpose.CLIENT)
    return detailed(theirs).exclude(state=Instance.State.DELETED)


_IN_A_LIST = (
    *("client", "name", "app", "version", "plan__name", "state", "state_reason", "is_routed"),
    *("suspended_at", "suspended_for"),
)


def listed(client: Client) -> QuerySet[Instance]:
    """The same, with only what a line says of each: all else is not read.

    Of its definition there are ``app_title`` and ``app_icon``.
    """
    rows = of_client(client).select_related(None).select_related("plan").only(*_IN_A_LIST)
    return rows.annotate(
        app_title=KT("definition__berth__title"), app_icon=KT("definition__berth__icon")
    )


def detailed(instances: QuerySet[Instance]) -> QuerySet[Instance]:
    """With plan, server, client, hostnames, the active operation as ``active_operations``, and what
    ``maintenance`` has to know.
    """
    related = instances.select_related("client", "plan", "server", "made_from__instance")
    return related.defer(*_UNSHOWN).prefetch_related(
        Prefetch("hostnames", queryset=Hostname.objects.filter(is_primary=True)),
        Prefetch(
            "operations",
            queryset=Operation.objects.filter(state__in=ACTIVE_STATES).prefetch_related("steps"),
            to_attr="active_operations",
        ),
        maintenance.prefetch(),
    )


def hostname(instance: Instance) -> str:
    """The instance's primary name at the edge; empty once it is deleted."""
    return next((each.name for each in instance.hostnames.all() if each.is_primary), "")


def public_url(instance: Instance) -> str:
    """Where a browser opens the instance: the edge's scheme and port under the instance's name."""
    edge = urlsplit(settings.BERTH_EDGE_URL)
    port = f":{edge.port}" if edge.port else ""
    return f"{edge.scheme}://{hostname(instance)}{port}"
