"""A rollout's page: its waves, and what each of their instances waits for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hosting.models import Instance, Rollout
from hosting.selectors.working import waves
from tests.hosting.admin.upgrading.rolled_out import (
    BEGIN,
    WANTED,
    berlin,
    change,
    plain,
    rehearsed,
    text,
    upgraded,
)


def test_its_waves_say_what_became_of_each(root: Browser, fleet: list[Instance]) -> None:
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    upgrade = upgraded(fleet[2])
    made.items.filter(instance=fleet[2]).update(state="succeeded", operation=upgrade.operation)
    made.items.filter(instance=fleet[0]).update(
        state="failed", reason="web ended. Its last words: a / b", rehearsal=rehearsed(fleet[0])
    )
    Rollout.objects.update(next_wave_at=timezone.now() + timedelta(minutes=20))
    html = root.get(reverse("admin:hosting_rollout_live", args=[made.pk])).content.decode()
    words = plain(html)
    assert "Canaries Done" in words
    assert "web ended." in words
    assert "a / b" not in words
    assert "2 of 3 instances ended" in words
    assert "The next wave begins in" in words
    assert 'id="wave-1" open' in html
    assert 'id="wave-0" open' not in html
    assert f'href="{change(upgrade.operation)}"' in html


def test_of_many_instances_those_are_shown_that_somebody_looks_at(
    root: Browser, fleet: list[Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "FEW", 2)
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    made.items.filter(instance=fleet[2]).update(state="failed", reason="web ended.")
    page, live = change(made), reverse("admin:hosting_rollout_live", args=[made.pk])
    html = root.get(page).content.decode()
    assert f'href="{change(fleet[2])}"' in html  # it went wrong there
    assert f'href="{change(fleet[0])}"' not in html
    assert "Wave 1 Waiting 2 instances" in plain(html)
    assert f'hx-get="{live}?wave=1" hx-trigger="toggle from:closest details once"' in html
    assert 'href="?wave=1#wave-1"' in html
    html = root.get(f"{page}?wave=1").content.decode()
    assert f'href="{change(fleet[0])}"' in html
    assert 'id="wave-1" open' in html
    html = root.get(f"{live}?wave=1", headers={"HX-Request": "true"}).content.decode()
    assert f'href="{change(fleet[0])}"' in html
    assert 'id="wave-1" open' not in html  # whoever reads it has opened it, or closed it again
    assert html.count('type="hidden" name="wave"') == 2
    for nonsense in ("x", "-1", "99", "9" * 30, "²"):
        assert root.get(f"{page}?wave={nonsense}").status_code == 200


def test_it_says_what_is_waited_for(root: Browser, fleet: list[Instance]) -> None:
    begin, end = (timezone.now() + timedelta(hours=each) for each in (3, 5))
    Instance.objects.update(changes_from=berlin(begin), changes_until=berlin(end))
    root.post(reverse(BEGIN), WANTED)
    made = Rollout.objects.get()
    assert text(root, change(made)).count("Waits for its hours") == 3
    made.items.filter(instance=fleet[2]).update(state="rehearsing", rehearsal=rehearsed(fleet[2]))
    assert text(root, change(made)).count("Waits for its hours") == 3
    Rollout.objects.update(in_window=False)
    words = text(root, change(made))
    assert "Waits for its hours" not in words
    assert words.count("Waits until nothing else is done to it") == 1
