"""The e-invoice in UBL 2.1, as Peppol BIS Billing 3.0 wants it.

https://docs.peppol.eu/poacc/billing/3.0/syntax/ubl-invoice/tree/ has the elements and their order.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from billing.documents import parties
from billing.documents.cii import TYPE_CODES
from billing.documents.invoice import (
    Allowance,
    Document,
    DocumentAllowance,
    Kind,
    Line,
    Party,
    Payment,
    Period,
    Vat,
    VatCategory,
    VatTotal,
)
from billing.documents.numbers import money, plain
from billing.documents.xml import Child, Node, Vocabulary

CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"

_BASE = "urn:oasis:names:specification:ubl:schema:xsd"


def write(document: Document) -> bytes:
    """The e-invoice's file, unchecked."""
    return _Writer(document).write()


class _Writer:
    """The elements of one document, whose currency stands at each amount."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.is_invoice = document.kind is Kind.INVOICE
        self.word = "Invoice" if self.is_invoice else "CreditNote"
        self.ubl = Vocabulary(
            {
                "": f"{_BASE}:{self.word}-2",
                "cac": f"{_BASE}:CommonAggregateComponents-2",
                "cbc": f"{_BASE}:CommonBasicComponents-2",
            }
        )

    def write(self) -> bytes:
        document = self.document
        return self.ubl.write(
            self.ubl(
                f":{self.word}",
                *self._head(),
                self._period(document.period),
                self._order(),
                self._preceding(),
                self._party("cac:AccountingSupplierParty", document.seller),
                self._party("cac:AccountingCustomerParty", document.buyer),
                self.ubl(
                    "cac:Delivery", self._day("cbc:ActualDeliveryDate", document.delivery_date)
                ),
                self._means(document.payment) if document.payment else None,
                self._terms(document.payment),
                *(self._allowance(each) for each in document.allowances),
                self._vat(),
                self._vat_for_the_books(),
                self._sums(),
                *(self._line(line) for line in document.lines),
            )
        )

    def _head(self) -> list[Node | None]:
        document, ubl = self.document, self.ubl
        due = self._day("cbc:DueDate", document.due_date) if self.is_invoice else None
        other = document.accounting_vat
        return [
            ubl("cbc:CustomizationID", CUSTOMIZATION),
            ubl("cbc:ProfileID", PROFILE),
            ubl("cbc:ID", document.number),
            self._day("cbc:IssueDate", document.issue_date),
            due,
            ubl(f"cbc:{self.word}TypeCode", TYPE_CODES[document.kind]),
            # One note and no more: PEPPOL-EN16931-R002.
            ubl.optional("cbc:Note", "\n".join(document.notes)),
            ubl("cbc:DocumentCurrencyCode", document.currency),
            ubl.optional("cbc:TaxCurrencyCode", other.currency if other else ""),
            ubl("cbc:BuyerReference", document.buyer_reference),
        ]

    def _order(self) -> Node | None:
        if not self.document.order_reference:
            return None
        return self.ubl("cac:OrderReference", self.ubl("cbc:ID", self.document.order_reference))

    def _preceding(self) -> Node | None:
        preceding = self.document.preceding
        if preceding is None:
            return None
        return self.ubl(
            "cac:BillingReference",
            self.ubl(
                "cac:InvoiceDocumentReference",
                self.ubl("cbc:ID", preceding.number),
                self._day("cbc:IssueDate", preceding.issue_date),
            ),
        )

    def _party(self, name: str, party: Party) -> Node:
        ubl, endpoint = self.ubl, parties.peppol_endpoint(party)
        shown = party.vat_number if parties.shows_vat_numbers(self.document) else ""
        return ubl(
            name,
            ubl(
                "cac:Party",
                ubl("cbc:EndpointID", endpoint.address, schemeID=endpoint.scheme)
                if endpoint
                else None,
                self._within("cac:PartyIdentification", "cbc:ID", party.number),
                ubl("cac:PartyName", ubl("cbc:Name", party.name)),
                self._address(party),
                self._registration(shown, "VAT"),
                self._registration(party.tax_number, "TAX"),
                ubl(
                    "cac:PartyLegalEntity",
                    ubl("cbc:RegistrationName", party.name),
                    ubl.optional("cbc:CompanyID", party.registration),
                    ubl.optional("cbc:CompanyLegalForm", party.legal),
                ),
                self._contact(party),
            ),
        )

    def _address(self, party: Party) -> Node:
        ubl, address = self.ubl, party.address
        return ubl(
            "cac:PostalAddress",
            ubl.optional("cbc:StreetName", address.street),
            ubl.optional("cbc:AdditionalStreetName", address.more),
            ubl.optional("cbc:CityName", address.city),
            ubl.optional("cbc:PostalZone", address.postcode),
            ubl.optional("cbc:CountrySubentity", address.region),
            ubl("cac:Country", ubl("cbc:IdentificationCode", address.country)),
        )

    def _registration(self, number: str, scheme: str) -> Node | None:
        if not number:
            return None
        return self.ubl(
            "cac:PartyTaxScheme",
            self.ubl("cbc:CompanyID", number),
            self.ubl("cac:TaxScheme", self.ubl("cbc:ID", scheme)),
        )

    def _contact(self, party: Party) -> Node | None:
        if not (party.contact or party.phone or party.email):
            return None
        return self.ubl(
            "cac:Contact",
            self.ubl.optional("cbc:Name", party.contact),
            self.ubl.optional("cbc:Telephone", party.phone),
            self.ubl.optional("cbc:ElectronicMail", party.email),
        )

    def _delivery(self) -> Node:
        day = self._day("cbc:ActualDeliveryDate", self.document.delivery_date)
        return self.ubl("cac:Delivery", day)

    def _means(self, payment: Payment) -> Node:
        ubl = self.ubl
        # A credit note has its due date here: its schema knows none at the top.
        due = None if self.is_invoice else self._day("cbc:PaymentDueDate", self.document.due_date)
        return ubl(
            "cac:PaymentMeans",
            ubl("cbc:PaymentMeansCode", payment.means.value),
            due,
            ubl.optional("cbc:PaymentID", payment.reference),
            ubl(
                "cac:PayeeFinancialAccount",
                ubl("cbc:ID", payment.iban),
                ubl.optional("cbc:Name", payment.account_name),
                self._within("cac:FinancialInstitutionBranch", "cbc:ID", payment.bic),
            )
            if payment.iban
            else None,
        )

    def _terms(self, payment: Payment | None) -> Node | None:
        return self._within("cac:PaymentTerms", "cbc:Note", payment.terms if payment else "")

    def _allowance(self, allowance: Allowance) -> Node:
        ubl, percent = self.ubl, allowance.percent
        return ubl(
            "cac:AllowanceCharge",
            ubl("cbc:ChargeIndicator", str(allowance.is_charge).lower()),
            ubl("cbc:AllowanceChargeReason", allowance.reason),
            None if percent is None else ubl("cbc:MultiplierFactorNumeric", plain(percent)),
            self._amount("cbc:Amount", allowance.amount),
            None if allowance.base is None else self._amount("cbc:BaseAmount", allowance.base),
            self._category("cac:TaxCategory", allowance.vat)
            if isinstance(allowance, DocumentAllowance)
            else None,
        )

    def _vat(self) -> Node:
        return self.ubl(
            "cac:TaxTotal",
            self._amount("cbc:TaxAmount", self.document.totals.vat),
            *(self._vat_total(each) for each in self.document.vat),
        )

    def _vat_total(self, total: VatTotal) -> Node:
        return self.ubl(
            "cac:TaxSubtotal",
            self._amount("cbc:TaxableAmount", total.basis),
            self._amount("cbc:TaxAmount", total.amount),
            self._category(
                "cac:TaxCategory",
                total.vat,
                self.ubl.optional("cbc:TaxExemptionReasonCode", total.reason_code),
                self.ubl.optional("cbc:TaxExemptionReason", total.reason),
            ),
        )

    def _vat_for_the_books(self) -> Node | None:
        other = self.document.accounting_vat
        if other is None:
            return None
        amount = money(other.amount, other.exponent)
        return self.ubl(
            "cac:TaxTotal", self.ubl("cbc:TaxAmount", amount, currencyID=other.currency)
        )

    def _sums(self) -> Node:
        totals = self.document.totals
        return self.ubl(
            "cac:LegalMonetaryTotal",
            self._amount("cbc:LineExtensionAmount", totals.lines),
            self._amount("cbc:TaxExclusiveAmount", totals.net),
            self._amount("cbc:TaxInclusiveAmount", totals.gross),
            self._amount("cbc:AllowanceTotalAmount", totals.allowances),
            self._amount("cbc:ChargeTotalAmount", totals.charges),
            self._amount("cbc:PrepaidAmount", totals.prepaid),
            self._amount("cbc:PayableAmount", totals.due),
        )

    def _line(self, line: Line) -> Node:
        ubl = self.ubl
        quantity = "cbc:InvoicedQuantity" if self.is_invoice else "cbc:CreditedQuantity"
        return ubl(
            f"cac:{self.word}Line",
            ubl("cbc:ID", line.number),
            ubl(quantity, plain(line.quantity), unitCode=line.unit),
            self._amount("cbc:LineExtensionAmount", line.net),
            self._period(line.period),
            *(self._allowance(each) for each in line.allowances),
            ubl(
                "cac:Item",
                ubl.optional("cbc:Description", line.description),
                ubl("cbc:Name", line.name),
                self._category("cac:ClassifiedTaxCategory", line.vat),
            ),
            ubl(
                "cac:Price",
                ubl(
                    "cbc:PriceAmount",
                    plain(line.price, self.document.exponent),
                    currencyID=self.document.currency,
                ),
                ubl("cbc:BaseQuantity", plain(line.base_quantity), unitCode=line.unit),
            ),
        )

    def _category(self, name: str, vat: Vat, *reasons: Child) -> Node:
        has_rate = vat.category is not VatCategory.OUTSIDE_SCOPE
        return self.ubl(
            name,
            self.ubl("cbc:ID", vat.category.value),
            self.ubl("cbc:Percent", plain(vat.rate)) if has_rate else None,
            *reasons,
            self.ubl("cac:TaxScheme", self.ubl("cbc:ID", "VAT")),
        )

    def _period(self, period: Period | None) -> Node | None:
        if period is None:
            return None
        return self.ubl(
            "cac:InvoicePeriod",
            self._day("cbc:StartDate", period.first_day),
            self._day("cbc:EndDate", period.last_day),
        )

    def _within(self, name: str, inner: str, text: str) -> Node | None:
        return self.ubl(name, self.ubl(inner, text)) if text else None

    def _amount(self, name: str, value: Decimal) -> Node:
        amount = money(value, self.document.exponent)
        return self.ubl(name, amount, currencyID=self.document.currency)

    def _day(self, name: str, day: date | None) -> Node | None:
        return self.ubl(name, day.isoformat()) if day else None
