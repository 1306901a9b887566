"""Reading the counters that apps keep for Prometheus, as the catalog declares them.

Many at once, so that one which does not answer keeps no other waiting; and each under the limits of
``engines.prometheus``, since what answers is a tenant's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils import timezone

from hosting.catalog.addresses import network_subnets, service_addresses
from hosting.catalog.berth_schema import Counter, Metrics
from hosting.catalog.schema import App
from hosting.engines import prometheus
from hosting.engines.prometheus import Unreadable, Wanted
from hosting.flows import stacks
from hosting.models import Instance
from hosting.selectors.instances import hostname
from hosting.services.measuring import usage_counters
from hosting.services.measuring.usage_counters import Reading

logger = logging.getLogger(__name__)

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint, and what of it is counted."""

    instance: Instance
    url: str
    host: str
    counters: Sequence[Counter]
    started: str | None = None


def read_all() -> int:
    """Read the counters of every app that runs; how many could be read."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="counters") as pool:
        answers = pool.map(_read, list(_targets()))
        return sum(_record(*answer) for answer in answers)


def _targets() -> Iterable[Target]:
    """Of what runs and counts; with no more of the definitions, which are long, than is needed."""
    running = Instance.objects.filter(is_routed=True, purpose=Instance.Purpose.CLIENT)
    counting = running.filter(definition__berth__metrics__counters__0__isnull=False)
    declared = counting.annotate(
        metrics=F("definition__berth__metrics"), web_service=F("definition__berth__web__service")
    )
    short = declared.defer("definition", "expected", "image_pins")
    for instance in short.select_related("subnet").prefetch_related("hostnames"):
        try:
            metrics = Metrics.model_validate(instance.metrics)
            yield target(instance, metrics, web_service=instance.web_service)
        except Exception:
            logger.exception("the counters of %s can't be found; others are read", instance.pk)


def target(instance: Instance, metrics: Metrics, *, web_service: str) -> Target:
    """Where the instance's counters are, in its own network."""
    if metrics.service == web_service:
        address = instance.web_address
    else:
        address = _address(stacks.definition(instance), instance, metrics.service)
    url = f"http://{address}:{metrics.port}{metrics.path}"
    return Target(instance, url, hostname(instance), metrics.counters, metrics.started)


def _address(app: App, instance: Instance, service: str) -> str:
    """The service's fixed address, in the normal network where it is in both."""
    addresses = service_addresses(app, network_subnets(app, instance.subnet.cidr))
    found = [
        (app.networks[network].internal, address)
        for (name, network), address in addresses.items()
        if name == service
    ]
    return min(found)[1]


def _read(target: Target) -> tuple[Target, datetime, Sequence[Reading]]:
    """In a thread of its own, without the database."""
    read_at = timezone.now()
    wanted = [Wanted(each.series, each.where) for each in target.counters]
    if target.started:
        wanted.append(Wanted(target.started, {}))
    try:
        text = prometheus.fetch(target.url, host=target.host)
        values = prometheus.read(text, wanted)
    except Unreadable as error:
        logger.info("the counters of %s were not read: %s", target.instance.pk, error)
        return target, read_at, ()
    except Exception:
        logger.exception("the counters of %s were not read", target.instance.pk)
        return target, read_at, ()
    started = values.get(len(target.counters))
    counters = [(each, values[n]) for n, each in enumerate(target.counters) if n in values]
    return target, read_at, [_reading(each, value, started) for each, value in counters]


def _reading(counter: Counter, value: float, started: float | None) -> Reading:
    return Reading(
        series=counter.name,
        meter=counter.meter,
        label=counter.label,
        value=value,
        started=started,
    )


def _record(target: Target, read_at: datetime, readings: Sequence[Reading]) -> bool:
    """Whether it could be read; one that fails here keeps no other back either."""
    if not readings:
        return False
    try:
        usage_counters.record(instance=target.instance, readings=readings, read_at=read_at)
    except Exception:
        logger.exception("the counters of %s were not recorded", target.instance.pk)
        return False
    return True
