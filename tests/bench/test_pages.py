"""Every page that somebody can open is measured, opens, and asks no more of a larger fleet."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, reset_queries, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from bench.addresses import clients, staff
from bench.addresses.left_out import LEFT_OUT
from bench.addresses.page import Page
from hosting.models import Instance

SMALL = {"clients": 3, "instances": 4, "largest": 6, "days": 65, "quarters": 1, "hours": 1}
LARGER = {**SMALL, "clients": 8, "instances": 10, "largest": 30}
AT_ODDS = 2  # queries that are left out where there is nothing: one in ten uses language models
BY_THE_BENCHMARK = ("metrics", "metrics_instances", "account_login", "account_reset_password")


@pytest.mark.django_db
def test_every_page_opens_and_asks_no_more_of_a_larger_fleet() -> None:
    ContentType.objects.get_for_models(*apps.get_models())  # read once and kept
    few, many = _queries(SMALL), _queries(LARGER)
    assert len(few) > 200
    shared = few.keys() & many.keys()
    grown = {each: (few[each], many[each]) for each in shared if many[each] - few[each] > AT_ODDS}
    assert not grown


@pytest.mark.django_db
def test_every_address_is_measured_or_has_a_reason_not_to_be() -> None:
    call_command("generate_fleet", **SMALL, verbosity=0)
    measured = {resolve(each.address.partition("?")[0]).url_name for each in _pages()}
    known = {each for each in _names(get_resolver()) if each not in BY_THE_BENCHMARK}
    reasons = re.compile("|".join(f"(?:{each})$" for each in LEFT_OUT))
    assert {each for each in known - measured if not reasons.match(each)} == set()
    for each in LEFT_OUT:
        assert any(re.fullmatch(each, name) for name in known - measured), f"{each} names nothing"


def _queries(size: dict[str, int]) -> dict[str, int]:
    """By page."""
    found: dict[str, int] = {}
    with transaction.atomic():
        call_command("generate_fleet", **size, verbosity=0)
        for page in _pages():
            reset_queries()
            with CaptureQueriesContext(connection) as captured:
                answer = page.browser.get(page.address)
                if answer.streaming:
                    b"".join(answer)
            assert answer.status_code == 200, page
            found[page.name] = len(captured)
        transaction.set_rollback(True)  # the fleet is gone again
    return found


def _pages() -> Iterator[Page]:
    running = Instance.objects.filter(state="running", purpose="client").select_related("client")
    yield from clients.pages(spans=("month",))  # of the others tests/hosting/views counts them
    yield from staff.pages(running.order_by("pk")[3])


def _names(of: URLResolver) -> Iterator[str]:
    for each in of.url_patterns:
        if isinstance(each, URLPattern):
            if each.name:
                yield each.name
        else:
            yield from _names(each)
