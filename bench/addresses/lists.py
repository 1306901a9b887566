"""The admin's lists: the first, the second and the last page, narrowed, and searched."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib.admin import ListFilter, ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.test import RequestFactory

from bench.addresses.page import Page, Visitor
from tenants.models import User

WORD = "client-0500"  # what is looked for; in lists that know no client it is found nowhere


def pages(admin: ModelAdmin[Any], visitor: Visitor, user: User) -> Iterator[Page]:
    """Of one list."""
    opts = admin.model._meta
    view = f"admin:{opts.app_label}_{opts.model_name}_changelist"
    called = f"list of {opts.app_label}_{opts.model_name}"
    yield visitor.opens(view, name=called)
    shown = _shown(admin, user)
    if shown.result_count > admin.list_per_page:
        last = shown.paginator.num_pages
        yield visitor.opens(view, name=f"{called}, page 2", query={"p": 2})
        if last > 2:
            yield visitor.opens(view, name=f"{called}, page {last}", query={"p": last})
    for each in shown.filter_specs:
        query = _chosen(each, shown)
        if query:
            yield visitor.opens(view, name=f"{called} by {next(iter(query))}", query=query)
    if admin.date_hierarchy:
        row = shown.root_queryset.first()
        if row is not None:
            day = getattr(row, admin.date_hierarchy)
            query = {f"{admin.date_hierarchy}__year": day.year}
            yield visitor.opens(view, name=f"{called} by year", query=query)
    if admin.search_fields:
        yield visitor.opens(view, name=f"{called}, searched", query={"q": WORD})


def _shown(admin: ModelAdmin[Any], user: User) -> ChangeList:
    request = RequestFactory().get("/")
    request.user = user
    return admin.get_changelist_instance(request)


def _chosen(each: ListFilter, shown: ChangeList) -> dict[str, str]:
    """What narrows to most of what there is to choose; nothing where there is no choice."""
    field = getattr(each, "field_path", None)
    lookup: str | None = getattr(each, "lookup_kwarg", None)
    if field is None:  # a filter with a list of its own
        choices: Any = getattr(each, "lookup_choices", ())
        known = [str(value) for value, _ in choices if value]
        name: str = getattr(each, "parameter_name", "")
        return {name: known[-1]} if known else {}
    rows = shown.root_queryset.order_by().values_list(field).annotate(many=Count("pk"))
    most = rows.order_by("-many", field).first()
    if most is None or most[0] is None:
        return {}
    if lookup is None:  # from one day to another
        day = f"{most[0]:%Y-%m-%d}"
        return {f"{field}_from": day, f"{field}_to": day}
    value = most[0]
    if isinstance(value, uuid.UUID):
        lookup = f"{field}__id__exact"
    return {lookup: str(int(value)) if isinstance(value, bool) else str(value)}
