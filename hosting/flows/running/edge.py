"""Bringing the edge up to date, and the steps of an operation that need it."""

from __future__ import annotations

import time

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from hosting.engines import nginx, probe
from hosting.engines.errors import GiveUp, TryLater
from hosting.flows import stacks
from hosting.flows.base import Work
from hosting.models import EdgeState
from hosting.selectors import sites
from hosting.selectors.instances import hostname
from hosting.services import instances

DRAIN_SECONDS = 10.0  # what is under way for longer, such as a WebSocket, is cut off by the change
QUIET_SECONDS = 0.3  # with no request under way, before the first service may be stopped
_LOCK = 0x6265727468_01  # an advisory lock of ours: one publisher at a time


def publish(*, at_least: int | None = None) -> int:
    """Make the edge show what the database says; return the revision that is live.

    Everyone who waits for the lock while another publishes finds the own revision live already:
    many changes become one reload. Raises ``GiveUp`` when nginx refuses the configuration, which
    then stays as it was.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        state, _ = EdgeState.objects.get_or_create(pk=1)
        if at_least is not None and state.live >= at_least:
            return state.live
        wanted = state.wanted
        error = _apply()
        changes = {"error": error} if error else {"error": "", "live": wanted}
        EdgeState.objects.filter(pk=1).update(published_at=timezone.now(), **changes)
    if error:
        raise GiveUp(error)
    return wanted


def route(work: Work) -> None:
    """Let the edge forward to the instance, and wait until it does."""
    work.report("publishing the address")
    with work.writing():
        revision = instances.set_route(
            instance=work.instance, upstream=stacks.upstream(work.instance, work.stack)
        )
    _publish(work, revision)
    if settings.BERTH_EDGE and not nginx.Nginx(settings.BERTH_EDGE_DIR).is_running():
        raise TryLater("the edge is not running; trying again")


def hold(work: Work) -> None:
    """Let requests wait at the edge from now on, and those under way come to their end.

    The hold ends with ``route`` or ``unroute``, and with the operation, however that ends. What
    was not reached through the edge before is not held.
    """
    instance = work.instance
    if not instance.is_routed and instance.held_for_id != work.lease.operation_id:
        work.report("it is not reached through the edge, so there is nothing to hold")
        return
    work.report("requests wait at the edge from now on")
    with work.writing():
        revision = instances.hold(instance=instance, operation_id=work.lease.operation_id)
    _publish(work, revision)
    if settings.BERTH_EDGE:
        _drain(work, str(instance.web_address), instance.web_port or 0)


def unroute(work: Work) -> None:
    """Let the edge show the instance's state instead of forwarding to it."""
    work.report("taking the address away")
    with work.writing():
        revision = instances.set_route(instance=work.instance, upstream=None)
    _publish(work, revision)


def verify(work: Work) -> None:
    """Ask for the app's readiness path the way a browser would: through the edge, by name."""
    if not settings.BERTH_EDGE:
        work.report("no edge is configured here; the app itself says that it is ready")
        return
    path = stacks.readiness_path(work.instance)
    url = f"http://{settings.BERTH_EDGE_ADDRESS}:{settings.BERTH_EDGE_PORT}{path}"
    name = hostname(work.instance)
    expected = stacks.readiness_type(work.instance)
    work.wait_until(
        lambda: probe.http(url, host=name, media_type=expected).is_ok,
        why=f"{name} does not answer at the edge yet",
    )
    work.report(f"{name} answers")


def _publish(work: Work, revision: int) -> None:
    if not settings.BERTH_EDGE:
        return
    publish(at_least=revision)
    work.report("the edge is up to date")


def _drain(work: Work, address: str, port: int) -> None:
    """Wait until no request is under way to the instance, for a while and not for ever."""
    now = time.monotonic()
    latest, quiet_since = now + DRAIN_SECONDS, now
    while now < latest and now - quiet_since < QUIET_SECONDS:
        time.sleep(0.05)
        now = time.monotonic()
        if nginx.open_connections(address, port):
            work.report("letting the requests end that are under way")
            quiet_since = now


def _apply() -> str:
    """Render and apply; the error in one sentence, or nothing.

    Holds begin first and end last, so that no request falls in between; they end also where nginx
    refuses the rest.
    """
    found, holds = sites.all_sites(), nginx.Holds(settings.BERTH_EDGE_DIR)
    try:
        text = nginx.render(found, sites.edge_settings())
        holds.begin(found)
        try:
            nginx.Nginx(settings.BERTH_EDGE_DIR).apply(text)
        finally:
            holds.end(found)
    except GiveUp as refused:
        return str(refused)
    return ""
