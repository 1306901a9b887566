"""Reading CAMT.053 (ISO 20022), versions 02 and 08: what is booked, transaction by transaction.

No library does just that and is kept well, so it is read by lxml, which is here for e-invoices
already: without entities, network and document types, which a statement never has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from billing.bank.entries import Entry, Unreadable, with_keys
from billing.documents.xml import Node

VERSIONS = ("02", "08")
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt."
_NOT_GIVEN = {"NONREF", "NOTPROVIDED"}
_MOST_DIGITS = 18


def read(content: bytes) -> Sequence[Entry]:
    """Every booked transaction in the order of the file. ``Unreadable`` with a sentence."""
    root = _parsed(content)
    _refuse_other(root)
    statements = root.findall("{*}BkToCstmrStmt/{*}Stmt")
    if not statements:
        raise Unreadable("The file has no statement (Stmt) in it.")
    found = [entry for statement in statements for entry in _of_statement(statement)]
    return with_keys(found)


def _parsed(content: bytes) -> Node:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"The file is not whole, well-formed XML: {error}.") from error
    info: Any = root.getroottree().docinfo  # its types know no doctype
    if info.doctype or info.internalDTD is not None:
        raise Unreadable("The file has a document type, which no bank statement has.")
    return root


def _refuse_other(root: Node) -> None:
    name = etree.QName(root)
    space = name.namespace or ""
    kind = space.removeprefix(_NAMESPACE)
    if not space.startswith(_NAMESPACE) or name.localname != "Document":
        raise Unreadable("The file is no CAMT.053 statement: it is some other XML.")
    if not kind.startswith("053.001."):
        raise Unreadable(f"The file is CAMT.{kind[:3]}; only statements, CAMT.053, are taken.")
    if kind.removeprefix("053.001.") not in VERSIONS:
        raise Unreadable(
            f"The file is camt.{kind}; versions 053.001.02 and 053.001.08 can be read."
        )


def _of_statement(statement: Node) -> Iterator[Entry]:
    account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
    if not account:
        raise Unreadable("A statement names no account (Acct/Id).")
    for position, node in enumerate(statement.findall("{*}Ntry"), start=1):
        if (_text(node, "Sts/Cd") or _text(node, "Sts")) != "BOOK":
            continue  # announced, and perhaps never booked
        try:
            yield from _of_entry(node, "".join(account.split()))
        except Unreadable as error:
            raise Unreadable(f"Entry {position} of the statement: {error.sentence}") from error


def _of_entry(node: Node, account: str) -> Iterator[Entry]:
    """One for each transaction of a batch whose amounts add up, else one for all of it."""
    amount, currency = _money(_found(node, "Amt"))
    sign = _sign(node)
    booked_on = _day(node)
    details = node.findall("{*}NtryDtls/{*}TxDtls")
    parts = [_part(each, currency) for each in details]
    whole = Entry(account, booked_on, sign * amount, currency)
    reference = _given(_text(node, "AcctSvcrRef"))
    if len(details) > 1 and None not in parts and sum(each or 0 for each in parts) == amount:
        for position, (each, part) in enumerate(zip(details, parts, strict=True), start=1):
            own = _given(_text(each, "Refs/AcctSvcrRef"))
            known = own if own and own != reference else f"{reference}#{position}"
            yield _entry(
                each, node, whole, sign * (part or Decimal(0)), known if reference or own else ""
            )
        return
    one = details[0] if len(details) == 1 else node
    yield _entry(
        one, node, whole, whole.amount, reference or _given(_text(one, "Refs/AcctSvcrRef"))
    )


def _entry(node: Node, outer: Node, whole: Entry, amount: Decimal, reference: str) -> Entry:
    name, iban = _other(node, whole.account, incoming=amount > 0)
    return Entry(
        account=whole.account,
        booked_on=whole.booked_on,
        amount=amount,
        currency=whole.currency,
        name=name[:140],
        iban=iban[:34],
        text=_remittance(node, outer)[:1000],
        creditor_reference=_text(node, "RmtInf/Strd/CdtrRefInf/Ref")[:35],
        end_to_end=_given(_text(node, "Refs/EndToEndId"))[:35],
        bank_reference=reference[:60],
        charges=_charges(node, whole.currency) or _charges(outer, whole.currency),
        is_return=_is_return(node, outer),
    )


def _part(details: Node, currency: str) -> Decimal | None:
    """What one transaction of a batch comes to, where that is in the account's currency."""
    for path in ("{*}Amt", "{*}AmtDtls/{*}TxAmt/{*}Amt"):
        node = details.find(path)
        if node is not None:
            amount, its = _money(node)
            return amount if its == currency else None
    return None


