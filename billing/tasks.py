"""What Celery is told: all ask the database what is due, so they may run twice, late or never."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from billing.services import client_budgets, vat_checks
from billing.services.delivering import exports, invoice_files, invoice_mails
from billing.services.invoicing import requested_runs, runs
from billing.services.paying import (
    dunning,
    dunning_letters,
    online_events,
    online_gateway,
    settlements,
)
from billing.vies import Vies
from hosting.services.working import chores

EVERY = timedelta(minutes=10)
MAKE_FILES = timedelta(minutes=1)
MAIL = timedelta(minutes=1)
DUN = timedelta(minutes=5)
FORGET_EXPORTS = timedelta(hours=1)


@shared_task(name="billing.tasks.bill")
def bill() -> None:
    """A round of billing, if nobody has just done one."""
    chores.run_if_due(name="bill", every=EVERY, work=_bill)


@shared_task(name=requested_runs.TASK)
def bill_requested() -> None:
    """The round of billing that a person asked for, if there is one and nobody works on it."""
    requested_runs.work(now=timezone.now())


@shared_task(name=exports.TASK)
def make_exports() -> None:
    """The files that were asked for and nobody makes, one after the other."""
    chores.run_if_due(name="forget-exports", every=FORGET_EXPORTS, work=_forget_exports)
    while exports.work(now=timezone.now()):
        pass


@shared_task(name="billing.tasks.dun")
def dun() -> None:
    """Remind of what is overdue, suspend for it and give back, if nobody has just done so."""
    chores.run_if_due(name="dun", every=DUN, work=_dun)


@shared_task(name=settlements.TASK)
def give_back_paid() -> None:
    """Give back what was suspended for an invoice that has just been paid, and say so."""
    now = timezone.now()
    try:
        dunning.give_back_paid(now=now)
    finally:
        dunning_letters.send_due(now=now)


@shared_task(name=online_events.TASK)
def work_off_online() -> None:
    """Look at what the payment service has told of, and do what was asked of it."""
    gateway = online_gateway.configured()
    if gateway is not None:
        online_events.work_off(gateway=gateway, now=timezone.now())


@shared_task(name="billing.tasks.check_vat_numbers")
def check_vat_numbers() -> None:
    """Have VAT numbers confirmed, if nobody has just done so."""
    chores.run_if_due(name="check-vat-numbers", every=EVERY, work=_check_vat_numbers)


@shared_task(name="billing.tasks.watch_budgets")
def watch_budgets() -> None:
    """Tell clients what they have spent of their budgets, if nobody has just done so."""
    chores.run_if_due(name="watch-budgets", every=EVERY, work=_watch_budgets)


@shared_task(name="billing.tasks.make_files")
def make_files() -> None:
    """Make the files of what was issued, if nobody has just done so."""
    chores.run_if_due(name="make-invoice-files", every=MAKE_FILES, work=_make_files)


@shared_task(name="billing.tasks.mail_invoices")
def mail_invoices() -> None:
    """Mail what was issued and has its files, if nobody has just done so."""
    chores.run_if_due(name="mail-invoices", every=MAIL, work=_mail_invoices)


def _bill() -> None:
    runs.bill_due(now=timezone.now())


def _dun() -> None:
    now = timezone.now()
    try:
        dunning.advance(now=now)
    finally:  # one client that fails keeps no letter waiting
        dunning_letters.send_due(now=now)


def _check_vat_numbers() -> None:
    vat_checks.check_pending(register=Vies(), now=timezone.now())


def _forget_exports() -> None:
    exports.forget_old(now=timezone.now())


def _watch_budgets() -> None:
    client_budgets.tell_due(now=timezone.now())


def _make_files() -> None:
    invoice_files.make_missing(now=timezone.now())


def _mail_invoices() -> None:
    invoice_mails.send_due(now=timezone.now())
