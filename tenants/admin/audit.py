"""The audit log in the admin: to read, filter and search, for nobody to change."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter, FieldTextFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm

from tenants.admin.base import ReadOnlyPageAdmin
from tenants.admin.filters import DayFilter
from tenants.display import moment
from tenants.models import AuditEvent, Client, Member

RECENT = 20_000  # events whose actions the filter offers: a look at all of them would take long
_SHOWN = 3  # changed values in a row of the list
_EMPTY = "(empty)"
_UUID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_BEGIN = r"\1…"  # enough of an identifier for a list


class ActionFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By what was done."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """The actions of the newest events."""
        newest = AuditEvent.objects.order_by("-sequence").values("pk")[:RECENT]
        rows = AuditEvent.objects.filter(pk__in=newest).order_by("action")
        return [(each, each) for each in rows.values_list("action", flat=True).distinct()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Events of that action."""
        return queryset.filter(action=self.value()) if self.value() else queryset


class ClientFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """By client, of whom there are many: they are searched for, not listed.

    The log keeps identifiers, not foreign keys, so another model's is asked for them.
    """

    title = "client"
    parameter_name = "client"

    def __init__(
        self, request: HttpRequest, params: Any, model: type[AuditEvent], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request, self.model_admin = request, model_admin

    def has_output(self) -> bool:
        """Always: there are clients."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        """None in advance."""
        return ()

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """The field to search in."""
        wanted = self._wanted()
        yield {
            "form": AutocompleteDropdownForm(
                request=self.request,
                name=self.parameter_name,
                label=" By client ",
                choices=(),
                field=Member._meta.get_field("client"),
                model_admin=self.model_admin,
                data={self.parameter_name: str(wanted) if wanted else ""},
            )
        }

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Events of that client; none for what is no identifier."""
        if not self.value():
            return queryset
        wanted = self._wanted()
        return queryset.filter(client_id=wanted) if wanted else queryset.none()

    def _wanted(self) -> uuid.UUID | None:
        try:
            return uuid.UUID(self.value())
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that an event changed, set or removed."""

    name: str
    before: str | None
    after: str | None


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyPageAdmin[AuditEvent]):
    """Read-only for superusers too; the database refuses changes besides."""

    list_display = ("when", "actor_label", "action", "subject", "client_name", "changed")
    list_filter = (
        ActionFilter,
        ClientFilter,
        ("actor_label", FieldTextFilter),
        ("at", DayFilter),
    )
    search_fields = ("action", "object_label", "actor_label", "object_id", "address", "request_id")
    search_help_text = "Action, object, person, address or request"
    ordering = ("-sequence",)
    list_display_links = ("when",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """“History” on other pages leads here, to the events of one object."""
        return lookup in ("object_type", "object_id") or super().lookup_allowed(
            lookup, value, request
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """With the clients' names of today."""
        name = Client.objects.filter(pk=OuterRef("client_id")).values("name")
        return super().get_queryset(request).annotate(client_name=Subquery(name))

    def page(self, obj: AuditEvent, request: HttpRequest) -> dict[str, Any]:
        """What was changed."""
        return {"event": obj, "differences": differences(obj)}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """An event has no history; its page is all there is."""
        return self.change_view(request, object_id)

    @admin.display(description="When", ordering="sequence")
    def when(self, event: AuditEvent) -> str:
        """How long ago."""
        return moment(event.at)

    @admin.display(description="Object", ordering="object_label")
    def subject(self, event: AuditEvent) -> SafeString:
        """What it was done to, by its name of then."""
        return format_html(
            '{} <span class="b-dim">{}</span>', event.object_label, event.object_type
        )

    @admin.display(description="Client")
    def client_name(self, event: AuditEvent) -> str:
        """Whose it is."""
        name: str | None = event.client_name  # type: ignore[attr-defined]  # annotated above
        return name or "–"

    @admin.display(description="Changed")
    def changed(self, event: AuditEvent) -> str:
        """The first changed values, short."""
        found = [each for each in differences(event) if each.after != _EMPTY or each.before]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return "; ".join(_short(each) for each in found[:_SHOWN]) + more or "–"


def differences(event: AuditEvent) -> list[Difference]:
    """What the event changed, by name; a value that was not there before or after is ``None``."""
    before, after = _flat(event.before), _flat(event.after)
    return [
        Difference(name, before.get(name), after.get(name)) for name in sorted({*before, *after})
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values under dotted names."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "(none)"
    return _EMPTY if value in (None, "", {}) else str(value)


def _short(difference: Difference) -> str:
    after = _UUID.sub(_BEGIN, difference.after or "(removed)")
    if difference.before is None:
        return f"{difference.name}: {after}"
    return f"{difference.name}: {_UUID.sub(_BEGIN, difference.before)} → {after}"
