"""Where a visit begins: the client last seen, a choice of clients, or what to do without one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from tenants.selectors import clients
from tenants.views.access import redirect_slug


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Go on where one was, or choose."""
    known = list(clients.for_user(request.user))
    slug = None if "choose" in request.GET else redirect_slug(request, known)
    if slug:
        return redirect("instances", client=slug)
    return render(request, "tenants/home.html", {"clients": known})
