"""Paying online: to the payment service's page and back, and what it tells us."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from billing.gateway.base import Forged
from billing.models import Invoice
from billing.selectors import invoices as reading
from billing.services.paying import online_events, online_gateway, online_pages
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view, render_page


@require_POST
@client_view(Permission.VIEW_BILLING)
def pay(request: ClientRequest, number: str) -> HttpResponse:
    """To a page of the payment service's for all that is open.

    A redirect that answers a form would have to be allowed by the page's policy: a script follows
    the address, and without one a page leads there.
    """
    gateway = online_gateway.configured()
    try:
        invoice = reading.get(request.client, number)
    except Invoice.DoesNotExist as error:
        raise Http404("There is no such invoice.") from error
    if gateway is None:
        raise Http404("Nobody takes payments online.")
    here = reverse("invoice", kwargs={"client": request.client.slug, "number": number})
    try:
        address = online_pages.open_page(
            invoice=invoice,
            gateway=gateway,
            email=request.user.email,
            paid_url=f"{settings.BERTH_URL}{here}?paid=1",
            back_url=f"{settings.BERTH_URL}{here}",
            actor=request.actor,
            now=timezone.now(),
        )
    except Refused as refused:
        messages.error(request, refused.message)
        return HttpResponseClientRedirect(here) if request.htmx else HttpResponseRedirect(here)
    if request.htmx:
        return HttpResponseClientRedirect(address)
    context = {"section": "invoices", "invoice": invoice, "address": address}
    return render_page(request, "billing/pay.html", context)


@csrf_exempt
@require_POST
def stripe_events(request: HttpRequest) -> HttpResponse:
    """A message of Stripe's: kept if it is signed, and worked off by a worker."""
    gateway = online_gateway.configured()
    if gateway is None:
        raise Http404("Nobody takes payments online.")
    try:
        event = gateway.event(
            body=request.body, signature=request.headers.get("Stripe-Signature", "")
        )
    except Forged as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    online_events.keep(event=event, now=timezone.now())
    online_events.ring()
    return HttpResponse(status=200)
