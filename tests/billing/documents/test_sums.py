"""Every sum anew: what is off by a cent is a fault, with a sentence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import numbers, sums
from billing.documents.invoice import Allowance, Document, Line
from tests.billing.documents import samples

CENT = Decimal("0.01")


@pytest.mark.parametrize(
    "document",
    [
        samples.document(),
        samples.credit_note(),
        samples.reverse_charge(),
        samples.discounted(),
    ],
    ids=["month", "credit note", "reverse charge", "discounted"],
)
def test_what_adds_up_has_no_fault(document: Document) -> None:
    assert sums.faults(document) == ()


def test_a_line_is_quantity_times_price_for_its_base_quantity() -> None:
    tokens = samples.line(1, "tokens", "1234567", "2.50", base_quantity=Decimal(1_000_000))

    assert tokens.net == Decimal("3.09")  # 3.0864175


def test_a_half_goes_away_from_zero() -> None:
    assert samples.line(1, "half", "1", "0.005").net == Decimal("0.01")
    assert samples.line(1, "half", "-1", "0.005").net == Decimal("-0.01")


def test_what_is_only_nearly_a_half_stays_below_it() -> None:
    """0.0049… with more digits than a context of decimals holds: rounded twice it would be 0.01."""
    base = Decimal("1." + "0" * 39 + "1")

    assert samples.line(1, "x", "1", "0.005", base_quantity=base).net == Decimal("0.00")


@pytest.mark.parametrize(
    ("exponent", "price", "net"),
    [(0, "1200.5", "1201"), (2, "1200.505", "1200.51"), (3, "1.2345", "1.235")],
)
def test_each_currency_has_its_own_decimals(exponent: int, price: str, net: str) -> None:
    assert samples.line(1, "x", "1", price, exponent=exponent).net == Decimal(net)


def test_vat_is_rounded_once_on_the_sum_of_its_lines() -> None:
    lines = [samples.line(at, "x", "1", "0.10") for at in (1, 2, 3)]  # 3 x 0.019 would be 0.06

    assert samples.document(lines).totals.vat == Decimal("0.06")
    assert sums.vat_of(samples.document(lines))[samples.STANDARD] == (
        Decimal("0.30"),
        Decimal("0.06"),
    )


def _line_off(document: Document) -> Document:
    first, *rest = document.lines
    return replace(document, lines=(replace(first, net=first.net + CENT), *rest))


def _vat_off(document: Document) -> Document:
    return replace(
        document, vat=tuple(replace(each, amount=each.amount + CENT) for each in document.vat)
    )


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (_line_off(samples.document()), "Line 1 makes 89.00, not 89.01."),
        (
            _vat_off(samples.document()),
            "The VAT of category S at 19 % is 22.55, not 22.56.",
        ),
        (replace(samples.document(), vat=()), "The VAT of category S at 19 % is missing."),
        (
            replace(samples.document(), vat=samples.document().vat * 2),
            "The VAT of category S at 19 % is there more than once.",
        ),
        (
            replace(
                samples.document(),
                vat=(*samples.document().vat, *samples.reverse_charge().vat),
            ),
            "The VAT of category AE at 0 % belongs to no line.",
        ),
    ],
)
def test_a_sum_that_is_off_is_said(broken: Document, sentence: str) -> None:
    assert sentence in sums.faults(broken)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lines", "sum of the lines"),
        ("allowances", "sum of the allowances"),
        ("charges", "sum of the charges"),
        ("net", "total without VAT"),
        ("vat", "total of the VAT"),
        ("gross", "total with VAT"),
        ("due", "amount due"),
    ],
)
def test_each_total_that_is_off_by_a_cent_is_said(name: str, words: str) -> None:
    document = samples.discounted()
    right = getattr(document.totals, name)
    broken = replace(document, totals=replace(document.totals, **{name: right + CENT}))

    assert sums.faults(broken) == (f"The {words} is {right}, not {right + CENT}.",)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            samples.line(1, "x", "1", "-1.00"),
            "Line 1 has a price of -1.00; what is taken back has a negative quantity instead.",
        ),
        (
            samples.line(1, "x", "1000", "0.00125"),
            "Line 1 has a price of 0.00125, with more than four decimals; "
            "price a larger base quantity.",
        ),
        (
            replace(samples.line(1, "x", "1", "1.00"), base_quantity=Decimal(0)),
            "Line 1 has a base quantity of 0, and needs more.",
        ),
        (
            samples.line(
                1, "x", "1", "9.00", allowances=(Allowance(amount=Decimal(-1), reason="y"),)
            ),
            "An allowance of line 1 is -1, and must not be negative.",
        ),
        (
            samples.line(
                1,
                "x",
                "1",
                "9.00",
                allowances=(
                    Allowance(
                        amount=Decimal("0.91"), reason="y", percent=Decimal(10), base=Decimal(9)
                    ),
                ),
            ),
            "An allowance of line 1 of 10 % of 9 is 0.90, not 0.91.",
        ),
    ],
)
def test_a_line_that_nobody_could_write_down_is_said(line: Line, sentence: str) -> None:
    assert sentence in sums.faults(samples.document([line]))


def test_an_amount_finer_than_its_currency_is_said() -> None:
    document = samples.document([samples.line(1, "x", "1", "1200.505", exponent=3)])

    assert "1200.505 has more decimals than EUR, which has 2." in sums.faults(document)


amounts = st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False)
quantities = st.decimals(min_value=-(10**6), max_value=10**6, places=3, allow_nan=False)


@given(
    exponent=st.sampled_from([0, 2, 3]),
    parts=st.lists(
        st.tuples(
            quantities, amounts, st.sampled_from([1, 30, 1_000_000]), st.sampled_from([0, 7, 19])
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_whatever_the_lines_are_their_sums_add_up(
    exponent: int, parts: list[tuple[Decimal, Decimal, int, int]]
) -> None:
    lines = [
        samples.line(
            at,
            "x",
            str(quantity),
            str(price),
            base_quantity=Decimal(base),
            vat=replace(samples.STANDARD, rate=Decimal(rate)),
            exponent=exponent,
        )
        for at, (quantity, price, base, rate) in enumerate(parts, start=1)
    ]
    document = samples.document(lines, exponent=exponent)

    assert sums.faults(document) == ()
    assert document.totals.gross == sum(each.basis + each.amount for each in document.vat)


@pytest.mark.parametrize(
    ("price", "base", "expected"),
    [
        ("89.00", "1", ("89.00", "1")),
        ("0.0042", "1", ("0.0042", "1")),
        ("0.00125", "1", ("0.0125", "10")),
        ("0.0000025", "1000", ("0.0025", "1000000")),
    ],
)
def test_a_fine_price_is_for_a_larger_quantity(
    price: str, base: str, expected: tuple[str, str]
) -> None:
    scaled = numbers.in_four_decimals(Decimal(price), Decimal(base))

    assert scaled == (Decimal(expected[0]), Decimal(expected[1]))
    assert numbers.decimals(scaled[0]) <= 4


@given(value=st.fractions(), exponent=st.sampled_from([0, 2, 3]))
def test_rounding_is_never_off_by_more_than_a_half_and_mirrors(
    value: Fraction, exponent: int
) -> None:
    there = numbers.rounded(value, exponent)

    assert abs(Fraction(there) - value) * 10**exponent * 2 <= 1
    assert Fraction(numbers.rounded(-value, exponent)) == -Fraction(there)
