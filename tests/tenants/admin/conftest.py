"""A superuser's browser."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from tenants.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root@berth.example", "correct horse battery", name="Root")


@pytest.fixture
def root(superuser: User) -> Browser:
    browser = Browser()
    browser.force_login(superuser, backend=BACKEND)
    return browser
