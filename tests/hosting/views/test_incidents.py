"""An instance's health on its page, the list of its incidents, and the page of one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Health, HealthDay, Incident, Instance, Notification
from hosting.services.watching import incidents
from tenants.models import Role, User
from tests.hosting.views.reading import PAGE, PART, count, plain, text

LIST = f"{PAGE}incidents/"
Login = Callable[[User | None], Browser]
_Kind = Incident.Kind


@pytest.fixture
def down(book: Instance) -> Incident:
    """It does not answer for ten minutes."""
    since = timezone.now() - timedelta(minutes=10)
    Instance.objects.filter(pk=book.pk).update(created_at=since - timedelta(days=40))
    return incidents.open_for(
        kind=_Kind.INSTANCE_DOWN, instance=book, summary="book does not answer.", now=since
    )


def _end(incident: Incident, minutes: int = 4) -> None:
    incidents.close(
        kind=Incident.Kind(incident.kind),
        instance=incident.instance,
        now=incident.opened_at + timedelta(minutes=minutes),
    )


def _one(incident: Incident) -> str:
    return f"{LIST}{incident.pk}/"


def test_an_instance_that_was_always_well_says_so(book: Instance, browser: Browser) -> None:
    now = timezone.now()
    assert "Health" not in text(browser)  # nobody looked yet
    Health.objects.create(instance=book, at=now, is_up=True, is_answering=True)
    HealthDay.objects.create(
        instance=book,
        day=now.date(),
        zone="Europe/Berlin",
        checks=1000,
        failures=1,
        known_seconds=15_000,
        down_seconds=15,
        excused_seconds=0,
        responses=0,
        ms_sum=0,
        buckets=[0] * 10,
    )
    page = text(browser)
    assert "Health Well 99.9 % of the last 30 days" in page
    assert "It has answered ever since it was ordered." in page
    Health.objects.update(is_up=False)
    assert "Last look failed" in text(browser)


def test_an_open_incident_is_on_the_instances_page_and_leads_to_its_own(
    down: Incident, browser: Browser
) -> None:
    page = browser.get(PAGE).content.decode()
    assert "Trouble" in page
    assert "Goes on" in page
    assert f'href="{_one(down)}"' in page
    assert f'href="{LIST}"' in page


def test_the_instances_page_is_sent_anew_when_an_incident_ends(
    down: Incident, browser: Browser
) -> None:
    page = browser.get(PAGE).content.decode()
    (seen,) = re.findall(r"\?seen=(\w+)", page)
    assert browser.get(f"{PAGE}?seen={seen}", headers=PART).status_code == 204
    _end(down)
    assert browser.get(f"{PAGE}?seen={seen}", headers=PART).status_code == 200


def test_the_page_tells_what_happened_and_is_live_while_it_goes_on(
    down: Incident, browser: Browser
) -> None:
    page = browser.get(_one(down)).content.decode()
    assert "It did not answer" in page
    assert "Why is not known." in plain(page)
    assert "data-live" in page
    (seen,) = re.findall(r"\?seen=(\w+)", page)
    assert browser.get(f"{_one(down)}?seen={seen}", headers=PART).status_code == 204
    incidents.explain(incident=down, cause="It ran out of memory.", now=timezone.now())
    part = browser.get(f"{_one(down)}?seen={seen}", headers=PART)
    assert "Why: It ran out of memory." in plain(part.content.decode())
    _end(down)
    over = browser.get(_one(down)).content.decode()
    assert "data-live" not in over
    assert "lasted 4 min 0 s" in plain(over)
    assert "It is over." in plain(over)


def test_the_message_about_it_leads_to_its_page(
    book: Instance, down: Incident, order: Callable[..., Instance], browser: Browser
) -> None:
    told = Notification.objects.get(client=book.client)
    assert told.path == _one(down)
    assert browser.get(told.path).status_code == 200
    Instance.objects.filter(pk=order("other").pk).update(state="running")
    incidents.open_for(kind=_Kind.SERVER_DOWN, server=book.server, summary="x")
    assert Notification.objects.filter(client=book.client, path="/c/acme/").exists()


def test_a_servers_incident_names_neither_the_server_nor_its_cause(
    book: Instance, down: Incident, browser: Browser
) -> None:
    incident = incidents.open_for(
        kind=_Kind.SERVER_DOWN,
        server=book.server,
        summary=f"9 of 9 instances on server {book.server} do not answer.",
        cause="Its disk is full.",
    )
    for path in (_one(incident), LIST, PAGE):
        page = text(browser, path)
        assert "Its server did not answer" in page
        assert "9 of 9" not in page
        assert "disk is full" not in page
        assert str(book.server) not in page


def test_the_list_has_all_of_them_page_by_page(
    book: Instance, down: Incident, browser: Browser
) -> None:
    assert "Goes on" in text(browser, LIST)
    few = count(browser, LIST)
    _end(down)
    for number in range(60):
        since = down.opened_at - timedelta(hours=number + 1)
        Incident.objects.create(
            kind=_Kind.INSTANCE_DOWN,
            instance=book,
            summary="x",
            opened_at=since,
            closed_at=since + timedelta(minutes=1),
        )
    first = browser.get(LIST).content.decode()
    assert first.count('class="row-link"') == 50
    assert browser.get(f"{LIST}?page=2").content.decode().count('class="row-link"') == 11
    assert count(browser, LIST) == few
    assert browser.get(PAGE).content.decode().count('id="incident-') == 3


def test_without_incidents_the_list_says_so(book: Instance, browser: Browser) -> None:
    assert "There was none yet." in text(browser, LIST)


def test_the_list_says_what_it_comes_to_by_month(book: Instance, browser: Browser) -> None:
    assert "Availability" not in text(browser, LIST)  # nobody looked yet
    today = timezone.localdate(timezone=ZoneInfo("Europe/Berlin"))
    month = today.replace(day=1)
    for day, down, excused in ((month, 0, 0), (month - timedelta(days=1), 864, 3600)):
        HealthDay.objects.create(
            instance=book,
            day=day,
            zone="Europe/Berlin",
            checks=5760,
            failures=0,
            known_seconds=86_400,
            down_seconds=down,
            excused_seconds=excused,
            responses=0,
            ms_sum=0,
            buckets=[0] * 10,
        )
    page = text(browser, LIST)
    assert f"{month:%B %Y} so far 100.000 % – – –" in page
    before = month - timedelta(days=1)
    assert f"{before:%B %Y} 99.000 % 14 min 24 s 1 h 0 min 10 % of its price" in page


def test_others_see_nothing_of_it(
    down: Incident,
    order: Callable[..., Instance],
    browser: Browser,
    mallory: User,
    member: Callable[[Role], User],
    login: Login,
) -> None:
    for path in (LIST, _one(down)):
        assert login(mallory).get(path).status_code == 404
        assert login(mallory).get(path.replace("acme", "globex")).status_code == 404
    assert login(member(Role.VIEWER)).get(_one(down)).status_code == 200
    other = order("other")
    assert browser.get(_one(down).replace("book", other.name)).status_code == 404
    assert browser.get(f"{LIST}{uuid.uuid4()}/").status_code == 404
    hidden = incidents.open_for(kind=_Kind.DISK_LOW, server=other.server, summary="Low.")
    assert browser.get(_one(hidden)).status_code == 404
