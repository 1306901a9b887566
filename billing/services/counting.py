"""What is to be done each time that usage was summed up: price it, hold to budgets, and bill."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from billing.services import budgets, costs, runs, vat_checks
from billing.vies import Vies
from hosting.services import chores

logger = logging.getLogger(__name__)

BILL = timedelta(minutes=10)
CHECK_NUMBERS = timedelta(minutes=10)


def after_usage(*, now: datetime) -> None:
    """Registered with hosting, which knows no money."""
    costs.price_new()
    budgets.hold_to(now=now)
    _do_if_due()


def _do_if_due() -> None:
    """What fails is kept with its chore, and tried again; it keeps nobody from counting usage."""
    for name, (every, work) in CHORES.items():
        try:
            chores.run_if_due(name=name, every=every, work=work)
        except Exception:
            logger.exception("the chore %s failed; it is tried again soon", name)


def _bill() -> None:
    runs.bill_due(now=timezone.now())


def _check_numbers() -> None:
    vat_checks.check_pending(register=Vies(), now=timezone.now())


CHORES = {
    "check-vat-numbers": (CHECK_NUMBERS, _check_numbers),
    "bill": (BILL, _bill),
}
