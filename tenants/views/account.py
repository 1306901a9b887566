"""How people get an account, not by themselves, and what they may change of it: the password."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tenants import request_context
from tenants.models import User
from tenants.services import users
from tenants.services.actors import Actor

NO_ADDRESS = "socket"  # whoever comes through the server's own socket and says nothing of himself


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Accounts are made by staff and by invitation only; what changes goes through services."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom the throttle counts: the address that the audit log would name.

        allauth's own would count everybody behind a proxy as one, and refuse whoever comes through
        a socket.
        """
        return request_context.current().address or NO_ADDRESS

    def set_password(self, user: User, password: str) -> None:
        """Changed by whoever is logged in, or reset through a link that was mailed."""
        users.set_password(user=user, password=password, actor=Actor.of(user))
        user.refresh_from_db(fields=["password"])  # this session goes on under the new password


@require_safe
@login_required
def address(request: HttpRequest) -> HttpResponse:
    """The address that one logs in with, to look at.

    In place of allauth's page, where anybody could take an address that nobody has yet, and with it
    the membership that is meant for its owner.
    """
    return render(request, "account/email.html")
