"""What the edge is told to show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from hosting.models import Hostname, Instance, Server, UsageHold
from hosting.selectors import sites

pytestmark = pytest.mark.django_db


def test_one_wrong_row_keeps_nobody_else_from_the_edge(
    order: Callable[..., Instance], memory_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, right = order("one"), order("two")
    Hostname.objects.filter(instance=wrong).update(name="Not a name;")
    assert [site.instance for site in sites.all_sites()] == [str(right.pk)]
    assert str(wrong.pk) in caplog.text


def test_an_apps_metrics_are_closed_where_the_edge_would_reach_them(
    order: Callable[..., Instance], memory_server: Server
) -> None:
    instance = order("book")
    berth = instance.definition["berth"]
    web = berth["web"]
    for service, port, closed in (
        (web["service"], web["port"], "/own/metrics"),
        (web["service"], web["port"] + 1, ""),
        ("other", web["port"], ""),
    ):
        berth["metrics"] = {"service": service, "port": port, "path": "/own/metrics"}
        instance.save()
        assert [site.closed for site in sites.all_sites()] == [closed]
    berth["metrics"] = None
    instance.save()
    assert [site.closed for site in sites.all_sites()] == [""]


@pytest.mark.parametrize(("kind", "used_up"), [("block", ("/webhook", "/form")), ("stop", ())])
def test_what_would_use_more_is_refused_while_that_is_held_back(
    order: Callable[..., Instance], memory_server: Server, kind: str, used_up: tuple[str, ...]
) -> None:
    book = order("book")
    book.definition["berth"]["usage_paths"] = ["/webhook", "/form"]
    book.save()
    assert [site.used_up for site in sites.all_sites()] == [()]
    now = timezone.now()
    hold = UsageHold.objects.create(
        instance=book, limit="executions", kind=kind, month=now.date(), allowed=1, since=now
    )
    assert [site.used_up for site in sites.all_sites()] == [used_up]
    UsageHold.objects.filter(pk=hold.pk).update(lifted_at=now)
    assert [site.used_up for site in sites.all_sites()] == [()]


def test_an_instance_that_is_not_routed_is_never_dialled(
    order: Callable[..., Instance], memory_server: Server
) -> None:
    order("book")
    (site,) = sites.all_sites()
    assert (site.state, site.hostnames) == ("starting", ("book.acme.localhost",))
