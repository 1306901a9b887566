"""How the seller's books call things: set by finance, and given to the exports as plain values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypedDict

from django.db import transaction

from billing.documents.exports import datev as datev_file
from billing.documents.exports import quickbooks as quickbooks_file
from billing.documents.exports import xero as xero_file
from billing.documents.invoice import Vat, VatCategory
from billing.models import Bookkeeping, DebtorAccount, VatAccount
from tenants.errors import Refused
from tenants.models import Client
from tenants.services import audit
from tenants.services.actors import Actor
from tenants.services.validation import refuse_invalid


class BookFields(TypedDict, total=False):
    """What the books are called as a whole."""

    consultant: int | None
    client: int | None
    year_begins: int
    account_digits: int
    chart: str
    debtor: str
    xero_account: str
    quickbooks_item: str


class VatFields(TypedDict, total=False):
    """What one VAT is called."""

    category: str
    rate: Decimal
    account: str
    tax_key: str
    xero_tax_type: str
    quickbooks_tax_code: str


@transaction.atomic
def set_books(*, actor: Actor, fields: BookFields) -> Bookkeeping:
    """Make or change the one row. ``Refused`` with the field where accounts don't fit."""
    books = Bookkeeping.objects.select_for_update().first() or Bookkeeping()
    before = _facts(books, *fields) if not books._state.adding else {}
    for name, value in fields.items():
        setattr(books, name, value)
    _refuse_odd_accounts(books)
    refuse_invalid(books)
    books.save()
    after = _facts(books, *fields)
    if after != before:
        audit.record(
            action="bookkeeping.changed", actor=actor, obj=books, before=before, after=after
        )
    return books


def _refuse_odd_accounts(books: Bookkeeping) -> None:
    """Accounts that are known have to fit the number of digits."""
    digits = books.account_digits
    if books.debtor:
        _refuse_no_debtor(books.debtor, digits, "debtor")
    for account in DebtorAccount.objects.values_list("account", flat=True):
        if len(account) != digits + 1:
            text = f"The account {account} of a client would have to have {digits + 1} digits."
            raise Refused(text, field="account_digits")
    for account in VatAccount.objects.exclude(account="").values_list("account", flat=True):
        if len(account) > digits:
            text = f"The account {account} of revenue has more than {digits} digits."
            raise Refused(text, field="account_digits")


@transaction.atomic
def set_vat_account(
    *, actor: Actor, fields: VatFields, row: VatAccount | None = None
) -> VatAccount:
    """Make or change what a VAT is called."""
    row = row or VatAccount()
    before = _facts(row, *fields) if not row._state.adding else {}
    for name, value in fields.items():
        setattr(row, name, value)
    if row.category != VatAccount.Category.STANDARD and row.rate:
        raise Refused("Only where VAT is charged is there a rate; write 0.", field="rate")
    digits = _books().account_digits
    if len(row.account) > digits:
        raise Refused(f"The books' accounts have {digits} digits at the most.", field="account")
    refuse_invalid(row)
    row.save()
    after = _facts(row, *fields)
    audit.record(action="vat_account.set", actor=actor, obj=row, before=before, after=after)
    return row


@transaction.atomic
def set_debtor(*, client: Client, account: str, actor: Actor) -> DebtorAccount:
    """Give a client an account of its own, or another one."""
    found = DebtorAccount.objects.select_for_update().filter(client=client).first()
    row = found or DebtorAccount(client=client)
    before = {"account": row.account} if found else {}
    row.account = account.strip()
    _refuse_no_debtor(row.account, _books().account_digits, "account")
    refuse_invalid(row)
    row.save()
    told = {"account": row.account}
    audit.record(
        action="debtor_account.set",
        actor=actor,
        client=client,
        obj=row,
        before=before,
        after=told,
    )
    return row


def _refuse_no_debtor(account: str, digits: int, field: str) -> None:
    """DATEV keeps clients on accounts of one more digit, which begin with 1 to 6."""
    if len(account) != digits + 1 or account[:1] not in "123456":
        raise Refused(
            f"A client's account has {digits + 1} digits here and begins with 1 to 6.", field=field
        )


def datev(year_begins_on: date) -> datev_file.Books:
    """For a batch of that business year. ``Refused`` where something has not been entered."""
    books = _books()
    if books.consultant is None or books.client is None or not books.debtor:
        raise Refused(
            "Enter DATEV's consultant's number, client's number and account of clients first,"
            " under Bookkeeping."
        )
    rows = [row for row in VatAccount.objects.all() if row.account]
    debtors = DebtorAccount.objects.values_list("client__slug", "account")
    return datev_file.Books(
        consultant=books.consultant,
        client=books.client,
        year_begins_on=year_begins_on,
        revenue={_vat(row): row.account for row in rows},
        debtor=books.debtor,
        debtors=dict(debtors),
        tax_keys={_vat(row): row.tax_key for row in rows if row.tax_key},
        account_digits=books.account_digits,
        chart=books.chart,
    )


def year_begins() -> int:
    """The month in which the business year begins."""
    return _books().year_begins


def xero() -> xero_file.Books:
    """``Refused`` where something has not been entered."""
    account = _books().xero_account
    if not account:
        raise Refused("Enter Xero's account of revenue first, under Bookkeeping.")
    types = {_vat(row): row.xero_tax_type for row in VatAccount.objects.exclude(xero_tax_type="")}
    return xero_file.Books(account=account, tax_types=types)


def quickbooks() -> quickbooks_file.Books:
    """``Refused`` where something has not been entered."""
    item = _books().quickbooks_item
    if not item:
        raise Refused("Enter QuickBooks' product or service first, under Bookkeeping.")
    rows = VatAccount.objects.exclude(quickbooks_tax_code="")
    return quickbooks_file.Books(
        item=item, tax_codes={_vat(row): row.quickbooks_tax_code for row in rows}
    )


def _books() -> Bookkeeping:
    return Bookkeeping.objects.first() or Bookkeeping()


def _vat(row: VatAccount) -> Vat:
    return Vat(category=VatCategory(row.category), rate=row.rate)


def _facts(row: Any, *names: str) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value := getattr(row, name), Decimal) else value
        for name in names
    }
