"""The catalog in the admin: which apps there are, and which can be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.admin.building.tables import Column, Table, beside, with_note
from hosting.catalog.builder import availability
from hosting.catalog.errors import CatalogError
from hosting.catalog.schema import App
from hosting.selectors import catalog
from tenants.display import badge, identifier, mebibytes

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """An app with where it is described and, where it can't be ordered, why."""

    app: App
    file: str
    unavailable: str | None


def view(request: HttpRequest) -> HttpResponse:
    """All apps, or the file that is wrong: none can be ordered until it is right."""
    if not request.user.has_perm("hosting.view_instance"):
        raise PermissionDenied
    entries: list[Entry] = []
    fault = ""
    try:
        entries = [_entry(app) for app in catalog.apps().values()]
    except CatalogError as error:
        fault = str(error)
    context = {
        **admin.site.each_context(request),
        "title": "Catalog",
        "table": Table(_COLUMNS, entries, empty="The catalog is empty."),
        "fault": fault,
        "directories": [str(each) for each in settings.BERTH_CATALOG_DIRS],
    }
    return TemplateResponse(request, "admin/hosting/catalog.html", context)


def _entry(app: App) -> Entry:
    return Entry(app, _file(app.slug), availability(app, settings.BERTH_APP_SETTINGS))


def _file(slug: str) -> str:
    """Where the app is described: its short name is its file's name."""
    candidates = (
        Path(directory) / f"{slug}{suffix}"
        for directory in settings.BERTH_CATALOG_DIRS
        for suffix in _SUFFIXES
    )
    return next((str(each) for each in candidates if each.is_file()), "")


def _title(entry: Entry) -> SafeString:
    title = format_html("<strong>{}</strong>", entry.app.title)
    return with_note(beside(title, entry.app.slug), entry.app.berth.description)


def _state(entry: Entry) -> SafeString:
    if entry.unavailable:
        return with_note(badge("Not yet", "warn"), entry.unavailable)
    return badge("Can be ordered", "ok")


def _needs(entry: Entry) -> str:
    least = entry.app.berth.minimum
    return f"{least.cpus} CPU, {mebibytes(least.memory_mb)}, {least.disk_gb} GiB"


_COLUMNS = (
    Column("App", _title),
    Column("State", _state),
    Column("Versions", lambda each: ", ".join(each.app.versions)),
    Column("Needs at least", _needs, "b-nowrap"),
    Column("File", lambda each: identifier(Path(each.file).name), "b-nowrap"),
)
