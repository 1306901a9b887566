"""Every sum of a document anew, exactly.

The schematron of EN 16931 lets a VAT pass that is off by up to one unit (BR-S-09 and alike), and
looks at no line. Here a cent is a fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

from billing.documents.invoice import Allowance, Document, Line, Totals, Vat, VatTotal
from billing.documents.numbers import decimals, rounded

ZERO = Decimal(0)


def faults(document: Document) -> tuple[str, ...]:
    """A sentence for each sum that is not what its parts make, and each amount too fine."""
    return (
        *_fine_amounts(document),
        *(fault for line in document.lines for fault in _line(line, document.exponent)),
        *_vat(document),
        *_totals(document),
    )


def net_of(line: Line, exponent: int) -> Decimal:
    """Quantity x price / base quantity, rounded, less allowances, with charges (BT-131)."""
    exact = Fraction(line.quantity) * Fraction(line.price) / Fraction(line.base_quantity)
    return rounded(exact, exponent) + balance(line.allowances)


def vat_of(document: Document) -> dict[Vat, tuple[Decimal, Decimal]]:
    """Basis and amount of each category and rate: rounded once, on the sum of rounded nets."""
    bases: dict[Vat, Decimal] = defaultdict(lambda: ZERO)
    for line in document.lines:
        bases[line.vat] += line.net
    for allowance in document.allowances:
        bases[allowance.vat] += _signed(allowance)
    return {
        vat: (basis, rounded(Fraction(basis) * Fraction(vat.rate) / 100, document.exponent))
        for vat, basis in bases.items()
    }


def totals_of(document: Document) -> Totals:
    """The sums from lines, allowances and the VAT's own totals; ``prepaid`` is taken as it is."""
    lines = _sum(line.net for line in document.lines)
    allowances = _sum(each.amount for each in document.allowances if not each.is_charge)
    charges = _sum(each.amount for each in document.allowances if each.is_charge)
    net = lines - allowances + charges
    vat = _sum(each.amount for each in document.vat)
    return Totals(
        lines=lines,
        allowances=allowances,
        charges=charges,
        net=net,
        vat=vat,
        gross=net + vat,
        prepaid=document.totals.prepaid,
        due=net + vat - document.totals.prepaid,
    )


def _line(line: Line, exponent: int) -> Iterator[str]:
    if line.base_quantity <= 0:
        yield f"Line {line.number} has a base quantity of {line.base_quantity}, and needs more."
        return
    if line.price < 0:
        yield (
            f"Line {line.number} has a price of {line.price}; "
            "what is taken back has a negative quantity instead."
        )
    if decimals(line.price) > 4:
        yield (
            f"Line {line.number} has a price of {line.price}, with more than four decimals; "
            "price a larger base quantity."
        )
    for allowance in line.allowances:
        yield from _allowance(f"of line {line.number}", allowance, exponent)
    if (expected := net_of(line, exponent)) != line.net:
        yield f"Line {line.number} makes {expected}, not {line.net}."


def _allowance(place: str, allowance: Allowance, exponent: int) -> Iterator[str]:
    word = "extra charge" if allowance.is_charge else "allowance"
    if allowance.amount < 0:
        yield f"An {word} {place} is {allowance.amount}, and must not be negative."
    if allowance.percent is None or allowance.base is None:
        return
    exact = Fraction(allowance.percent) * Fraction(allowance.base) / 100
    if (expected := rounded(exact, exponent)) != allowance.amount:
        yield (
            f"An {word} {place} of {allowance.percent} % of {allowance.base} is {expected}, "
            f"not {allowance.amount}."
        )


def _vat(document: Document) -> Iterator[str]:
    for allowance in document.allowances:
        yield from _allowance("of the whole", allowance, document.exponent)
    expected = vat_of(document)
    given = [each.vat for each in document.vat]
    for vat in dict.fromkeys(given):
        if given.count(vat) > 1:
            yield f"The VAT {vat} is there more than once."
    for vat in expected.keys() - set(given):
        yield f"The VAT {vat} is missing."
    for total in document.vat:
        yield from _vat_total(total, expected.get(total.vat))


def _vat_total(total: VatTotal, expected: tuple[Decimal, Decimal] | None) -> Iterator[str]:
    if expected is None:
        yield f"The VAT {total.vat} belongs to no line."
        return
    basis, amount = expected
    if basis != total.basis:
        yield f"The VAT {total.vat} is on {basis}, not on {total.basis}."
    if amount != total.amount:
        yield f"The VAT {total.vat} is {amount}, not {total.amount}."


_TOTALS = {
    "lines": "sum of the lines",
    "allowances": "sum of the allowances",
    "charges": "sum of the charges",
    "net": "total without VAT",
    "vat": "total of the VAT",
    "gross": "total with VAT",
    "due": "amount due",
}


def _totals(document: Document) -> Iterator[str]:
    expected = totals_of(document)
    for name, words in _TOTALS.items():
        wanted, given = getattr(expected, name), getattr(document.totals, name)
        if wanted != given:
            yield f"The {words} is {wanted}, not {given}."


def _fine_amounts(document: Document) -> Iterator[str]:
    allowances = [*document.allowances, *(a for line in document.lines for a in line.allowances)]
    amounts = {
        *(line.net for line in document.lines),
        *(each.amount for each in allowances),
        *(amount for each in document.vat for amount in (each.basis, each.amount)),
        *(getattr(document.totals, name) for name in (*_TOTALS, "prepaid")),
    }
    for amount in sorted(amounts):
        if decimals(amount) > document.exponent:
            yield (
                f"{amount} has more decimals than {document.currency}, "
                f"which has {document.exponent}."
            )


def _signed(allowance: Allowance) -> Decimal:
    return allowance.amount if allowance.is_charge else -allowance.amount


def balance(allowances: Iterable[Allowance]) -> Decimal:
    """Charges less allowances."""
    return _sum(_signed(each) for each in allowances)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
