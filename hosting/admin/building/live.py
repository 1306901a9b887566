"""Pages in the admin that renew a part of themselves while they are open."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path

from tenants.admin.base import ReadOnlyPageAdmin

M = TypeVar("M", bound=Model)


class LiveAdmin(ReadOnlyPageAdmin[M]):
    """The part that renews itself is ``live.html``, beside the template of the whole page."""

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """What the page shows, as of now; a 404 where there is no such object."""
        raise NotImplementedError

    def page(self, obj: M, request: HttpRequest) -> dict[str, Any]:
        """The same at first as later."""
        return self.live(obj.pk, request)

    def get_urls(self) -> list[URLPattern]:
        """With the part that renews itself."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_live"
        view = self.admin_site.admin_view(self.live_view)
        return [path("<uuid:pk>/live/", view, name=name), *super().get_urls()]

    def live_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """That part, for the page that is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        template = f"admin/{self.opts.app_label}/{self.opts.model_name}/live.html"
        return render(request, template, self.live(pk, request))
