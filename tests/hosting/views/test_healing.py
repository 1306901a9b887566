"""What a client reads when Berth puts something right, can't, waits, or has to stop the app."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.engines.memory import MemoryEngine
from hosting.flows.watching import reconcile
from hosting.models import Drift, FleetAction, Instance, Operation, Server
from hosting.selectors import reasons
from hosting.services import servers
from hosting.services.working import breaker, fleet
from tenants.models import Role, User
from tenants.services.actors import Actor

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
Login = Callable[[User | None], Browser]
PAGE = "/c/acme/instances/book/"
PART = {"HX-Request": "true", "HX-Target": "live"}
RECONCILER = "Berth (reconciler)"


def _text(browser: Browser, path: str = PAGE) -> str:
    return " ".join(browser.get(path).content.decode().split())


def test_an_instance_that_was_always_well_says_so(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    work_off(order())
    assert "Nothing so far. Berth compares what runs" in _text(browser)


def test_what_berth_put_right_is_told_in_words(
    order: Order,
    work_off: WorkOff,
    browser: Browser,
    memory_server: Server,
    memory_engine: MemoryEngine,
) -> None:
    instance = order()
    work_off(instance)
    Operation.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
    memory_engine.hands.remove_container(str(instance.pk), "web")
    reconcile.whole(memory_server)
    seen = browser.get(PAGE).context["fingerprint"]
    page = _text(browser)
    for words in ("Web has no container.", "Being put right", "Putting right"):
        assert words in page
    assert work_off(instance).kind == "repair"
    Operation.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
    reconcile.whole(memory_server)
    assert browser.get(f"{PAGE}?seen={seen}", headers=PART).status_code == 200
    page = _text(browser)
    for words in ("Web has no container.", "Well again", ">Repair<", "> Berth <", "Running"):
        assert words in page.replace(">Berth<", "> Berth <")
    assert "reconciler" not in page


def test_a_degraded_instance_says_why_with_the_last_lines_of_its_log(
    order: Order,
    work_off: WorkOff,
    browser: Browser,
    memory_server: Server,
    memory_engine: MemoryEngine,
) -> None:
    instance = order()
    work_off(instance)
    Operation.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
    memory_engine.hands.loop(str(instance.pk), "web", oom=True)
    reconcile.whole(memory_server)
    instance.refresh_from_db()
    assert instance.state == Instance.State.DEGRADED
    said = reasons.taken_apart(instance.state_reason)
    assert said.lines, "the reason is written as the page takes it apart"
    page = _text(browser)
    assert "Degraded: needs a look." in page
    assert "more memory than its limit" in page
    assert f'<pre class="said-lines" tabindex="0">{said.lines[0]}' in page
    assert "last words" not in page
    assert "started again and again by itself" in page
    assert "You can restart it now." in page
    assert page.count("button-accent") == 1
    listed = _text(browser, "/c/acme/")
    assert "more memory than its limit" in listed
    assert "last words" not in listed


@pytest.mark.parametrize(
    ("kind", "after", "words"),
    [
        ("stopped", timedelta(minutes=7), "Berth tries again by itself at"),
        ("stopped", timedelta(minutes=-7), "Berth tries again by itself in a moment."),
        ("volume_missing", timedelta(minutes=7), "Berth changes nothing here"),
        (None, None, "It looks well at the moment."),
    ],
)
def test_a_degraded_instance_says_what_berth_does(
    kind: str | None,
    after: timedelta | None,
    words: str,
    order: Order,
    work_off: WorkOff,
    browser: Browser,
) -> None:
    instance = _degraded(order, work_off)
    at = timezone.now() + after if after else None
    Instance.objects.update(repair_after=at)
    if kind:
        Drift.objects.create(instance=instance, kind=kind, subject="x", found="x is wrong")
    page = _text(browser)
    assert words in page
    if "itself at" in words and at:
        assert f">{timezone.localtime(at, _berlin()):%H:%M}</time>" in page, "in the client's zone"


def test_a_viewer_is_told_who_can_restart_it(
    order: Order, work_off: WorkOff, member: Callable[[Role], User], login: Login
) -> None:
    _degraded(order, work_off)
    page = _text(login(member(Role.VIEWER)))
    assert "An owner or an admin can restart it." in page
    assert "You can restart it now." not in page


def test_a_log_is_shown_as_text(order: Order, work_off: WorkOff, browser: Browser) -> None:
    _degraded(order, work_off)
    Instance.objects.update(state_reason="It ended. Its last words: <script>x</script> / bye")
    page = browser.get(PAGE).content.decode()
    assert "&lt;script&gt;x&lt;/script&gt;\nbye\n</pre>" in page


def test_an_operation_that_waits_says_for_what(
    order: Order, work_off: WorkOff, browser: Browser, memory_server: Server
) -> None:
    work_off(order())
    browser.post(f"{PAGE}restart")
    for _ in range(breaker.FAILURES_THAT_OPEN):
        breaker.record_silence(server=memory_server, error="no route")
    operation = Operation.objects.get(kind="restart")
    for path in (PAGE, "/c/acme/", f"/c/acme/operations/{operation.pk}/"):
        assert "Server memory has not answered since" in _text(browser, path)
    assert "tone-progress" in _text(browser).split("has not answered")[0]


def test_an_app_on_a_drained_server_is_stopped_for_maintenance_and_comes_back(
    order: Order, work_off: WorkOff, browser: Browser, memory_server: Server, actor: Actor
) -> None:
    by_hand, instance = order("mine"), order()
    for each in (by_hand, instance):
        work_off(each)
    browser.post("/c/acme/instances/mine/stop")
    work_off(by_hand)
    action = servers.drain(server=memory_server, actor=actor, wave_size=1)
    assert action is not None
    work_off(instance)
    fleet.advance(action=action)
    page = _text(browser)
    assert "Stopped for maintenance of its server." in page
    assert 'title="Not during the maintenance; it starts again by itself."' in page
    assert "maintenance" not in _text(browser, "/c/acme/instances/mine/"), "it stays stopped"
    assert _text(browser, "/c/acme/").count("Stopped for maintenance") == 1
    servers.reopen(server=memory_server, actor=actor)
    assert "Starting" in _text(browser)
    work_off(instance)
    assert "maintenance" not in _text(browser)


def test_an_app_whose_turn_to_be_stopped_is_to_come_is_warned(
    order: Order, work_off: WorkOff, browser: Browser, memory_server: Server, actor: Actor
) -> None:
    for name in ("another", "book"):
        work_off(order(name))
    action = servers.drain(server=memory_server, actor=actor, wave_size=1)
    assert isinstance(action, FleetAction)
    later = action.items.get(wave=1).instance
    assert "Maintenance is coming." in _text(browser, f"/c/acme/instances/{later.name}/")


def test_the_log_of_changes_names_berth_in_plain_words(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    Operation.objects.create(
        instance=instance,
        kind="repair",
        state="succeeded",
        requested_by_label=RECONCILER,
        finished_at=timezone.now(),
    )
    operation = Operation.objects.get(kind="repair")
    page = _text(browser, f"/c/acme/operations/{operation.pk}/")
    assert "asked for by Berth," in page


def _degraded(order: Order, work_off: WorkOff) -> Instance:
    instance = order()
    work_off(instance)
    Instance.objects.update(state="degraded", state_reason="Web does not run: it ended.")
    instance.refresh_from_db()
    return instance


def _berlin() -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo("Europe/Berlin")
