"""One page: what it is called, who asks for it, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.test import Client as Browser
from django.urls import reverse
from django.utils.http import urlencode

from tenants.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True, slots=True)
class Page:
    """``name`` says what it is to people."""

    name: str
    browser: Browser
    address: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever opens pages; their names begin with ``who``."""

    who: str
    browser: Browser

    def opens(
        self,
        view: str,
        *args: object,
        name: str = "",
        query: Mapping[str, str | int] | None = None,
    ) -> Page:
        """The page of that view, called by the view's name unless it is told another."""
        address = reverse(view, args=args)
        if query:
            address = f"{address}?{urlencode(query)}"
        return Page(f"{self.who}: {name or view.removeprefix('admin:')}", self.browser, address)


def logged_in(user: User) -> Browser:
    """A browser of that user."""
    browser = Browser()
    browser.force_login(user, backend=BACKEND)
    return browser
