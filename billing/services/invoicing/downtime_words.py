"""A credit for downtime that was opened, in words: for clients' pages and the admin alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing import currencies
from billing.models import InvoiceLine
from billing.services.charge_words import plain
from billing.services.invoicing import explaining_downtime
from billing.services.invoicing.explaining_downtime import Given
from hosting.selectors.watching import health


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on the page. ``wrong`` is what does not fit, sentence by sentence.

    ``known_now`` is what is known of the month by now, empty where that is the same. ``days`` are
    those with downtime, each with how long it was down of how long that is known.
    """

    month: date
    percent: str
    down: timedelta
    known: timedelta
    available: str
    charges: Sequence[tuple[str, str]]
    charged: str
    again: str
    billed: str
    wrong: Sequence[str]
    known_now: str
    days: Sequence[tuple[date, timedelta, timedelta]]


def told(line: InvoiceLine) -> Told:
    """Open it, and compute it once more. ``Refused`` where it is no credit for downtime."""
    found = explaining_downtime.explain(line)
    currency = line.invoice.currency
    charged, again, net = (
        currencies.said(each, currency) for each in (found.charged, found.again, line.net)
    )
    return Told(
        month=found.month,
        percent=plain(found.percent),
        down=timedelta(seconds=found.down_seconds),
        known=timedelta(seconds=found.known_seconds),
        available=_available(found.known_seconds, found.down_seconds),
        charges=[(name, currencies.said(amount, currency)) for name, amount in found.charges],
        charged=charged,
        again=f"{charged} × {plain(found.percent)} % = {again}",
        billed=net,
        wrong=() if found.fits else [_WRONG],
        known_now=_now(found),
        days=[
            (
                each.day,
                timedelta(seconds=each.stretch.down_seconds),
                timedelta(seconds=each.stretch.known_seconds),
            )
            for each in found.days
        ],
    )


_WRONG = "The share of what was charged for the month is not the amount on the invoice."


def _now(found: Given) -> str:
    """What is known now in one sentence."""
    if found.is_current:
        return ""
    share = _available(found.now.known_seconds, found.now.down_seconds)
    return f"By what is known now its availability was {share}."


def _available(known: int, down: int) -> str:
    """In per cent with three places, rounded down as hosting shows it."""
    share = health.uptime(known_seconds=known, down_seconds=down)
    return "unknown" if share is None else f"{share} %"
