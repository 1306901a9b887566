"""Lines as programs want them that know no base quantity and no allowances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from billing.documents.invoice import Document, DocumentAllowance, Line, Vat
from billing.documents.numbers import decimals, plain, rounded, tidy

MOST_DECIMALS = 4  # of a quantity or price, in Xero as in QuickBooks


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatLine:
    """A line whose quantity x price is its amount, exactly; ``tax`` is its part of the VAT."""

    name: str
    description: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    vat: Vat
    tax: Decimal = Decimal(0)


def flat(document: Document) -> Iterator[FlatLine]:
    """The document's lines, and what is taken off or put on the whole as lines after them.

    Each line's tax is what the VAT's rounded sum grows by with it, so that all of them together are
    the document's VAT, to the cent.
    """
    before: dict[Vat, Decimal] = defaultdict(lambda: Decimal(0))
    for line in _untaxed(document):
        after = before[line.vat] + line.amount
        tax = _tax(after, line.vat, document) - _tax(before[line.vat], line.vat, document)
        before[line.vat] = after
        yield replace(line, tax=tax)


def _tax(basis: Decimal, vat: Vat, document: Document) -> Decimal:
    return rounded(Fraction(basis) * Fraction(vat.rate) / 100, document.exponent)


def _untaxed(document: Document) -> Iterator[FlatLine]:
    for line in document.lines:
        yield _flat(line, document.exponent)
    for allowance in document.allowances:
        yield _of_allowance(allowance)


def _flat(line: Line, exponent: int) -> FlatLine:
    """As it is where that is exact, and else one piece at its net; the text says how it came."""
    text = f"{line.name}: {line.description}" if line.description else line.name
    quantity, price = tidy(line.quantity), tidy(line.price, exponent)
    if not _is_exact(line):
        text = f"{text} ({_made(line)})"
        # What is taken back keeps its sign at the quantity.
        quantity = Decimal(-1 if line.net < 0 else 1)
        price = rounded(abs(line.net), exponent)
    return FlatLine(
        name=line.name,
        description=text,
        quantity=quantity,
        price=price,
        amount=rounded(line.net, exponent),
        vat=line.vat,
    )


def _is_exact(line: Line) -> bool:
    return (
        line.base_quantity == 1
        and line.quantity * line.price == line.net
        and decimals(line.quantity) <= MOST_DECIMALS
    )


def _made(line: Line) -> str:
    made = f"{plain(line.quantity)} at {plain(line.price, 2)}"
    return made if line.base_quantity == 1 else f"{made} for {plain(line.base_quantity)}"


def _of_allowance(allowance: DocumentAllowance) -> FlatLine:
    amount = allowance.amount if allowance.is_charge else -allowance.amount
    return FlatLine(
        name=allowance.reason,
        description=allowance.reason,
        quantity=Decimal(1 if allowance.is_charge else -1),
        price=allowance.amount,
        amount=amount,
        vat=allowance.vat,
    )
