"""What staff see of journals, and which plans have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from hosting.models import Incident, Instance, JournalChapter, JournalPiece, Plan, Server
from hosting.services.saving import journal_alarm
from tests.hosting.admin.saving.test_backups import PLAN
from tests.hosting.journaled import journal, piece

Order = Callable[..., Instance]
pytestmark = pytest.mark.django_db


@pytest.fixture
def book(order: Order, memory_server: Server) -> Instance:
    """An instance that runs, on a plan that restores to a minute."""
    Plan.objects.update(point_in_time_days=7)
    order()
    now = timezone.now()
    Instance.objects.update(first_running_at=now - timedelta(days=3), state="running")
    instance = Instance.objects.get()
    instance.operations.update(state="succeeded", finished_at=now)
    return instance


def test_an_instance_says_how_far_the_store_has_it(root: Browser, book: Instance) -> None:
    kept = journal(book, timezone.now() - timedelta(minutes=5), trouble="the bucket is away")
    page = reverse("admin:hosting_instance_change", args=[book.pk])
    text = " ".join(root.get(page).content.decode().split())
    assert "Databases stored up to" in text
    assert "(the bucket is away)" in text
    assert "5 minutes ago" in text
    assert journal_alarm.watch(now=timezone.now()) == 1
    incident = Incident.objects.get(kind=Incident.Kind.JOURNAL_BEHIND)
    assert incident.summary.endswith("UTC: the bucket is away")
    assert "be restored to every minute" in root.get(page).content.decode()
    kept.archived_until = None
    kept.save()
    assert "db: nothing yet" in root.get(page).content.decode()


def test_staff_see_that_it_has_to_be_restarted_and_how_far_the_second_place_is(
    root: Browser, book: Instance, settings: Settings
) -> None:
    kept = journal(book, None, is_unkept=True)
    page = reverse("admin:hosting_instance_change", args=[book.pk])
    text = root.get(page).content.decode()
    assert "restart it, and it begins" in text
    assert "Databases in the second place" not in text
    settings.BERTH_BACKUP_COPY = "/off-site"
    assert "Databases in the second place" not in root.get(page).content.decode()
    piece(kept, JournalChapter.objects.create(instance=book, number=1), 1)
    assert "Not what was stored since" in root.get(page).content.decode()
    JournalChapter.objects.update(copied_to="/off-site")
    JournalPiece.objects.update(is_copied=True)
    assert "All that is stored" in root.get(page).content.decode()


def test_a_plan_in_use_may_reach_further_back_and_never_less(
    root: Browser, book: Instance, small: Plan
) -> None:
    page = reverse("admin:hosting_plan_change", args=[small.pk])
    root.post(page, {**PLAN, "point_in_time_days": "14"})
    small.refresh_from_db()
    assert small.point_in_time_days == 14
    answer = root.post(page, {**PLAN, "point_in_time_days": "7"})
    assert answer.context["adminform"].form.errors["point_in_time_days"]
    answer = root.post(page, {**PLAN, "point_in_time_days": "91"})
    assert answer.context["adminform"].form.errors["point_in_time_days"]
    small.refresh_from_db()
    assert small.point_in_time_days == 14
