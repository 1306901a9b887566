"""Handing a mail to the mail server: to whom it goes, and what was in the way."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from billing.models import BillingProfile
from tenants.models import Client, Member, Role

logger = logging.getLogger(__name__)

AWAY = timedelta(minutes=5)
AGAIN_AFTER = (  # what is refused is tried again after so long each, and then no more
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
)
NO_ADDRESS = "Nobody has an address for it: enter one in the client's billing details."


@dataclass(frozen=True, slots=True)
class Answer:
    """``problem`` is why it was not taken, or empty; ``is_away`` that no mail would be now."""

    problem: str = ""
    is_away: bool = False


def again_at(answer: Answer, *, failures: int, now: datetime) -> datetime | None:
    """When a mail is tried again that failed so often before; None where a person has to act."""
    if answer.is_away:
        return now + AWAY
    waits = AGAIN_AFTER[failures:]
    return now + waits[0] if waits else None


def recipients_of(client: Client) -> Sequence[str]:
    """The address of its billing details, else those of its owners and billing members."""
    profile = BillingProfile.objects.filter(client=client).first()
    if profile is not None and profile.email:
        return (profile.email,)
    members = Member.objects.filter(
        client=client, role__in=(Role.OWNER, Role.BILLING), user__is_active=True
    )
    return tuple(members.order_by("user__email").values_list("user__email", flat=True))


def post(mail: EmailMessage, *, about: object) -> Answer:
    """Send it. The server answers for this mail alone, or is away for every one."""
    try:
        mail.send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        logger.warning("the mail about %s was refused: %s", about, error)
        return Answer(f"The mail server refuses it: {_said(error)}"[:300])
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("the mail about %s could not be sent: %s", about, error)
        return Answer(f"The mail server did not take it ({type(error).__name__}).", is_away=True)
    return Answer()


def post_each(
    waiting: Iterable[UUID], send: Callable[[UUID, BaseEmailBackend], Answer | None]
) -> int:
    """Send what waits, all by one connection; how many went out.

    ``send`` gives None where there was nothing to send. The first that finds the server away ends
    the round.
    """
    sent, connection = 0, get_connection()
    try:
        for pk in waiting:
            answer = send(pk, connection)
            if answer is None:
                continue
            if answer.is_away:
                break
            sent += not answer.problem
    finally:
        connection.close()
    return sent


def _said(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> str:
    """The server's own words."""
    if isinstance(error, smtplib.SMTPDataError):
        return _words(error.smtp_code, error.smtp_error)
    answers = [f"{to}: {_words(*answer)}" for to, answer in error.recipients.items()]
    return "; ".join(answers)


def _words(code: int, text: bytes | str) -> str:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"
