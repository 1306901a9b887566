"""Changing something by a button or for several rows: ask the service, say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect

from tenants.admin.base import actor, show_refused
from tenants.errors import Refused


def post(
    request: HttpRequest, *, allowed: bool, change: Callable[[], object], said: str, page: str
) -> HttpResponse:
    """Make one change that was posted, then go to the page with what came of it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not allowed:
        raise PermissionDenied
    try:
        change()
    except Refused as refused:
        show_refused(request, refused)
    else:
        messages.success(request, said)
    return HttpResponseRedirect(page)


def on_each(
    request: HttpRequest,
    rows: QuerySet[Any],
    verb: Callable[..., object],
    *,
    name: str,
    said: str,
    extra: Callable[[Any], dict[str, object]] | None = None,
) -> None:
    """Call ``verb(<name>=row, actor=...)`` for each row; one that refuses stops no other.

    ``said`` has ``{}`` for the number that was accepted; ``extra`` gives a row's further arguments.
    """
    done = 0
    for row in rows:
        arguments = {name: row, "actor": actor(request), **(extra(row) if extra else {})}
        try:
            verb(**arguments)
        except Refused as refused:
            messages.error(request, _named(row, refused))
        else:
            done += 1
    if done:
        messages.success(request, said.format(done))


def _named(row: Model, refused: Refused) -> str:
    return f"{row}: {refused.message}"
