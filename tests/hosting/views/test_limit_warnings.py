"""What a client reads where an instance comes near a limit of its plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.test import Client as Browser
from django.utils import timezone

from hosting.models import Instance, LimitWarning, Operation, Plan
from tests.hosting.views.reading import PAGE, PART, text

Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]
SAID = "Memory is nearly full: one of its services has used 93% of what it may use."


def _warn(instance: Instance, plan: Plan | None = None) -> LimitWarning:
    since = timezone.now() - timedelta(hours=2)
    return LimitWarning.objects.create(
        instance=instance, kind="memory", summary=SAID, plan=plan, opened_at=since
    )


def test_a_client_reads_what_happens_and_which_plan_would_help(
    order: Order, work_off: WorkOff, small: Plan, browser: Browser
) -> None:
    instance = order()
    work_off(instance)
    seen = browser.get(PAGE).context["fingerprint"]
    warning = _warn(instance, plan=small)
    assert browser.get(f"{PAGE}?seen={seen}", headers=PART).status_code == 200  # it shows at once
    page = text(browser)
    assert f"Memory nearly full. {SAID}" in page
    assert "2 h ago" in page
    assert "The plan Small would be enough: change the plan." in page
    LimitWarning.objects.filter(pk=warning.pk).update(closed_at=timezone.now())
    assert SAID not in text(browser)


def test_without_a_plan_that_helps_none_is_named_and_others_warnings_are_not_shown(
    order: Order, work_off: WorkOff, browser: Browser
) -> None:
    work_off(order())
    other = order("other")
    _warn(other)
    assert SAID not in text(browser)
    page = text(browser, PAGE.replace("book", "other"))
    assert SAID in page
    assert "would be enough" not in page