def _money(node: Node) -> tuple[Decimal, str]:
    text = (node.text or "").strip()
    try:
        amount = Decimal(text) if len(text) <= _MOST_DIGITS else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or "E" in text.upper():
        raise Unreadable(f"“{text[:40]}” is no amount.")
    currency = node.get("Ccy", "")
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise Unreadable("An amount has no currency.")
    return amount, currency


def _sign(node: Node) -> int:
    """Which way the money went; for a reversal too it says what happens to the account now."""
    match _text(node, "CdtDbtInd"):
        case "CRDT":
            return 1
        case "DBIT":
            return -1
    raise Unreadable("It is neither a credit nor a debit (CdtDbtInd).")


def _day(node: Node) -> date:
    for path in ("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm"):
        text = _text(node, path)
        if text:
            try:
                return date.fromisoformat(text[:10])
            except ValueError as error:
                raise Unreadable(f"“{text[:40]}” is no day.") from error
    raise Unreadable("It has no day of booking.")


def _other(node: Node, account: str, *, incoming: bool) -> tuple[str, str]:
    """Name and IBAN of whoever is not the account's owner."""
    sides = ("Dbtr", "Cdtr") if incoming else ("Cdtr", "Dbtr")
    found = []
    for side in sides:
        iban = "".join(_text(node, f"RltdPties/{side}Acct/Id/IBAN").split())
        party = f"RltdPties/{side}"
        name = _text(node, f"{party}/Pty/Nm") or _text(node, f"{party}/Nm")
        if (iban or name) and iban != account:
            found.append((name, iban))
    return found[0] if found else ("", "")


def _remittance(node: Node, outer: Node) -> str:
    lines = [_tidy(each) for each in node.findall("{*}RmtInf/{*}Ustrd")]
    if node is outer:  # a batch that is taken as one
        lines = [_tidy(each) for each in outer.findall("{*}NtryDtls/{*}TxDtls/{*}RmtInf/{*}Ustrd")]
    more = [_text(node, "RtrInf/AddtlInf"), _text(node, "AddtlTxInf")]
    lines = [*lines, *(each for each in more if each)]
    return "\n".join(line for line in lines if line) or _text(outer, "AddtlNtryInf")


def _charges(node: Node, currency: str) -> Decimal:
    """What the bank kept, where it says so in the account's currency."""
    paths = ("{*}Chrgs/{*}TtlChrgsAndTaxAmt", "{*}Chrgs/{*}Rcrd/{*}Amt", "{*}Chrgs/{*}Amt")
    for path in paths:
        amounts = [_money(each) for each in node.findall(path)]
        if amounts:
            return sum((each for each, its in amounts if its == currency), Decimal(0))
    return Decimal(0)


def _is_return(node: Node, outer: Node) -> bool:
    return _text(outer, "RvslInd") in ("true", "1") or node.find("{*}RtrInf") is not None


def _found(node: Node, path: str) -> Node:
    found = node.find(f"{{*}}{path}")
    if found is None:
        raise Unreadable(f"It has no {path}.")
    return found


def _text(node: Node, path: str) -> str:
    found = node.find("/".join(f"{{*}}{step}" for step in path.split("/")))
    return _tidy(found) if found is not None else ""


def _tidy(node: Node) -> str:
    return " ".join((node.text or "").split())


def _given(text: str) -> str:
    return "" if text.upper() in _NOT_GIVEN else text
