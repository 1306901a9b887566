"""A suspended instance on its client's pages: why, and nothing that would start it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from hosting.models import Instance, Operation
from hosting.services import suspensions
from tenants.services.actors import Actor

PAGE = "/c/acme/instances/book/"
WHY = "Invoice <2026-0042> is overdue."


@pytest.fixture
def suspended(
    order: Callable[..., Instance], work_off: Callable[[Instance], Operation], actor: Actor
) -> Instance:
    instance = order()
    work_off(instance)
    suspensions.suspend(instance=instance, reason=WHY, actor=actor)
    work_off(instance)
    return instance


def test_its_page_says_why_and_offers_no_start(suspended: Instance, browser: Browser) -> None:
    page = browser.get(PAGE).content.decode()
    assert "It is suspended." in page
    assert "Invoice &lt;2026-0042&gt; is overdue." in page
    assert "instances/book/start" not in page


def test_the_list_says_so_too_and_counts_it_as_that(suspended: Instance, browser: Browser) -> None:
    page = " ".join(browser.get("/c/acme/").content.decode().split())
    assert "Invoice &lt;2026-0042&gt; is overdue." in page
    assert "1 suspended" in page
    assert "degraded" not in page


def test_a_start_that_is_posted_all_the_same_is_refused(
    suspended: Instance, browser: Browser
) -> None:
    page = browser.post(f"{PAGE}start", follow=True).content.decode()
    assert "book is suspended: Invoice &lt;2026-0042&gt; is overdue." in page
    assert Instance.objects.get().state == Instance.State.STOPPED


def test_given_back_the_page_is_as_before(
    suspended: Instance, browser: Browser, actor: Actor
) -> None:
    suspensions.resume(instance=suspended, actor=actor)
    assert "suspended" not in browser.get(PAGE).content.decode()
