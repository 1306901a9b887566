"""What a client reads before a change of version or plan, and asks for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, Operation, Plan, Rehearsal, Upgrade
from hosting.selectors import catalog
from hosting.services.saving import backups
from tenants.models import AuditEvent, Client, Role, User
from tenants.services.actors import Actor
from tests.hosting.views.history import AS_BEFORE, manifest, operation, proven
from tests.hosting.views.reading import ALL, AUDIT, GO_BACK, PAGE, PART, count, hours, plain, text

Login = Callable[[User | None], Browser]
UPGRADE = f"{PAGE}upgrade"
NEW_VERSIONS = f"{PAGE}new-versions"
TO_2 = {"version": "2", "plan": "small"}


@pytest.fixture
def old(book: Instance) -> Instance:
    """The book, of the older version, with a proven backup."""
    Instance.objects.filter(pk=book.pk).update(version="1")
    book.refresh_from_db()
    definition = book.definition
    proven(book, manifest=manifest(book, definition=definition, images={}, at_rest=False))
    return book


@pytest.fixture
def large(db: None) -> Plan:
    return Plan.objects.create(
        slug="large", name="Large", cpus=Decimal(2), memory_mb=1024, disk_gb=10, processes=512
    )


def test_the_page_leads_from_the_choice_to_the_rehearsal(old: Instance, browser: Browser) -> None:
    assert f'href="{UPGRADE}"' in browser.get(PAGE).content.decode()
    page = text(browser, UPGRADE)
    for words in (
        "It runs Guestbook 1 on the plan Small.",
        "2 (newest)",
        "1 (as now)",
        "Not rehearsed yet.",
        "Nothing happens to book, and the copy reaches nobody.",
    ):
        assert words in page
    assert "Change to 2" not in page
    answer = browser.post(UPGRADE, {**TO_2, "do": "rehearse"})
    assert answer["Location"] == f"{UPGRADE}?version=2&plan=small"
    page = text(browser, answer["Location"])
    assert "Rehearsing the change" in page
    assert "Not rehearsed yet." not in page
    assert "asked to rehearse a change of acme/book" in text(browser, AUDIT)
    assert not old.operations.filter(state="queued").exists(), "nothing happens to the book"


def test_what_went_well_is_offered_and_asked_for_by_a_click(
    old: Instance, browser: Browser, alice: User
) -> None:
    _rehearsed(old)
    page = text(browser, UPGRADE)
    for words in (
        "It went well",
        "The version and the data of now are kept for 7 days.",
        "If anything fails on the way, Berth takes it back by itself and says why.",
        "Change to 2",
    ):
        assert words in page
    assert not Upgrade.objects.exists()
    assert browser.post(UPGRADE, {**TO_2, "do": "upgrade"})["Location"] == PAGE
    made = Upgrade.objects.get()
    assert (made.from_version, made.to_version, made.to_generation) == ("1", "2", 2)
    assert (made.operation.kind, made.operation.requested_by) == ("upgrade", alice)
    assert "Changing version or plan" in text(browser)
    assert "asked to change the version or plan of acme/book" in text(browser, AUDIT)


def test_a_double_click_makes_one_of_each(old: Instance, browser: Browser) -> None:
    assert browser.post(UPGRADE, {**TO_2, "do": "rehearse"}).status_code == 302
    _refused(browser, {**TO_2, "do": "rehearse"}, "is being rehearsed already")
    assert Rehearsal.objects.count() == 1
    Rehearsal.objects.update(passed=True, seconds=30, ended_at=timezone.now())
    assert browser.post(UPGRADE, {**TO_2, "do": "upgrade"}).status_code == 302
    _refused(browser, {**TO_2, "do": "upgrade"}, "book is busy: “Upgrade” was asked for by Alice")
    assert Upgrade.objects.count() == 1


def test_nothing_is_changed_unrehearsed(old: Instance, browser: Browser) -> None:
    wanted = {**TO_2, "do": "upgrade"}
    _refused(browser, wanted, "Rehearse the change to 2 first: nothing happens to book.")
    rehearsal = _rehearsed(old, ended_at=timezone.now() - timedelta(days=8))
    assert "That was more than 7 days ago: rehearse it again." in text(browser, UPGRADE)
    _refused(browser, wanted, "Rehearse the change to 2 first")
    Rehearsal.objects.update(passed=False, seconds=None, reason="web ends when it is started")
    page = text(browser, UPGRADE)
    assert "It did not go well" in page
    assert "Web ends when it is started" in page
    assert "Change to 2" not in page
    _refused(browser, wanted, "The rehearsal did not pass: web ends when it is started")
    Rehearsal.objects.update(passed=None, ended_at=None, reason="")
    operation(rehearsal.scratch, "rehearsal", "succeeded")
    _refused(browser, wanted, "The rehearsal has not ended yet")


@pytest.mark.parametrize("do", ["rehearse", "upgrade"])
@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"version": "9", "plan": "small"}, "book can't be changed to the version “9”."),
        ({"version": "<b>\x00", "plan": "small"}, "book can't be changed to the version"),
        ({"version": "2", "plan": "huge"}, "There is no plan “huge” on offer."),
        ({"version": "2", "plan": "tiny"}, "Tiny has less."),
        ({"version": "1", "plan": "small"}, "book has that version and plan already."),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    wanted: dict[str, str], sentence: str, do: str, old: Instance, browser: Browser
) -> None:
    Plan.objects.create(
        slug="tiny", name="Tiny", cpus=Decimal(1), memory_mb=64, disk_gb=5, processes=64
    )
    _refused(browser, {**wanted, "do": do}, sentence)


def test_an_older_version_is_not_offered(book: Instance, browser: Browser) -> None:
    proven(book)
    page = text(browser, UPGRADE)
    assert "There is no newer version." in page
    assert "That is what it has already." in page
    _refused(browser, {"version": "1", "plan": "small", "do": "rehearse"}, "can't be changed to")


def test_without_a_backup_there_is_nothing_to_rehearse_with(
    book: Instance, browser: Browser
) -> None:
    Instance.objects.update(version="1")
    _refused(browser, {**TO_2, "do": "rehearse"}, "book has no proven backup yet")


def test_a_plan_alone_needs_no_rehearsal(book: Instance, browser: Browser, large: Plan) -> None:
    page = text(browser, f"{UPGRADE}?version=2&plan=large")
    assert "restarts with its new limits" in page
    assert "Rehearse" not in page
    posted = {"version": "2", "plan": "large", "do": "upgrade"}
    assert browser.post(UPGRADE, posted).status_code == 302
    made = Upgrade.objects.get()
    assert (made.to_plan, made.keeps_data) == (large, False)


def test_another_choice_renews_only_its_outlook(
    old: Instance, browser: Browser, large: Plan
) -> None:
    part = browser.get(UPGRADE, {"version": "1", "plan": "large"}, headers=PART).content.decode()
    assert part.lstrip().startswith('<div id="live"')
    assert "Change the plan" in part
    page = browser.get(UPGRADE)
    seen = page.context["fingerprint"]
    same = browser.get(f"{UPGRADE}?version=2&plan=small&seen={seen}", headers=PART)
    assert same.status_code == 204
    _rehearsed(old)
    renewed = browser.get(f"{UPGRADE}?version=2&plan=small&seen={seen}", headers=PART)
    assert "It went well" in renewed.content.decode()


def test_it_is_told_what_it_was_upgraded_to_and_how_to_go_back(
    old: Instance, browser: Browser
) -> None:
    made = _upgraded(old)
    page = text(browser)
    assert "Upgraded: version 1 to 2 (it was away for 12 s)." in page
    assert "One click goes back to it, and to version 1." in page
    assert browser.post(GO_BACK).status_code == 302
    made.refresh_from_db()
    assert made.reverted_by is not None


def test_an_upgrade_that_was_taken_back_says_why(old: Instance, browser: Browser) -> None:
    reason = f"web ends when it is started. {AS_BEFORE}"
    made = operation(old, "upgrade", "failed", reason=reason, undoing="web ends when it is started")
    assert f"Change version or plan Web ends when it is started. {AS_BEFORE}" in text(browser)
    assert "Change version or plan of book" in text(browser, f"/c/acme/operations/{made.pk}/")


def test_the_page_says_that_this_was_tried_and_taken_back(
    old: Instance, browser: Browser, large: Plan
) -> None:
    _rehearsed(old)
    why = "web ends when it is started"
    made = _upgraded(old)
    Instance.objects.update(version="1", generation=1)
    Operation.objects.filter(pk=made.operation_id).update(
        state="failed", undoing=why, reason=f"{why}. {AS_BEFORE}"
    )
    page = text(browser, UPGRADE)
    assert "This change was tried just now, and taken back." in page
    assert f"Web ends when it is started. {AS_BEFORE}" in page
    assert "Change to 2" in page, "it may be tried again"
    assert "This change was tried" not in text(browser, f"{UPGRADE}?version=2&plan=large")


def test_a_rehearsal_shows_what_it_found(old: Instance, browser: Browser) -> None:
    checks = {"entries": {"wanted": ["7", "7"], "said": "7", "fits": True}}
    _rehearsed(old, checks=checks)
    page = text(browser, UPGRADE)
    assert "in 41 s with bringing the data back." in page
    assert "Entries that came along 7" in page
    said = "web ended. Its last words: the first / the last"
    Rehearsal.objects.update(passed=False, seconds=None, reason=said)
    page = text(browser, UPGRADE)
    assert "Web ended. The last lines of its log the first the last" in page
    assert "book was not touched." in page


def test_a_busy_instance_is_left_alone(old: Instance, browser: Browser, alice: User) -> None:
    _rehearsed(old)
    backups.request(instance=old, actor=Actor.of(alice))
    page = browser.get(UPGRADE).content.decode()
    assert 'disabled title="Not while it is backing up."' in page
    _refused(browser, {**TO_2, "do": "upgrade"}, "book is busy: “Back up” was asked for by Alice")


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_lookers_change_nothing(
    role: Role, old: Instance, member: Callable[[Role], User], login: Login
) -> None:
    _rehearsed(old)
    browser = login(member(role))
    assert UPGRADE not in browser.get(PAGE).content.decode()
    for answer in (
        browser.get(UPGRADE),
        browser.post(UPGRADE, {**TO_2, "do": "rehearse"}),
        browser.post(UPGRADE, {**TO_2, "do": "upgrade"}),
        browser.post(NEW_VERSIONS, hours("02:00", "04:00")),
    ):
        assert answer.status_code == 403
        assert "you may not change versions and plans" in answer.content.decode()
    assert (Rehearsal.objects.count(), Upgrade.objects.count()) == (1, 0)


def test_an_admin_changes_it(old: Instance, member: Callable[[Role], User], login: Login) -> None:
    _rehearsed(old)
    browser = login(member(Role.ADMIN))
    assert browser.post(UPGRADE, {**TO_2, "do": "upgrade"}).status_code == 302
    assert Upgrade.objects.count() == 1


def test_nothing_is_changed_at_an_inactive_client(
    old: Instance, acme: Client, browser: Browser
) -> None:
    _rehearsed(old)
    acme.is_active = False
    acme.save()
    assert UPGRADE not in browser.get(PAGE).content.decode()
    assert browser.post(UPGRADE, {**TO_2, "do": "upgrade"}).status_code == 403
    assert browser.post(NEW_VERSIONS, hours("02:00", "04:00")).status_code == 403


@pytest.mark.parametrize("client", ["acme", "globex"])
def test_someone_elses_instance_is_not_there(
    client: str, old: Instance, mallory: User, login: Login
) -> None:
    _rehearsed(old)
    browser = login(mallory)
    base = f"/c/{client}/instances/book"
    assert browser.get(f"{base}/upgrade").status_code == 404
    for do in ("rehearse", "upgrade"):
        assert browser.post(f"{base}/upgrade", {**TO_2, "do": do}).status_code == 404
    assert browser.post(f"{base}/new-versions", hours("02:00", "04:00")).status_code == 404
    assert not Operation.objects.filter(state="queued").exists()


def test_it_needs_a_post_with_a_token(old: Instance, alice: User) -> None:
    _rehearsed(old)
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(UPGRADE, {**TO_2, "do": "upgrade"}).status_code == 403
    assert browser.post(NEW_VERSIONS, hours("02:00", "04:00")).status_code == 403
    assert browser.get(NEW_VERSIONS).status_code == 405
    assert browser.get(UPGRADE, {**TO_2, "do": "upgrade"}).status_code == 200
    assert not Upgrade.objects.exists()


@pytest.mark.parametrize("path", [PAGE, UPGRADE])
def test_the_number_of_queries_does_not_grow(path: str, old: Instance, browser: Browser) -> None:
    _rehearsed(old)
    _upgraded(old)
    Instance.objects.update(version="1")
    browser.get(path)  # the session remembers the client once
    one = count(browser, path)
    for _ in range(8):
        _rehearsed(old)
        _upgraded(old)
        Instance.objects.update(version="1")
    assert count(browser, path) == one <= 27


def test_no_page_shows_a_key_or_the_stores_password(old: Instance, browser: Browser) -> None:
    proven(old, secrets='{"KEY": "sesame-of-the-app"}')
    _rehearsed(old)
    _upgraded(old)
    password = backups.store_of(instance=old).password
    for path in (PAGE, UPGRADE, ALL, AUDIT):
        page = browser.get(path).content.decode()
        assert "sesame" not in page
        assert password not in page


def _refused(browser: Browser, posted: dict[str, str], sentence: str) -> None:
    """With that sentence at 422, and nothing changed."""
    before = _written()
    answer = browser.post(UPGRADE, posted)
    assert answer.status_code == 422
    assert sentence in plain(answer.content.decode())
    assert _written() == before


def _written() -> tuple[int, ...]:
    return tuple(
        each.objects.count() for each in (Operation, Upgrade, Rehearsal, Instance, AuditEvent)
    )


def _rehearsed(instance: Instance, **more: Any) -> Rehearsal:
    """The change to 2, on the plan of now, went well."""
    backup = proven(instance)
    scratch = Instance.objects.create(
        client=instance.client,
        name=f"rehearsal-{uuid.uuid4().hex[:12]}",
        app=instance.app,
        version="1",
        definition={},
        plan=instance.plan,
        server=instance.server,
        purpose="rehearsal",
        made_from=backup,
        state="deleted",
        deleted_at=timezone.now(),
    )
    values = {
        "to_version": "2",
        "to_definition": catalog.apps()[instance.app].model_dump(mode="json"),
        "to_plan": instance.plan,
        "passed": True,
        "seconds": 41.2,
        "ended_at": timezone.now(),
    }
    return Rehearsal.objects.create(backup=backup, scratch=scratch, **{**values, **more})


def _upgraded(instance: Instance) -> Upgrade:
    """The instance runs version 2, and there is a way back for a week."""
    generation = instance.generation
    instance.generation += 1
    Instance.objects.filter(pk=instance.pk).update(generation=instance.generation, version="2")
    return Upgrade.objects.create(
        operation=operation(instance, "upgrade", "succeeded"),
        from_generation=generation,
        to_generation=instance.generation,
        from_version="1",
        to_version="2",
        from_definition=instance.definition,
        to_definition=instance.definition,
        from_plan=instance.plan,
        to_plan=instance.plan,
        seconds=12.0,
        kept_until=timezone.now() + timedelta(days=7),
    )
