"""A line of an account, whichever file it came from, and by what it is known again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal


class Unreadable(Exception):
    """A file that is no statement, or a broken one; one sentence, and the field it is about."""

    def __init__(self, sentence: str, *, field: str = "file") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


@dataclass(frozen=True, slots=True)
class Entry:
    """Money that came in (positive) or went out, as the bank booked it.

    ``key`` is the same whenever the line is read again, and unique on its account.
    """

    account: str
    booked_on: date
    amount: Decimal
    currency: str
    name: str = ""
    iban: str = ""
    text: str = ""
    creditor_reference: str = ""
    end_to_end: str = ""
    bank_reference: str = ""
    charges: Decimal = Decimal(0)
    is_return: bool = False
    key: str = ""


def with_keys(entries: Iterable[Entry]) -> Sequence[Entry]:
    """The lines in their order, each with its key.

    The bank's own reference tells lines apart where there is one; some banks give the same to
    several, so the amount and the day belong to it. Where there is none it is the whole content.
    Lines that are alike to the last letter are counted, so that two payments stay two: a file holds
    whole days.
    """
    seen: Counter[str] = Counter()
    found = []
    for entry in entries:
        content = _content(entry)
        seen[content] += 1
        text = f"{content}\x1f{seen[content]}"
        found.append(replace(entry, key=hashlib.sha256(text.encode()).hexdigest()))
    return found


def _content(entry: Entry) -> str:
    amount = f"{entry.amount.normalize():f}"
    same = (entry.account, entry.booked_on.isoformat(), amount, entry.currency)
    if entry.bank_reference:
        return "\x1f".join((*same, "reference", entry.bank_reference, entry.end_to_end))
    about = (entry.name, entry.iban, entry.text, entry.creditor_reference, entry.end_to_end)
    return "\x1f".join((*same, "content", *about))
