"""Ordering an instance: app, plan and name."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from hosting import hooks
from hosting.catalog.schema import App
from hosting.models import Plan
from hosting.selectors import offers
from hosting.services import instances
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@client_view(Permission.ORDER_INSTANCE)
def order(request: ClientRequest) -> HttpResponse:
    """The form; sent twice under one key (its own, or ``Idempotency-Key``) it orders once."""
    if request.method != "POST":
        return _form(request, request.GET.get("app", ""), request.GET.get("plan", ""))
    app, plan, name = (request.POST.get(each, "").strip() for each in ("app", "plan", "name"))
    try:
        _check_complete(app=app, plan=plan, name=name)
        instance = instances.order(
            client=request.client,
            app=app,
            plan=plan,
            name=name,
            actor=request.actor,
            order_key=request.headers.get("Idempotency-Key") or request.POST.get("order_key"),
        )
    except Refused as refusal:
        return _form(request, app, plan, name=name, refusal=refusal)
    return redirect("instance", client=request.client.slug, name=instance.name)


@require_safe
@client_view(Permission.ORDER_INSTANCE)
def plans(request: ClientRequest) -> HttpResponse:
    """The plans again, for another app."""
    context = _choices(request, request.GET.get("app", ""), request.GET.get("plan", ""))
    return render_page(request, "hosting/order.html#plans", context)


@require_safe
@client_view(Permission.ORDER_INSTANCE)
def name(request: ClientRequest) -> HttpResponse:
    """What a name would lead to, or why it can't be."""
    typed = request.GET.get("name", "").strip()
    context = {
        "name": typed,
        "suffix": _suffix(request),
        "name_error": offers.name_problem(request.client, typed) if typed else "",
    }
    return render_page(request, "hosting/order.html#name_feedback", context)


def _form(
    request: ClientRequest, app: str, plan: str, *, name: str = "", refusal: Refused | None = None
) -> HttpResponse:
    """The form with what was typed, and what is wrong where it is wrong."""
    context = {
        "section": "instances",
        "order_key": uuid.uuid4(),
        "name": name,
        "suffix": _suffix(request),
        **_choices(request, app, plan),
        **_errors(refusal),
    }
    return render_page(request, "hosting/order.html", context, status=422 if refusal else 200)


def _choices(request: ClientRequest, app: str, plan: str) -> dict[str, Any]:
    """What can be chosen; where nothing is chosen yet, the first that can be."""
    apps = offers.app_offers()
    on_offer = offers.plans_on_offer()
    chosen = _chosen_app([each.app for each in apps if not each.unavailable], app, on_offer)
    plans = offers.plan_offers(on_offer, chosen)
    fitting = [each.plan.slug for each in plans if not each.too_small]
    return {
        "apps": apps,
        "plans": plans,
        "notes": hooks.plan_notes(client=request.client, plans=on_offer, now=timezone.now()),
        "chosen_app": chosen.slug if chosen else "",
        "chosen_plan": plan if plan in fitting else next(iter(fitting), ""),
    }


def _chosen_app(apps: Sequence[App], wanted: str, plans: Sequence[Plan]) -> App | None:
    """The wanted app; else the first that some plan is large enough for, else the first."""
    for each in apps:
        if each.slug == wanted:
            return each
    for each in apps:
        if any(not offer.too_small for offer in offers.plan_offers(plans, each)):
            return each
    return next(iter(apps), None)


def _check_complete(**fields: str) -> None:
    """Refuse what was left empty, in the words of a form."""
    words = {"app": "Choose an app.", "plan": "Choose a plan.", "name": "Give it a name."}
    for field, value in fields.items():
        if not value:
            raise Refused(words[field], field=field)


def _errors(refusal: Refused | None) -> dict[str, str]:
    if refusal is None:
        return {}
    field = refusal.field if refusal.field in ("app", "plan", "name") else "form"
    return {f"{field}_error": refusal.message}


def _suffix(request: ClientRequest) -> str:
    return f".{request.client.slug}.{settings.BERTH_DOMAIN}"
