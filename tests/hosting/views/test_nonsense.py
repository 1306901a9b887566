"""What no browser sends: refused, and never an error of Berth's own."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from hosting.models import Instance, Plan


@pytest.mark.parametrize("path", ["audit/?q=%00", "audit/?instance=%00", "instances/new?app=%00"])
def test_a_nul_in_an_address_is_a_bad_request(path: str, browser: Browser) -> None:
    assert browser.get(f"/c/acme/{path}").status_code == 400


def test_a_nul_in_an_order_is_refused_at_its_field(browser: Browser, small: Plan) -> None:
    good = {"app": "guestbook", "plan": "small", "name": "book"}
    for field in good:
        answer = browser.post("/c/acme/instances/new", {**good, field: "a\0b"})
        assert answer.status_code == 422
    assert not Instance.objects.exists()
