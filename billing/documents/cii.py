"""The e-invoice in UN/CEFACT's Cross Industry Invoice D16B, as Factur-X 1.0 embeds it: EN 16931.

The order of the elements is that of Factur-X's schema.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from billing.documents import parties
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
from billing.documents.xml import Node, Vocabulary

PROFILE = "urn:cen.eu:en16931:2017"
TYPE_CODES = {Kind.INVOICE: "380", Kind.CREDIT_NOTE: "381"}

_BASE = "urn:un:unece:uncefact:data:standard"
cii = Vocabulary(
    {
        "rsm": f"{_BASE}:CrossIndustryInvoice:100",
        "qdt": f"{_BASE}:QualifiedDataType:100",
        "ram": f"{_BASE}:ReusableAggregateBusinessInformationEntity:100",
        "udt": f"{_BASE}:UnqualifiedDataType:100",
    }
)


def write(document: Document) -> bytes:
    """The e-invoice's file, unchecked."""
    return cii.write(
        cii(
            "rsm:CrossIndustryInvoice",
            cii(
                "rsm:ExchangedDocumentContext",
                cii("ram:GuidelineSpecifiedDocumentContextParameter", cii("ram:ID", PROFILE)),
            ),
            _head(document),
            cii(
                "rsm:SupplyChainTradeTransaction",
                *(_line(line, document.exponent) for line in document.lines),
                _agreement(document),
                cii("ram:ApplicableHeaderTradeDelivery", _delivery(document.delivery_date)),
                _settlement(document),
            ),
        )
    )


def _head(document: Document) -> Node:
    return cii(
        "rsm:ExchangedDocument",
        cii("ram:ID", document.number),
        cii("ram:TypeCode", TYPE_CODES[document.kind]),
        _moment("ram:IssueDateTime", document.issue_date),
        *(cii("ram:IncludedNote", cii("ram:Content", note)) for note in document.notes),
    )


def _line(line: Line, exponent: int) -> Node:
    return cii(
        "ram:IncludedSupplyChainTradeLineItem",
        cii("ram:AssociatedDocumentLineDocument", cii("ram:LineID", line.number)),
        cii(
            "ram:SpecifiedTradeProduct",
            cii("ram:Name", line.name),
            cii.optional("ram:Description", line.description),
        ),
        cii(
            "ram:SpecifiedLineTradeAgreement",
            cii(
                "ram:NetPriceProductTradePrice",
                cii("ram:ChargeAmount", plain(line.price, exponent)),
                cii("ram:BasisQuantity", plain(line.base_quantity), unitCode=line.unit),
            ),
        ),
        cii(
            "ram:SpecifiedLineTradeDelivery",
            cii("ram:BilledQuantity", plain(line.quantity), unitCode=line.unit),
        ),
        cii(
            "ram:SpecifiedLineTradeSettlement",
            _tax("ram:ApplicableTradeTax", line.vat),
            _period(line.period),
            *(_allowance(each, exponent) for each in line.allowances),
            cii(
                "ram:SpecifiedTradeSettlementLineMonetarySummation",
                cii("ram:LineTotalAmount", money(line.net, exponent)),
            ),
        ),
    )


def _agreement(document: Document) -> Node:
    shows_vat_numbers = parties.shows_vat_numbers(document)
    return cii(
        "ram:ApplicableHeaderTradeAgreement",
        cii("ram:BuyerReference", document.buyer_reference),
        _party("ram:SellerTradeParty", document.seller, shows_vat_numbers),
        _party("ram:BuyerTradeParty", document.buyer, shows_vat_numbers),
        cii(
            "ram:BuyerOrderReferencedDocument",
            cii("ram:IssuerAssignedID", document.order_reference),
        )
        if document.order_reference
        else None,
    )


def _party(name: str, party: Party, shows_vat_numbers: bool) -> Node:
    address = party.address
    endpoint = parties.mail_endpoint(party)
    return cii(
        name,
        cii.optional("ram:ID", party.number),
        cii("ram:Name", party.name),
        cii.optional("ram:Description", party.legal),
        cii("ram:SpecifiedLegalOrganization", cii("ram:ID", party.registration))
        if party.registration
        else None,
        _contact(party),
        cii(
            "ram:PostalTradeAddress",
            cii.optional("ram:PostcodeCode", address.postcode),
            cii.optional("ram:LineOne", address.street),
            cii.optional("ram:LineTwo", address.more),
            cii.optional("ram:CityName", address.city),
            cii("ram:CountryID", address.country),
            cii.optional("ram:CountrySubDivisionName", address.region),
        ),
        cii(
            "ram:URIUniversalCommunication",
            cii("ram:URIID", endpoint.address, schemeID=endpoint.scheme),
        )
        if endpoint
        else None,
        _registration(party.vat_number if shows_vat_numbers else "", "VA"),
        _registration(party.tax_number, "FC"),
    )


def _contact(party: Party) -> Node | None:
    if not (party.contact or party.phone or party.email):
        return None
    return cii(
        "ram:DefinedTradeContact",
        cii.optional("ram:PersonName", party.contact),
        cii("ram:TelephoneUniversalCommunication", cii("ram:CompleteNumber", party.phone))
        if party.phone
        else None,
        cii("ram:EmailURIUniversalCommunication", cii("ram:URIID", party.email))
        if party.email
        else None,
    )


