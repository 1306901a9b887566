"""A superuser's browser."""

from __future__ import annotations

import pytest
from django.test import Client as Browser
from pytest_django import Settings

from tenants.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def _static_files_where_they_are(settings: Settings) -> None:
    """Nothing is collected for tests."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root@berth.example", "correct horse battery", name="Root")


@pytest.fixture
def root(superuser: User) -> Browser:
    browser = Browser()
    browser.force_login(superuser, backend=BACKEND)
    return browser
