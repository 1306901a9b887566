"""How many containers of instances are in which state, for Prometheus."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Sum
from prometheus_client.metrics_core import Metric

from hosting.models import ContainerHealth
from hosting.models.container_health import FAULTY_STATES
from hosting.selectors.exposing.gauges import gauge
from hosting.selectors.measuring.resources import LATELY
from hosting.selectors.watching import targets

RUNNING = "running"


def of_containers(*, now: datetime) -> Metric:
    """Of the instances that are to run, by the last look that counts of the last ten minutes.

    One query, of a row for each mixture of states, which are few.
    """
    lately = ContainerHealth.objects.filter(at__gte=now - LATELY, instance__in=targets.watched())
    mixtures = lately.order_by().values_list("states").annotate(Count("pk"), Sum("total"))
    counts = dict.fromkeys((RUNNING, *FAULTY_STATES), 0)
    for states, instances, containers in mixtures:
        counts[RUNNING] += containers - instances * sum(states.values())
        for state, number in states.items():
            counts[state] += instances * number
    found = gauge(
        "containers",
        "Containers of instances that are to run; those that run and are unhealthy are apart.",
        "state",
    )
    for state, number in counts.items():
        found.add_metric((state,), number)
    return found
