"""What a client reads after a restore, and the way back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.flows.working import runner
from hosting.models import Incident, Instance, Operation, OperationStep, Restore
from hosting.services.watching import incidents
from tenants.models import User
from tests.hosting.views.history import (
    AS_BEFORE,
    operation,
    proven,
    restored,
    taken_back,
)
from tests.hosting.views.reading import (
    GO_BACK,
    PAGE,
    PART,
    plain,
    text,
    to_the_minute,
)


def test_a_restored_instance_says_so_while_there_is_a_way_back(
    book: Instance, browser: Browser
) -> None:
    backup = proven(book, taken_at=timezone.now() - timedelta(hours=6))
    restore = restored(book, backup, seconds=41.2)
    assert backup.taken_at is not None
    assert restore.kept_until is not None
    page = browser.get(PAGE)
    words = plain(page.content.decode())
    assert f"Restored from the backup of {to_the_minute(backup.taken_at)}" in words
    assert "(it was away for 41 s)" in words
    assert f"The data of before is kept until {to_the_minute(restore.kept_until)}." in words
    assert f'hx-post="{GO_BACK}"' in page.content.decode()
    Restore.objects.update(kept_until=timezone.now())
    part = browser.get(f"{PAGE}?seen={page.context['fingerprint']}", headers=PART)
    assert part.status_code == 200, "it changes on the open page too"
    assert "Restored from" not in part.content.decode()
    Restore.objects.update(kept_until=restore.kept_until, undone_at=timezone.now())
    assert "Restored from" not in text(browser)


def test_one_click_goes_back(book: Instance, browser: Browser, alice: User) -> None:
    restored(book, proven(book))
    part = browser.post(GO_BACK, headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    assert "Going back" in plain(part)
    assert 'disabled title="Not while it is going back."' in part
    restore = Restore.objects.get()
    assert restore.reverted_by is not None
    assert (restore.reverted_by.kind, restore.reverted_by.requested_by) == ("revert", alice)
    said = plain(browser.post(GO_BACK, headers=PART).content.decode())
    assert "book is busy: “Go back” was asked for by Alice" in said
    page = text(browser, f"/c/acme/operations/{restore.reverted_by_id}/")
    assert "Taking book back to before its last change" in page
    assert "Going back book" not in page
    assert "asked to take back the last change of acme/book" in text(browser, "/c/acme/audit/")


def test_without_data_of_before_nothing_goes_back(book: Instance, browser: Browser) -> None:
    said = plain(browser.post(GO_BACK, headers=PART).content.decode())
    assert "book has no data of before a change to go back to." in said
    assert not book.operations.filter(kind="revert").exists()


def test_a_restore_that_was_taken_back_says_why_in_the_history(
    book: Instance, browser: Browser
) -> None:
    operation = taken_back(book, "web does not run. Its last words: ready / bye")
    page = text(browser)
    assert f"Restore Web does not run. {AS_BEFORE}" in page
    assert "Restored from" not in page
    assert "bye" not in page
    page = browser.get(f"/c/acme/operations/{operation.pk}/").content.decode()
    there, _, back = page.partition("<h2>Taking back</h2>")
    assert "Stop the services" in there
    assert "Start the services as before" not in there
    assert "Publish the address" not in there, "it never comes to that any more"
    assert "Start the services as before" in back


def test_what_was_called_off_says_that_all_is_as_before(book: Instance, browser: Browser) -> None:
    operation = taken_back(book, "“Restore” was called off.")
    Operation.objects.filter(pk=operation.pk).update(state="cancelled")
    assert f"“Restore” was called off. {AS_BEFORE}" in text(browser)


def test_a_restore_that_touched_nothing_says_why(book: Instance, browser: Browser) -> None:
    operation(book, "restore", "failed", reason="the key secret_key of book is not the one")
    assert "Restore The key secret_key of book is not the one" in text(browser)


def test_taking_back_is_shown_as_it_goes(book: Instance, browser: Browser) -> None:
    operation = taken_back(book, "web does not run")
    operation.steps.filter(name="undo-start").update(state="running", started_at=timezone.now())
    Operation.objects.filter(pk=operation.pk).update(
        state="running",
        reason="",
        finished_at=None,
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )
    page = browser.get(PAGE)
    words = plain(page.content.decode())
    for told in ("Taking back: restore", "Step 2 of 2: Start the services as before"):
        assert told in words
    assert "Taking back web does not run" in words, "the headline, and why"
    assert 'id="cancel"' not in page.content.decode()
    operation.steps.filter(name="undo-start").update(output="starting web\n")
    seen = f"{PAGE}?seen={page.context['fingerprint']}"
    assert "starting web" in browser.get(seen, headers=PART).content.decode()


@pytest.mark.parametrize(("is_way_back", "what"), [(False, "restore"), (True, "way back")])
def test_an_app_that_did_not_come_back_is_a_warning_until_it_is_well(
    is_way_back: bool, what: str, book: Instance, browser: Browser
) -> None:
    ended = operation(book, "revert" if is_way_back else "restore", "failed", reason="x")
    backup = proven(book)
    restore = restored(book, backup, trouble="web ended. Its last words: a / b")
    if is_way_back:
        Restore.objects.update(reverted_by=ended)
    else:
        Restore.objects.update(operation=ended, kept_until=None)
    warning = f"The {what} failed, and the app did not come up again."
    assert warning not in text(browser), "it is well"
    incidents.open_for(kind=Incident.Kind.INSTANCE_DEGRADED, instance=book, summary="web ended")
    Instance.objects.update(state="degraded", state_reason="web ended")
    page = browser.get(PAGE).content.decode()
    words = f"{warning} Its data is as it was before. Web ended."
    assert words in plain(page)
    assert f"/c/acme/operations/{ended.pk}/" in page
    assert ("Restored from" in page) == is_way_back
    incidents.close(kind=Incident.Kind.INSTANCE_DEGRADED, instance=book)
    assert warning not in text(browser), "this time it is another trouble"
    assert restore.trouble


def test_the_steps_that_take_back_are_known_by_their_names() -> None:
    for flow in runner.FLOWS.values():
        assert all(OperationStep(name=each.name).takes_back for each in flow.undo)
        assert not any(OperationStep(name=each.name).takes_back for each in flow.steps)
