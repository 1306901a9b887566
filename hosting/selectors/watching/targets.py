"""What is looked at to see whether it is well: in one query, however many instances there are."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT

from hosting.models import Hostname, Instance

_State = Instance.State
# Those that are to answer: a failed one is one that was to be started, and was not.
TO_ANSWER = (_State.RUNNING, _State.DEGRADED, _State.FAILED)


@dataclass(frozen=True, slots=True)
class Target:
    """Where an instance is asked: at its own address, and by its name at the edge if it has one."""

    instance: uuid.UUID
    address: str
    port: int
    path: str
    media_type: str  # of the answer; empty where any will do
    hostname: str
    is_public: bool

    @property
    def phase(self) -> float:
        """Where in the interval its turn is, from 0 to 1: always the same, and all spread out."""
        return zlib.crc32(self.instance.bytes) / 2**32


def watched() -> QuerySet[Instance]:
    """The clients' instances that have been up, and are to be."""
    return Instance.objects.filter(
        purpose=Instance.Purpose.CLIENT,
        state__in=TO_ANSWER,
        first_running_at__isnull=False,
        delete_requested_at=None,
        web_address__isnull=False,
        web_port__isnull=False,
    )


def targets() -> list[Target]:
    """All of them, by their turn in the interval."""
    name = Hostname.objects.filter(instance=OuterRef("pk"), is_primary=True).values("name")[:1]
    rows = watched().values_list(
        "pk",
        "web_address",
        "web_port",
        KT("definition__berth__web__readiness"),
        KT("definition__berth__web__readiness_type"),
        Subquery(name),
        F("is_routed"),
    )
    found = [
        Target(
            instance=pk,
            address=address,
            port=port,
            path=path or "/",
            media_type=media_type or "",
            hostname=hostname or str(pk),
            is_public=bool(settings.BERTH_EDGE and is_routed and hostname),
        )
        for pk, address, port, path, media_type, hostname, is_routed in rows.iterator(
            chunk_size=2000
        )
    ]
    return sorted(found, key=lambda each: each.phase)
