"""What production settings are made of."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from django.conf import settings


def _read(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    monkeypatch.setenv("BERTH_URL", url)
    return runpy.run_path(str(settings.BASE_DIR / "hosting" / "config" / "settings.py"))


def test_no_instance_under_the_same_domain_can_stand_in_for_our_cookies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = _read(monkeypatch, "https://portal.acme.example")
    for kind in ("SESSION", "CSRF"):
        assert found[f"{kind}_COOKIE_NAME"].startswith("__Host-")
        assert found[f"{kind}_COOKIE_SECURE"]
        assert found.get(f"{kind}_COOKIE_DOMAIN") is None


def test_cookies_work_without_https_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _read(monkeypatch, "http://localhost:8000")["SESSION_COOKIE_NAME"] == "berth_session"
