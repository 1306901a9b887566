"""The client's part of the audit log: in words, page by page, narrowed down."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, Operation
from hosting.views.audit import PAGE as A_PAGE
from tenants.models import AuditEvent, Client
from tenants.services import audit
from tenants.services.actors import Actor
from tests.hosting.views.history import proven
from tests.hosting.views.reading import AUDIT, PAGE, text, to_the_minute


def _numbers(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'data-label="No\."[^>]*>(\d+)<', page)]


def test_it_says_who_did_what_when_and_from_where(
    acme: Client, browser: Browser, small: object
) -> None:
    browser.post("/c/acme/instances/new", {"app": "guestbook", "plan": "small", "name": "book"})
    page = " ".join(browser.get(AUDIT).content.decode().split())
    assert "ordered <strong>acme/book</strong>" in page
    assert "asked to set up <strong>acme/book</strong>" in page
    assert "Alice &lt;alice@acme.example&gt;" in page
    assert "127.0.0.1" in page
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ CES?T" data-exact>', page)


def test_what_berth_did_is_in_words_too(
    order: Callable[..., Instance], work_off: Callable[[Instance], Operation], browser: Browser
) -> None:
    work_off(order())
    page = " ".join(browser.get(AUDIT).content.decode().split())
    assert "set up <strong>acme/book</strong>" in page
    assert '<td data-label="Who">Berth</td>' in page


def test_a_restore_names_its_backup_by_its_moment(book: Instance, browser: Browser) -> None:
    backup = proven(book, timezone.now() - timedelta(days=2))
    browser.post(f"{PAGE}backups/{backup.pk}/restore")
    event = AuditEvent.objects.get(action="instance.restore_requested")
    assert (event.after["backup"], event.after["taken_at"]) == (
        str(backup.pk),
        str(backup.taken_at),
    )
    assert backup.taken_at is not None
    page = text(browser, AUDIT)
    assert f"asked to restore acme/book (backup of {to_the_minute(backup.taken_at)})" in page
    assert page.count("(backup of") == 1


def test_it_pages_through_everything_once(acme: Client, actor: Actor, browser: Browser) -> None:
    with transaction.atomic():
        for _ in range(2 * A_PAGE):
            audit.record(action="client.updated", actor=actor, client=acme, obj=acme)
    seen: list[int] = []
    address: str | None = AUDIT
    while address:
        page = browser.get(address).content.decode()
        seen += _numbers(page)
        older = re.search(r'href="(/c/acme/audit/\?[^"]*before=\d+)"', page)
        address = older[1].replace("&amp;", "&") if older else None
    mine = AuditEvent.objects.filter(client_id=acme.pk).order_by("-sequence")
    assert seen == list(mine.values_list("sequence", flat=True))


def test_others_events_are_not_there(
    globex: Client, acme: Client, actor: Actor, browser: Browser
) -> None:
    with transaction.atomic():
        audit.record(action="client.updated", actor=actor, client=globex, obj=globex)
    assert "Globex" not in browser.get(AUDIT).content.decode()


def test_it_is_narrowed_to_an_instance_and_by_text(
    order: Callable[..., Instance], browser: Browser
) -> None:
    book = order()
    order("other")
    page = browser.get(AUDIT, {"instance": str(book.pk)}).content.decode()
    assert "acme/book" in page
    assert "acme/other" not in page
    part = browser.get(AUDIT, {"q": "OTHER"}, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="events"')
    assert "acme/other" in part
    assert "acme/book" not in part


def test_nonsense_finds_nothing_and_breaks_nothing(acme: Client, browser: Browser) -> None:
    for query in ({"instance": "nonsense"}, {"q": "%_\\'"}, {"q": "no such thing"}):
        response = browser.get(AUDIT, query)
        assert response.status_code == 200
        assert "Nothing matches" in response.content.decode()
    for before in ("-1", "x", "9" * 40, "٣"):
        assert browser.get(AUDIT, {"before": before}).status_code == 200
