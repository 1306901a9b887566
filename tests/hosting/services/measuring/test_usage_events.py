"""Events that several send at the same time: each is counted once, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from hosting.models import Instance, Server, UsageEvent, UsageSum
from hosting.services.measuring import usage_events, usage_sums
from hosting.services.measuring.usage_checks import Usage
from tests.tenants.threads import at_once

COUNT = 200


@pytest.mark.django_db(transaction=True)
def test_the_same_events_from_several_at_once_count_once(
    order: Callable[..., Instance], memory_server: Server
) -> None:
    instance = order()
    now = timezone.now()

    def usages(shift: int) -> list[Usage]:
        return [
            Usage(
                at=now - timedelta(minutes=number + shift),
                meter="executions",
                label="",
                amount=1,
                key="",
                is_level=False,
                input=None,
                output=None,
                cached=None,
                source="test",
                event_id=str(number),
            )
            for number in range(COUNT)
        ]

    def send(shift: int) -> int:
        batch = usages(shift)
        ordered = batch if shift % 2 else batch[::-1]
        return usage_events.write(instance_id=instance.pk, usages=ordered, now=now)

    futures = at_once(*(partial(send, shift) for shift in range(4)))
    assert sum(each.result() for each in futures) == COUNT
    usage_sums.sum_up(now=now)
    assert UsageEvent.objects.count() == COUNT
    assert sum(each.total for each in UsageSum.objects.filter(span="day")) == COUNT
