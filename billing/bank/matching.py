"""Whose money a line may be: rules over plain values, from the surest to a bare guess."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Certainty(StrEnum):
    """How far a proposal can be trusted; a person confirms all of them."""

    SURE = "sure"
    GUESS = "guess"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Money that came in, with what the bank tells of it."""

    amount: Decimal
    currency: str
    name: str = ""
    iban: str = ""
    text: str = ""
    creditor_reference: str = ""


@dataclass(frozen=True, slots=True)
class Owed:
    """An issued invoice with what is open of it, which may be nothing."""

    number: str
    client: str
    buyer: str
    currency: str
    open: Decimal
    due_on: date


@dataclass(frozen=True, slots=True)
class Proposal:
    """How much goes to which invoice (by number), what is left for the client's credit, and why."""

    certainty: Certainty
    why: str
    client: str = ""
    shares: tuple[tuple[str, Decimal], ...] = ()
    surplus: Decimal = Decimal(0)


def numbers_in(arrival: Arrival, series: Collection[str]) -> frozenset[str]:
    """Invoice numbers that stand in what was written with the payment.

    Spaces and hyphens may be missing, zeros too, and banks break lines anywhere; the letters of a
    series and the last digits have to be there. A creditor reference ends with the number.
    """
    if not series:
        return frozenset()
    known = {_tight(each): each for each in series}
    either = "|".join(sorted((r"[\W_]*".join(each) for each in known), key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Z])({either})[\W_]*(\d{{1,18}})(?!\d)")
    texts = [arrival.text.upper(), f"{arrival.creditor_reference[4:].upper()} "]
    found = [hit for text in texts for hit in pattern.findall(text)]
    if not found:
        found = pattern.findall("".join(texts[0].split()))
    return frozenset(f"{known[_tight(name)]}-{int(digits):06d}" for name, digits in found)


def propose(
    arrival: Arrival,
    *,
    owed: Iterable[Owed],
    series: Collection[str],
    known_ibans: Mapping[str, str],
) -> Proposal:
    """The best that the rules know. ``known_ibans`` says which client paid from where before."""
    invoices = {each.number: each for each in owed}
    named = [invoices[n] for n in sorted(numbers_in(arrival, series)) if n in invoices]
    if named:
        return _by_number(arrival, named, known_ibans)
    fitting = [each for each in invoices.values() if each.currency == arrival.currency]
    fitting = [each for each in fitting if each.open > 0]
    client = known_ibans.get(arrival.iban, "") if arrival.iban else ""
    if client:
        return _by_client(arrival, [each for each in fitting if each.client == client], client)
    by_name = [each for each in fitting if _is_same_name(each.buyer, arrival.name)]
    if len({each.client for each in by_name}) == 1:
        return _by_amount(arrival, by_name, f"The payer has the name of {by_name[0].buyer}")
    return _by_amount(arrival, fitting, "Nothing but the amount fits")


def _by_number(arrival: Arrival, named: Sequence[Owed], known: Mapping[str, str]) -> Proposal:
    wrong = next((each for each in named if each.currency != arrival.currency), None)
    if wrong is not None:
        return _nothing(f"{wrong.number} is in {wrong.currency}, this is {arrival.currency}.")
    if len({each.client for each in named}) > 1:
        return _nothing("It names invoices of several clients.")
    client = named[0].client
    total = sum((each.open for each in named), Decimal(0))
    numbers = _said([each.number for each in named])
    other = known.get(arrival.iban, client) if arrival.iban else client
    if other != client:
        why = f"It names {numbers}, but came from an account that another client pays from."
        return _spread(arrival, named, client, Certainty.GUESS, why)
    if arrival.amount == total:
        why = f"It names {numbers}, and the amount is what is open."
        return _spread(arrival, named, client, Certainty.SURE, why)
    if not total:
        why = f"It names {numbers}, of which nothing is open."
    elif arrival.amount < total:
        why = f"It names {numbers}, and is less than what is open."
    else:
        why = f"It names {numbers}, and is more than what is open."
    return _spread(arrival, named, client, Certainty.GUESS, why)


def _by_client(arrival: Arrival, owed: Sequence[Owed], client: str) -> Proposal:
    """The account is known. One invoice of that amount, or all that is open; else the oldest."""
    exact = [each for each in owed if each.open == arrival.amount]
    paid_before = "The client has paid from this account before"
    if len(exact) == 1:
        why = f"{paid_before}, and the amount is that of one open invoice."
        return _spread(arrival, exact, client, Certainty.GUESS, why)
    if not owed:
        return _spread(arrival, [], client, Certainty.GUESS, f"{paid_before}; nothing is open.")
    why = f"{paid_before}; the oldest invoices come first."
    return _spread(arrival, owed, client, Certainty.GUESS, why)


def _by_amount(arrival: Arrival, owed: Sequence[Owed], why: str) -> Proposal:
    exact = [each for each in owed if each.open == arrival.amount]
    if len(exact) != 1:
        return _nothing("Nothing in it leads to an invoice.")
    why = f"{why}; the amount is that of {exact[0].number}."
    return _spread(arrival, exact, exact[0].client, Certainty.GUESS, why)


def _spread(
    arrival: Arrival, owed: Sequence[Owed], client: str, certainty: Certainty, why: str
) -> Proposal:
    """The money over invoices, the one that was due first before the others."""
    left = arrival.amount
    shares = []
    for each in sorted(owed, key=lambda each: (each.due_on, each.number)):
        share = min(left, each.open)
        if share > 0:
            shares.append((each.number, share))
            left -= share
    return Proposal(certainty, why, client, tuple(shares), left)


def _nothing(why: str) -> Proposal:
    return Proposal(Certainty.NONE, why)


def _is_same_name(buyer: str, payer: str) -> bool:
    return bool(_tight(buyer)) and _tight(buyer) == _tight(payer)


def _tight(text: str) -> str:
    return "".join(sign for sign in text.upper() if sign.isalnum())


def _said(numbers: Sequence[str]) -> str:
    if len(numbers) <= 1:
        return "".join(numbers)
    return f"{', '.join(numbers[:-1])} and {numbers[-1]}"
