"""Which client a page is for, and whether the one who asks may see or do what it is about."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRefresh, reswap
from django_htmx.middleware import HtmxDetails

from tenants import permissions
from tenants.models import Client, Role, User
from tenants.permissions import Permission
from tenants.selectors import clients
from tenants.services.actors import Actor

P = ParamSpec("P")
LAST_CLIENT = "last_client"  # in the session: where the next visit goes


class HtmxRequest(HttpRequest):
    """A request as django_htmx's middleware leaves it."""

    htmx: HtmxDetails


class ClientRequest(HtmxRequest):
    """A request of a member about a client, as :func:`enter` leaves it."""

    user: User
    client: Client
    role: Role
    actor: Actor
    may: Callable[[Permission], bool]  # whether the role is enough at this client


View = Callable[Concatenate[ClientRequest, P], HttpResponseBase]


def client_view(permission: Permission) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """A view of one client's: logged in, a member, and allowed; times are in the client's zone.

    The address names the client by its slug, as ``client``. Others' clients are a 404; what the
    role does not allow is a 403 with one sentence.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def wrapped(
            request: HtmxRequest, client: str, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return ask_to_log_in(request)
            try:
                entered = enter(request, client, permission)
            except PermissionDenied as refusal:
                return forbidden(request, str(refusal))
            with timezone.override(zoneinfo.ZoneInfo(entered.client.timezone)):
                response = view(entered, *args, **kwargs)
            add_never_cache_headers(response)  # no client's page stays in a shared computer
            return response

        return wrapped

    return decorate


def enter(visit: HtmxRequest, slug: str, permission: Permission) -> ClientRequest:
    """The request with its client and role in it. Raises Http404 or PermissionDenied."""
    request = cast(ClientRequest, visit)
    try:
        request.client = clients.get_for_user(request.user, slug)
    except Client.DoesNotExist as error:
        raise Http404("There is no such client.") from error
    permissions.require(request.user, request.client, permission)
    role = permissions.role_of(request.user, request.client)
    if role is None:  # the membership ended between the two questions
        raise Http404("There is no such client.")
    request.role = role
    request.actor = Actor.of(request.user)
    request.may = functools.partial(permissions.allows, role, request.client)
    if request.session.get(LAST_CLIENT) != slug:
        request.session[LAST_CLIENT] = slug
    return request


def ask_to_log_in(request: HtmxRequest) -> HttpResponse:
    """The log-in page, as a whole page even where only a part of one was asked for."""
    if request.htmx:
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())


def forbidden(request: HtmxRequest, sentence: str) -> HttpResponse:
    """A 403: a page, or a message where only a part of a page was asked for."""
    if not request.htmx:
        return render(request, "403.html", {"exception": sentence}, status=403)
    messages.error(request, sentence)
    response = render(request, "components/messages.html", {"as_part": True}, status=403)
    return reswap(response, "none")


def render_page(
    request: ClientRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page of the client's with what the frame around it shows."""
    frame = {
        "client": request.client,
        "role": request.role,
        "clients": clients.for_user(request.user),
        "may_order": request.may(Permission.ORDER_INSTANCE),
        "may_manage_channels": request.may(Permission.MANAGE_CHANNELS),
        "may_see_audit": request.may(Permission.VIEW_AUDIT),
        "may_see_billing": request.may(Permission.VIEW_BILLING),
    }
    return render(request, template, {**frame, **context}, status=status)


def redirect_slug(request: HttpRequest, known: Iterable[Client]) -> str | None:
    """Where a visit without an address goes: the last client, or the only one."""
    slugs = [each.slug for each in known]
    last = request.session.get(LAST_CLIENT)
    if last in slugs:
        return str(last)
    return slugs[0] if len(slugs) == 1 else None
