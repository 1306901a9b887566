"""When each instance is backed up by night, and asking for it then."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError
from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from hosting.models import Backup, Instance
from hosting.services.saving import backups
from tenants.errors import Refused

NIGHT_BEGINS_HOUR = 1  # in the client's zone
NIGHT = timedelta(hours=4)
RETRY_AFTER = timedelta(hours=1)  # one that failed is tried again the same night
_ENDED_AT = Coalesce("backups__operation__finished_at", "backups__created_at")
logger = logging.getLogger(__name__)


def request_nightly(*, now: datetime) -> int:
    """Ask for the backups that are due and not yet made; how many that were.

    An instance that is busy is asked again at the next call. Two schedulers do no harm: the second
    finds the instance busy, or its backup begun.
    """
    asked = 0
    for instance in due(now=now):
        try:
            backups.request(
                instance=instance, actor=backups.SCHEDULER, trigger=Backup.Trigger.NIGHTLY
            )
            asked += 1
        except Refused as refused:
            # Busy, mostly. Whatever it is: without a proven backup there is an incident in time.
            logger.info("no nightly backup of %s yet: %s", instance, refused)
        except IntegrityError:  # another scheduler was faster; the others are none the worse for it
            logger.info("the nightly backup of %s was just asked for", instance)
    return asked


def due(*, now: datetime) -> Iterator[Instance]:
    """The instances whose night's moment has passed without a backup begun since and proven.

    One that failed is due again an hour after it had ended.
    """
    nightly = Q(backups__trigger=Backup.Trigger.NIGHTLY)
    proven = nightly & Q(backups__verified_at__isnull=False)
    candidates = (
        Instance.objects.filter(first_running_at__isnull=False, delete_requested_at=None)
        .exclude(state=Instance.State.DELETED)
        .select_related("client")
        .annotate(tried_at=Max(_ENDED_AT, filter=nightly))
        .annotate(done_at=Max("backups__created_at", filter=proven))
    )
    for instance in candidates.iterator(chunk_size=500):
        moment = last_due_at(instance=instance, now=now)
        is_done = instance.done_at is not None and instance.done_at >= moment
        waits = instance.tried_at is not None and instance.tried_at + RETRY_AFTER > now
        has_run = instance.first_running_at is not None and instance.first_running_at < moment
        if has_run and not is_done and not waits:
            yield instance


def last_due_at(*, instance: Instance, now: datetime) -> datetime:
    """The last moment, up to now, at which the instance's nightly backup was due.

    Each has a moment of its own in its client's night, so that they spread over it.
    """
    zone = ZoneInfo(instance.client.timezone)
    offset = timedelta(seconds=zlib.crc32(instance.pk.bytes) % int(NIGHT.total_seconds()))
    local = now.astimezone(zone)
    begin = local.replace(hour=NIGHT_BEGINS_HOUR, minute=0, second=0, microsecond=0)
    moment = begin + offset
    return moment if moment <= local else moment - timedelta(days=1)


def next_at(*, instance: Instance, now: datetime) -> datetime | None:
    """When Berth asks for the instance's next backup by itself; None where it never will.

    A moment that is past means: as soon as nothing else is going on with the instance.
    """
    first_running_at = instance.first_running_at
    if first_running_at is None or instance.delete_requested_at is not None:
        return None
    moment = last_due_at(instance=instance, now=now)
    nightly = instance.backups.filter(trigger=Backup.Trigger.NIGHTLY).aggregate(
        tried_at=Max(Coalesce("operation__finished_at", "created_at")),
        done_at=Max("created_at", filter=Q(verified_at__isnull=False)),
    )
    tried_at, done_at = nightly["tried_at"], nightly["done_at"]
    if first_running_at >= moment or (done_at is not None and done_at >= moment):
        return moment + timedelta(days=1)  # by the client's clock
    return tried_at + RETRY_AFTER if tried_at is not None else moment
