"""What is written of the instances for Prometheus, before it asks."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from redis.exceptions import ConnectionError as NotThere

from hosting.flows.working import periodic
from hosting.models import Chore, Instance
from hosting.services.measuring import instance_metrics

TOKEN = "token-of-the-tests"
NAMED = b'berth_instance_info{app="guestbook",client="acme",name="book"'


@pytest.fixture(autouse=True)
def _cached_here(settings: Settings) -> None:
    """Not in the Redis that other tests have, too."""
    settings.BERTH_METRICS_TOKEN = TOKEN
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


def _asked(**headers: str) -> tuple[bytes, str]:
    answer = Browser().get(
        "/metrics/instances", headers={"Authorization": f"Bearer {TOKEN}", **headers}
    )
    assert answer.status_code == 200
    assert answer["Vary"] == "Accept-Encoding"
    return answer.content, answer.get("Content-Encoding", "")


@pytest.mark.usefixtures("memory_server")
def test_what_was_written_is_given_until_it_is_written_again(
    order: Callable[..., Instance],
) -> None:
    order()
    instance_metrics.write(now=timezone.now())
    Instance.objects.update(name="other")
    assert NAMED in _asked()[0]
    instance_metrics.write(now=timezone.now())
    assert NAMED not in _asked()[0]


def test_it_says_how_old_it_is(db: None) -> None:
    then = timezone.now() - timedelta(seconds=90)
    instance_metrics.write(now=then)
    (family, *_) = text_string_to_metric_families(_asked()[0].decode())
    assert family.name == "berth_instances_read_timestamp_seconds"
    assert family.samples[0].value == pytest.approx(then.timestamp())


def test_whoever_can_read_it_gets_it_packed(db: None) -> None:
    instance_metrics.write(now=timezone.now())
    packed, encoding = _asked(**{"Accept-Encoding": "gzip"})
    assert encoding == "gzip"
    assert gzip.decompress(packed) == _asked()[0]


@pytest.mark.usefixtures("memory_server")
def test_without_redis_it_is_read_for_whoever_asks(
    order: Callable[..., Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise NotThere("no one there")

    order()
    monkeypatch.setattr(type(cache._connections["default"]), "get", away)  # type: ignore[attr-defined]
    assert NAMED in _asked()[0]


def test_it_is_written_every_half_minute_where_there_is_a_token(
    db: None, settings: Settings
) -> None:
    periodic.write_metrics()
    assert Chore.objects.get(name="write-metrics").last_error == ""
    assert timedelta(seconds=30) == instance_metrics.EVERY
    written = instance_metrics.newest(now=timezone.now() + timedelta(hours=1))
    assert str(int(timezone.now().timestamp()))[:8].encode() in gzip.decompress(written)
    cache.clear()
    settings.BERTH_METRICS_TOKEN = ""
    Chore.objects.update(due_at=timezone.now())
    periodic.write_metrics()
    assert not cache.get("berth-metrics-of-instances")
