from __future__ import annotations

import pytest
from allauth.account.adapter import get_adapter
from django.contrib import admin
from django.core.checks import run_checks
from django.test import RequestFactory
from pytest_django import Settings

from hosting.models import InstanceSecret
from tenants import checks


def ids(*, deploy: bool = False) -> set[str]:
    return {each.id or "" for each in run_checks(include_deployment_checks=deploy)}


def test_a_malformed_master_key_is_an_error(settings: Settings) -> None:
    assert "tenants.E001" not in ids()
    settings.BERTH_MASTER_KEY = "nonsense"
    assert "tenants.E001" in ids()


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [
        ([], []),
        (["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix"], []),
        (["proxy.example"], ["tenants.E003"]),
        (["0.0.0.0/0"], ["tenants.E004"]),
        (["::/0", "nonsense"], ["tenants.E004", "tenants.E003"]),
    ],
)
def test_trusted_proxies_are_looked_at(
    settings: Settings, proxies: list[str], expected: list[str]
) -> None:
    settings.BERTH_TRUSTED_PROXIES = proxies
    assert [each.id for each in checks.check_trusted_proxies(None)] == expected


@pytest.mark.parametrize(
    ("backend", "sender", "expected"),
    [
        ("django.core.mail.backends.console.EmailBackend", "x@berth.example", ["tenants.W001"]),
        ("django.core.mail.backends.smtp.EmailBackend", "B <b@localhost>", ["tenants.W002"]),
        ("django.core.mail.backends.smtp.EmailBackend", "B <b@berth.example>", []),
    ],
)
def test_production_sends_mail(
    settings: Settings, backend: str, sender: str, expected: list[str]
) -> None:
    settings.EMAIL_BACKEND, settings.DEFAULT_FROM_EMAIL = backend, sender
    assert [each.id for each in checks.check_email(None)] == expected


def test_an_admin_page_that_shows_a_secret_is_an_error() -> None:
    class Careless(admin.ModelAdmin):  # type: ignore[type-arg]
        readonly_fields = ("value",)

    known = admin.site._registry.get(InstanceSecret)
    assert checks.check_admin_shows_no_secret(None) == []
    admin.site._registry[InstanceSecret] = Careless(InstanceSecret, admin.site)
    try:
        (problem,) = checks.check_admin_shows_no_secret(None)
    finally:
        del admin.site._registry[InstanceSecret]
        if known is not None:
            admin.site._registry[InstanceSecret] = known
    assert problem.msg == "Careless shows the encrypted field value."


def test_nobody_signs_up() -> None:
    request = RequestFactory().get("/")
    assert get_adapter().is_open_for_signup(request) is False