def _registration(number: str, scheme: str) -> Node | None:
    if not number:
        return None
    return cii("ram:SpecifiedTaxRegistration", cii("ram:ID", number, schemeID=scheme))


def _delivery(day: date) -> Node:
    return cii("ram:ActualDeliverySupplyChainEvent", _moment("ram:OccurrenceDateTime", day))


def _settlement(document: Document) -> Node:
    payment, other = document.payment, document.accounting_vat
    preceding = document.preceding
    return cii(
        "ram:ApplicableHeaderTradeSettlement",
        cii.optional("ram:PaymentReference", payment.reference if payment else ""),
        cii.optional("ram:TaxCurrencyCode", other.currency if other else ""),
        cii("ram:InvoiceCurrencyCode", document.currency),
        _means(payment) if payment else None,
        *(_vat_total(each, document.exponent) for each in document.vat),
        _period(document.period),
        *(_allowance(each, document.exponent) for each in document.allowances),
        _terms(document),
        _sums(document),
        cii(
            "ram:InvoiceReferencedDocument",
            cii("ram:IssuerAssignedID", preceding.number),
            cii(
                "ram:FormattedIssueDateTime",
                cii("qdt:DateTimeString", f"{preceding.issue_date:%Y%m%d}", format="102"),
            ),
        )
        if preceding
        else None,
    )


def _means(payment: Payment) -> Node:
    return cii(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        cii("ram:TypeCode", payment.means.value),
        cii(
            "ram:PayeePartyCreditorFinancialAccount",
            cii("ram:IBANID", payment.iban),
            cii.optional("ram:AccountName", payment.account_name),
        )
        if payment.iban
        else None,
        cii("ram:PayeeSpecifiedCreditorFinancialInstitution", cii("ram:BICID", payment.bic))
        if payment.iban and payment.bic
        else None,
    )


def _vat_total(total: VatTotal, exponent: int) -> Node:
    return cii(
        "ram:ApplicableTradeTax",
        cii("ram:CalculatedAmount", money(total.amount, exponent)),
        cii("ram:TypeCode", "VAT"),
        cii.optional("ram:ExemptionReason", total.reason),
        cii("ram:BasisAmount", money(total.basis, exponent)),
        cii("ram:CategoryCode", total.vat.category.value),
        cii.optional("ram:ExemptionReasonCode", total.reason_code),
        _rate(total.vat),
    )


def _allowance(allowance: Allowance, exponent: int) -> Node:
    percent, base = allowance.percent, allowance.base
    return cii(
        "ram:SpecifiedTradeAllowanceCharge",
        cii("ram:ChargeIndicator", cii("udt:Indicator", str(allowance.is_charge).lower())),
        None if percent is None else cii("ram:CalculationPercent", plain(percent)),
        None if base is None else cii("ram:BasisAmount", money(base, exponent)),
        cii("ram:ActualAmount", money(allowance.amount, exponent)),
        cii("ram:Reason", allowance.reason),
        _tax("ram:CategoryTradeTax", allowance.vat)
        if isinstance(allowance, DocumentAllowance)
        else None,
    )


def _terms(document: Document) -> Node | None:
    terms = document.payment.terms if document.payment else ""
    if document.due_date is None and not terms:
        return None
    return cii(
        "ram:SpecifiedTradePaymentTerms",
        cii.optional("ram:Description", terms),
        _moment("ram:DueDateDateTime", document.due_date) if document.due_date else None,
    )


def _sums(document: Document) -> Node:
    totals, exponent, other = document.totals, document.exponent, document.accounting_vat

    def amount(name: str, value: Decimal) -> Node:
        return cii(f"ram:{name}", money(value, exponent))

    return cii(
        "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
        amount("LineTotalAmount", totals.lines),
        amount("ChargeTotalAmount", totals.charges),
        amount("AllowanceTotalAmount", totals.allowances),
        amount("TaxBasisTotalAmount", totals.net),
        cii("ram:TaxTotalAmount", money(totals.vat, exponent), currencyID=document.currency),
        cii("ram:TaxTotalAmount", money(other.amount, other.exponent), currencyID=other.currency)
        if other
        else None,
        amount("GrandTotalAmount", totals.gross),
        amount("TotalPrepaidAmount", totals.prepaid),
        amount("DuePayableAmount", totals.due),
    )


def _tax(name: str, vat: Vat) -> Node:
    return cii(
        name,
        cii("ram:TypeCode", "VAT"),
        cii("ram:CategoryCode", vat.category.value),
        _rate(vat),
    )


def _rate(vat: Vat) -> Node | None:
    if vat.category is VatCategory.OUTSIDE_SCOPE:
        return None
    return cii("ram:RateApplicablePercent", plain(vat.rate))


def _period(period: Period | None) -> Node | None:
    if period is None:
        return None
    return cii(
        "ram:BillingSpecifiedPeriod",
        _moment("ram:StartDateTime", period.first_day),
        _moment("ram:EndDateTime", period.last_day),
    )


def _moment(name: str, day: date) -> Node:
    return cii(name, cii("udt:DateTimeString", f"{day:%Y%m%d}", format="102"))
