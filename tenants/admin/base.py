"""What every page of the admin has in common: services write, the audit log remembers.

Django's own way (the form saves, deletes, and keeps a history of its own) is closed here: an admin
either reads, or hands what was typed to a service in ``create`` and ``update``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import display
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from tenants.admin import facts, headers, searching
from tenants.admin.paging import ListOfPages, PagesOfKeys
from tenants.errors import Refused
from tenants.models import User
from tenants.services.actors import Actor

if TYPE_CHECKING:  # unfold is untyped; its classes keep to Django's interfaces
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin import TabularInline as TabularInline
    from django.forms import CheckboxInput
    from django.forms import ModelForm as ModelForm

    checkbox = CheckboxInput()
else:
    from unfold.admin import ModelAdmin, checkbox
    from unfold.admin import TabularInline as UnfoldTabularInline

    class UnfoldModelAdmin(ModelAdmin):
        """unfold's, which can be written with its model in brackets."""

        def __class_getitem__(cls, _: object) -> type:
            return cls

    class TabularInline(UnfoldTabularInline):
        """unfold's, which can be written with its models in brackets."""

        def __class_getitem__(cls, _: object) -> type:
            return cls

    class ModelForm(forms.ModelForm):
        """Django's, which can be written with its model in brackets."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


M = TypeVar("M", bound=models.Model)
P = TypeVar("P", bound=models.Model)


def actor(request: HttpRequest) -> Actor:
    """Whoever is logged in, as the author of a change."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("The admin is only for people who are logged in.")
    return Actor.of(user)


def show_refused(request: HttpRequest, refused: Refused) -> None:
    """Say in the page's messages why nothing was changed."""
    messages.error(request, refused.message)


headers.build_once()
facts.compute_once()

_CHOOSE = getattr(UnfoldModelAdmin.action_checkbox, "short_description", "")
_KEY = "berth-key"  # stands where a row's own goes


@cache
def _box() -> str:
    """What stands before a row, to choose it."""
    return str(checkbox.render(ACTION_CHECKBOX_NAME, _KEY))


class StaffAdmin(UnfoldModelAdmin[M]):
    """Nothing is deleted here and Django keeps no log of its own; “History” is the audit log."""

    has_history = True  # whether the audit log speaks of such objects
    list_per_page = 25
    list_filter_submit = True
    show_full_result_count = False
    paginator = PagesOfKeys
    compressed_fields = True

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Never: what can end, ends through a service."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ListOfPages]:
        """One whose pages are read alike."""
        return ListOfPages

    @display(description=_CHOOSE)
    def action_checkbox(self, obj: M) -> SafeString:
        """Unfold's: drawn once and not for each row, as these took longer than all else in it."""
        return mark_safe(_box().replace(_KEY, escape(obj.pk)))  # noqa: S308 (escaped)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[M], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        """Those that have the words; none of them twice."""
        fields = self.get_search_fields(request)
        if not fields or not search_term:
            return queryset, False
        return searching.search(queryset, fields, search_term), False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without “delete selected”, which would go past the services."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit log of this one object."""
        query = urlencode({"object_type": self.opts.model_name, "object_id": unquote(object_id)})
        return HttpResponseRedirect(f"{reverse('admin:tenants_auditevent_changelist')}?{query}")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With “History” for those who may read the audit log, where there can be any."""
        shown = self.has_history and request.user.has_perm("tenants.view_auditevent")
        context = {"show_history": shown, **(extra_context or {})}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return response

    def log_addition(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """The service has told the audit log."""

    def log_change(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """The service has told the audit log."""


class ReadOnlyAdmin(StaffAdmin[M]):
    """A page to look at, for superusers too."""

    has_history = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Never."""
        return False


_FOUND = "_berth_found"  # the object of a page, and what it was asked for by


class PageAdmin(StaffAdmin[M]):
    """An object's page shows more than its fields: what ``page`` gives goes to its template."""

    def page(self, obj: M, request: HttpRequest) -> dict[str, Any]:
        """What the template is given besides."""
        raise NotImplementedError

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        """Read once for a page, though Django asks for it again."""
        found: tuple[str, M | None] | None = getattr(request, _FOUND, None)
        if found is None or found[0] != object_id:
            return super().get_object(request, object_id, from_field)
        return found[1]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The object's page."""
        obj = self.get_object(request, object_id)
        if request.method == "GET":
            setattr(request, _FOUND, (object_id, obj))
        page = self.page(obj, request) if obj else {}
        return super().change_view(request, object_id, form_url, {**page, **(extra_context or {})})


class ReadOnlyPageAdmin(PageAdmin[M], ReadOnlyAdmin[M]):
    """A page to look at that its template draws whole, without a form."""

    def get_fieldsets(self, request: HttpRequest, obj: M | None = None) -> Any:
        """None."""
        return ()


class ServiceAdmin(StaffAdmin[M]):
    """A form whose content goes to a service. What the service refuses stands at its field."""

    actions_submit_line = ()

    def create(self, *, form: forms.ModelForm[M], actor: Actor) -> M:
        """Call the service that makes one."""
        raise NotImplementedError

    def update(self, *, obj: M, form: forms.ModelForm[M], actor: Actor) -> None:
        """Call the service that changes it, with ``form.cleaned_data``."""
        raise NotImplementedError

    def save_model(
        self, request: HttpRequest, obj: M, form: forms.ModelForm[M], change: bool
    ) -> None:
        """Let the service write; on adding, ``obj`` becomes what it made."""
        if change:
            self.update(obj=obj, form=form, actor=actor(request))
            return
        created = self.create(form=form, actor=actor(request))
        vars(obj).update(vars(created))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Inlines only: many-to-many fields go through the service as well."""
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form again, as it was typed, where the service refuses."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:  # Django has rolled its transaction back
            setattr(request, _REFUSED, refused)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[M]]:
        """The form, which says what the service refused if it did."""
        form = super().get_form(request, obj, change=change, **kwargs)
        refused: Refused | None = getattr(request, _REFUSED, None)
        return _refusing(form, refused) if refused else form


_REFUSED = "_berth_refused"


def _refusing(form: type[forms.ModelForm[M]], refused: Refused) -> type[forms.ModelForm[M]]:
    """A form that is never valid, since the service said no to what it holds."""

    class RefusedForm(form):  # type: ignore[valid-type,misc]  # a base made at run time
        def _post_clean(self) -> None:
            super()._post_clean()
            field = refused.field if refused.field in self.fields else None
            self.add_error(field, refused.message)

    return RefusedForm
