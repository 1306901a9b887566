"""An issued invoice or credit note as plain values: what every document and export is made of.

``BT-`` and ``BG-`` are the business terms of EN 16931-1. Money is in the document's currency and
has its exponent's decimals. A credit note's amounts are positive: they are what is given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class VatCategory(StrEnum):
    """Why VAT is what it is (UNCL 5305): BT-118, BT-151."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    INTRA_COMMUNITY = "K"  # goods
    EXPORT = "G"
    OUTSIDE_SCOPE = "O"  # forbids VAT numbers and other categories on the same document


class PaymentMeans(StrEnum):
    """How it is paid (UNCL 4461): BT-81."""

    TRANSFER = "30"
    SEPA_TRANSFER = "58"
    ONLINE = "68"  # through a payment service, such as Stripe


@dataclass(frozen=True, slots=True, kw_only=True)
class Vat:
    """A category and its rate in percent, 0 where the category knows none."""

    category: VatCategory
    rate: Decimal

    def __str__(self) -> str:
        return f"of category {self.category.value} at {self.rate.normalize():f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days, the last one included."""

    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address; ``country`` is ISO 3166-1, two letters."""

    country: str
    street: str = ""
    more: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The seller (BG-4) or the buyer (BG-7), as they were at the issue."""

    name: str
    address: Address
    number: str = ""  # the buyer's number at the seller's: BT-46
    vat_number: str = ""  # with its country's letters: BT-31, BT-48
    tax_number: str = ""  # the seller's at its tax office: BT-32
    registration: str = ""  # in the register of companies: BT-30, BT-47
    contact: str = ""
    phone: str = ""
    email: str = ""
    legal: str = ""  # what else the law wants to read of the seller: BT-33
    # Where e-invoices are sent to, and by which scheme of the EAS list: BT-34, BT-49. Where both
    # are empty Peppol is given the VAT number, and Factur-X the mail address.
    endpoint: str = ""
    endpoint_scheme: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is taken off a line (BG-27), or put on it (BG-28); never negative.

    ``percent`` of ``base`` explain the amount, and are given both or neither.
    """

    amount: Decimal
    reason: str
    is_charge: bool = False
    percent: Decimal | None = None
    base: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAllowance(Allowance):
    """What is taken off the whole (BG-20), or put on it (BG-21): it has a VAT of its own."""

    vat: Vat


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line (BG-25): ``net`` is exactly quantity x price / base quantity, rounded, less its
    allowances and with its charges.

    Prices are not negative and have at most four decimals; what is smaller is priced by a larger
    ``base_quantity`` (``numbers.in_four_decimals``): 1.25 for 1,000,000 tokens. A part of a month
    is 17 ``DAY`` at the month's price for a base quantity of 30. What is taken back has a negative
    quantity.
    """

    number: str
    name: str
    quantity: Decimal
    unit: str  # UN/ECE Recommendation 20: C62 (a piece), MON, DAY, HUR, ...
    price: Decimal
    net: Decimal
    vat: Vat
    base_quantity: Decimal = Decimal(1)
    description: str = ""
    period: Period | None = None
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VatTotal:
    """The VAT of one category and rate (BG-23): rounded once, on the sum of rounded nets.

    ``reason`` is the sentence that the law wants where no VAT is charged (BT-120), ``reason_code``
    its code of the VATEX list, such as VATEX-EU-AE (BT-121).
    """

    vat: Vat
    basis: Decimal
    amount: Decimal
    reason: str = ""
    reason_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums (BG-22). ``prepaid`` is what was paid or credited before the issue."""

    lines: Decimal  # BT-106
    net: Decimal  # BT-109: lines - allowances + charges
    vat: Decimal  # BT-110
    gross: Decimal  # BT-112
    due: Decimal  # BT-115: gross - prepaid
    allowances: Decimal = Decimal(0)  # BT-107
    charges: Decimal = Decimal(0)  # BT-108
    prepaid: Decimal = Decimal(0)  # BT-113


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Where and how to pay (BG-16). A transfer needs the IBAN.

    Credit notes between German parties need it too: DE-R-001 of Peppol.
    """

    means: PaymentMeans
    iban: str = ""
    bic: str = ""
    account_name: str = ""
    reference: str = ""  # what the buyer should write: BT-83
    terms: str = ""  # BT-20


@dataclass(frozen=True, slots=True, kw_only=True)
class Preceding:
    """The invoice that a credit note takes back (BG-3)."""

    number: str
    issue_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingVat:
    """The VAT in the currency of the seller's books, where that is another one (BT-6, BT-111)."""

    currency: str
    exponent: int
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An issued invoice or credit note."""

    kind: Kind
    number: str  # of its series: BT-1
    issue_date: date  # BT-2
    delivery_date: date  # BT-72: the last day of what was delivered
    due_date: date | None  # BT-9; a credit note may have none
    currency: str  # ISO 4217: BT-5
    exponent: int  # the currency's decimals: 0, 2 or 3
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    vat: tuple[VatTotal, ...]
    totals: Totals
    # What the buyer finds it by: its own reference, or else its number here: BT-10.
    buyer_reference: str
    period: Period | None = None  # BT-73, BT-74
    allowances: tuple[DocumentAllowance, ...] = ()
    payment: Payment | None = None
    order_reference: str = ""  # BT-13
    preceding: Preceding | None = None
    notes: tuple[str, ...] = ()  # BT-22
    accounting_vat: AccountingVat | None = None
