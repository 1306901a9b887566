"""A client chooses when new versions come to its instance."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from hosting.models import Instance
from tenants.models import AuditEvent
from tests.hosting.views.reading import AUDIT, PAGE, hours, plain, text

UPGRADE = f"{PAGE}upgrade"
NEW_VERSIONS = f"{PAGE}new-versions"


def test_a_client_chooses_its_hours_or_none(book: Instance, browser: Browser) -> None:
    assert "New versions 01:00 to 05:00" in text(browser)
    assert 'name="is_in" value="on" checked' in browser.get(UPGRADE).content.decode()
    answer = browser.post(NEW_VERSIONS, hours("22:30", "02:00"), follow=True)
    assert "It is set when new versions come to book." in plain(answer.content.decode())
    book.refresh_from_db()
    assert (f"{book.changes_from:%H:%M}", f"{book.changes_until:%H:%M}") == ("22:30", "02:00")
    assert "chose when new versions come to acme/book" in text(browser, AUDIT)
    event = AuditEvent.objects.get(action="instance.new_versions_set")
    assert event.before == {"changes_from": "01:00", "changes_until": "05:00"}
    assert event.after == {"changes_from": "22:30", "changes_until": "02:00"}
    browser.post(NEW_VERSIONS, {"changes_from": "22:30", "changes_until": "02:00"})
    book.refresh_from_db()
    assert book.ring == "never"
    assert "New versions only when asked for" in text(browser)
    browser.post(NEW_VERSIONS, hours("22:30", "02:00"))
    book.refresh_from_db()
    assert book.ring == "normal"
    browser.post(NEW_VERSIONS, hours("22:30", "02:00"))
    assert AuditEvent.objects.filter(action="instance.new_versions_set").count() == 3


def test_a_canary_that_takes_part_stays_one(book: Instance, browser: Browser) -> None:
    Instance.objects.update(ring="canary")
    browser.post(NEW_VERSIONS, hours("02:00", "04:00"))
    book.refresh_from_db()
    assert book.ring == "canary"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("25:00", "04:00"), "Type a time, such as 01:00."),
        (("", "04:00"), "Type a time, such as 01:00."),
        (("02:00", "soon"), "Type a time, such as 01:00."),
        (("02:00", "02:00"), "The hours begin and end at the same time."),
    ],
)
def test_hours_that_are_none_are_refused(
    typed: tuple[str, str], sentence: str, book: Instance, browser: Browser
) -> None:
    answer = browser.post(NEW_VERSIONS, hours(*typed))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in plain(page)
    assert f'value="{typed[0]}"' in page, "what was typed stays"
    book.refresh_from_db()
    assert f"{book.changes_from:%H:%M}" == "01:00"
    assert not AuditEvent.objects.filter(action="instance.new_versions_set").exists()
