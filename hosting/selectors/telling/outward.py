"""Where notifications may go, as this installation is set up."""

from __future__ import annotations

from django.conf import settings

from hosting.engines.outward import Policy
from hosting.models import Server


def policy() -> Policy:
    """Public addresses, and the private networks that are allowed; instances' own never are."""
    supernets = Server.objects.order_by("supernet").values_list("supernet", flat=True).distinct()
    return Policy.of(
        never=(settings.BERTH_TENANT_SUPERNET, *supernets),
        allowed=tuple(settings.BERTH_NOTIFY_PRIVATE),
    )
