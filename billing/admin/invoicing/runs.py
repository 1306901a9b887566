"""Billing runs in the admin: what the next one would come to, asking for one, and watching it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from billing.admin import preview
from billing.currencies import said
from billing.models import BillingRun
from billing.services.invoicing import requested_runs
from hosting.admin.building.live import LiveAdmin
from hosting.admin.building.tables import Column, Table, link
from tenants.admin.base import actor, show_refused
from tenants.display import badge, moment, span
from tenants.errors import Refused


@admin.register(BillingRun)
class BillingRunAdmin(LiveAdmin[BillingRun]):
    """What each round of billing came to, while it goes on too."""

    has_history = True
    list_display = ("began", "ended", "drafted", "issued", "refused", "amounts", "author")

    def live(self, pk: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
        """The run as it stands."""
        return _as_of_now(get_object_or_404(BillingRun, pk=pk))

    def get_urls(self) -> list[URLPattern]:
        """With what the next one would come to, and asking for it."""
        of = self.admin_site.admin_view
        own = [
            path("preview/", of(preview.view), name="billing_billingrun_preview"),
            path("run/", of(self.run), name="billing_billingrun_run"),
        ]
        return [*own, *super().get_urls()]

    def run(self, request: HttpRequest) -> HttpResponse:
        """Bill now what is due; where a run that was asked for goes on, that is the one."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("billing.add_billingrun"):
            raise PermissionDenied
        try:
            run, is_new = requested_runs.request(actor=actor(request), now=timezone.now())
        except Refused as refused:
            show_refused(request, refused)
            return redirect("admin:billing_billingrun_preview")
        if not is_new:
            messages.info(request, "A run was asked for already, and goes on: this is it.")
        return redirect("admin:billing_billingrun_change", run.pk)

    @admin.display(description="Begun", ordering="began_at")
    def began(self, run: BillingRun) -> str:
        """How long ago."""
        return moment(run.began_at)

    @admin.display(description="Ended", ordering="ended_at")
    def ended(self, run: BillingRun) -> SafeString | str:
        """How long ago, or that it goes on or was broken off."""
        return moment(run.ended_at) if run.ended_at and not run.problem else _state(run)

    @admin.display(description="Issued, with VAT")
    def amounts(self, run: BillingRun) -> str:
        """By currency."""
        return ", ".join(_sums(run, "issued")) or "–"

    @admin.display(description="Asked for by", ordering="requested_by_label")
    def author(self, run: BillingRun) -> str:
        """Who, where it did not come by itself."""
        return run.requested_by_label or "–"


def _as_of_now(run: BillingRun) -> dict[str, Any]:
    is_over = run.ended_at is not None
    total = run.done + run.remaining
    return {
        "run": run,
        "badge": _state(run),
        "renews": run.requested_at is not None and not is_over,
        "total": total,
        "percent": 100 if is_over and not run.problem else _percent(run.done, total),
        "took": span((run.ended_at or timezone.now()) - run.began_at),
        "drafted": _sums(run, "drafted"),
        "issued": _sums(run, "issued"),
        "refusals": Table(_REFUSALS, run.refusals, empty="Everybody could be billed.")
        if is_over
        else None,
    }


def _percent(done: int, total: int) -> int:
    return round(100 * done / total) if total else 0


def _state(run: BillingRun) -> SafeString:
    if run.problem:
        return badge("Broken off", "bad")
    if run.ended_at is not None:
        return badge("Ended", "warn" if run.refused else "ok")
    if run.is_waiting:
        return badge("Waits for a worker", "idle")
    if run.requested_at is not None:
        return badge("Running", "busy")
    return badge("Not ended", "warn")


def _sums(run: BillingRun, what: str) -> Sequence[str]:
    return [
        said(Decimal(sums[what]), currency)
        for currency, sums in sorted(run.sums.items())
        if what in sums
    ]


_REFUSALS = (
    Column("Client", lambda row: link(row["name"], "tenants_client_change", row["client"])),
    Column("Reason", lambda row: row["reason"]),
)
