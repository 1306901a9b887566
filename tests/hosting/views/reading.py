"""The pages of Acme's instance book, and what is read on them."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

PAGE = "/c/acme/instances/book/"
ALL = f"{PAGE}backups/"
GO_BACK = f"{PAGE}go-back"
AUDIT = "/c/acme/audit/"
PART = {"HX-Request": "true", "HX-Target": "live"}


def count(browser: Browser, path: str) -> int:
    """How many queries the page costs."""
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)


def text(browser: Browser, path: str = PAGE) -> str:
    """What is read on that page."""
    return plain(browser.get(path).content.decode())


def plain(page: str) -> str:
    """What is read on it: without tags, in single spaces."""
    words = re.sub(r"<[^>]+>", "", page).replace("&#x27;", "'")
    return " ".join(words.split())


def berlin(at: datetime) -> datetime:
    """In Acme's time zone."""
    return at.astimezone(ZoneInfo("Europe/Berlin"))


def to_the_minute(at: datetime) -> str:
    """As a page says it."""
    local = berlin(at)
    return f"{local.day} {local:%b %Y, %H:%M}"


def hours(begin: str, end: str) -> dict[str, str]:
    """What is posted to have new versions come within these hours."""
    return {"is_in": "on", "changes_from": begin, "changes_until": end}
