"""Having VAT numbers confirmed: pending ones are asked for until there is an answer."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db.models import Q

from billing.models import BillingProfile
from billing.services import profiles
from billing.vies import Register, Unreachable
from tenants.services.actors import Actor

logger = logging.getLogger(__name__)

ACTOR = Actor.system("VAT register")
AGAIN_AFTER = timedelta(hours=1)
AT_MOST = 20


def check_pending(*, register: Register, now: datetime) -> int:
    """Ask for the numbers that are not confirmed; how many were answered.

    One that can't be answered stays as it is, and is asked for again after an hour.
    """
    rested = Q(vat_asked_at=None) | Q(vat_asked_at__lte=now - AGAIN_AFTER)
    pending = BillingProfile.objects.filter(rested, vat_state=BillingProfile.VatState.PENDING)
    answered = 0
    for profile in pending.order_by("vat_asked_at", "pk")[:AT_MOST]:
        number = profile.vat_number
        try:
            answer = register.ask(number)
        except Unreachable as error:
            logger.warning("%s could not be confirmed: %s", number, error)
            BillingProfile.objects.filter(pk=profile.pk, vat_number=number).update(vat_asked_at=now)
            continue
        answered += profiles.record_answer(
            profile=profile,
            number=number,
            is_valid=answer.is_valid,
            evidence=asdict(answer),
            actor=ACTOR,
            now=now,
        )
    return answered
